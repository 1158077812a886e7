import AWSProvider
import Testing

@Suite("Endpoints")
struct EndpointTests {
  @Test(
    "AWS's own",
    arguments: [
      ("ec2", "eu-west-1", "https://ec2.eu-west-1.amazonaws.com"),
      ("ec2", "cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn"),
      ("sts", "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
      ("s3", "us-east-1", "https://s3.us-east-1.amazonaws.com"),
      ("ce", "eu-west-1", "https://ce.us-east-1.amazonaws.com"),
    ])
  func standard(_ name: String, _ region: String, _ expected: String) throws {
    let service = try #require(
      [AWSService.ec2, .sts, .s3, .ssm, .secretsManager, .costExplorer].first { $0.name == name })
    #expect(AWSEndpoints().endpoint(service, region: region).origin == expected)
  }

  @Test("dual stack and FIPS")
  func variants() throws {
    let both = try AWSEndpoints(environment: ["AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"])
    #expect(both.endpoint(.s3, region: "us-east-1").host == "s3-fips.dualstack.us-east-1.amazonaws.com")
    #expect(both.endpoint(.ec2, region: "us-east-1").host == "ec2-fips.us-east-1.api.aws")
  }

  @Test("a service's own comes before the one for all, and the environment before the file")
  func precedence() throws {
    let profile = ["endpoint_url": "http://profile.test"]
    let services = ["ec2": ["endpoint_url": "http://section.test"]]
    func host(_ environment: [String: String], _ service: AWSService = .ec2) throws -> String {
      try AWSEndpoints(environment: environment, profile: profile, services: services)
        .endpoint(service, region: "eu-west-1").host
    }
    #expect(try host([:]) == "section.test")
    #expect(try host([:], .s3) == "profile.test")
    #expect(try host(["AWS_ENDPOINT_URL": "http://all.test"]) == "all.test")
    #expect(
      try host(["AWS_ENDPOINT_URL": "http://all.test", "AWS_ENDPOINT_URL_EC2": "http://one.test:81"]) == "one.test:81")
    #expect(
      try host(["AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://sm.test:443/base/"], .secretsManager) == "sm.test")
    #expect(
      try host(["AWS_ENDPOINT_URL": "http://all.test", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"])
        == "ec2.eu-west-1.amazonaws.com")
  }

  @Test(
    "what is no endpoint is refused",
    arguments: [
      "host", "ftp://host", "http://", "http://user:pass@host", "http://host?x=1", "http://host:0", "http://host:99999",
      "http://ho st", "http://host/a b", "http://[::1", "http://host:", "http://host#f", "http://host:8o",
    ])
  func refused(_ url: String) {
    #expect(Endpoint(url: url) == nil)
    let error = #expect(throws: AWSError.self) { try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": url]) }
    #expect(error?.code == .configuration)
  }

  @Test("a bucket is named in the host where that works")
  func buckets() throws {
    let plain = AWSEndpoints()
    #expect(plain.bucket("data-1", region: "eu-west-1").endpoint.host == "data-1.s3.eu-west-1.amazonaws.com")
    #expect(plain.bucket("data-1", region: "eu-west-1").prefix == "")
    #expect(plain.bucket("my.data", region: "eu-west-1").endpoint.host == "s3.eu-west-1.amazonaws.com")
    #expect(plain.bucket("my.data", region: "eu-west-1").prefix == "/my.data")
    #expect(plain.bucket("Data", region: "us-east-1").prefix == "/Data")
    let custom = try AWSEndpoints(environment: ["AWS_ENDPOINT_URL_S3": "http://[::1]:9000/s3"])
    #expect(custom.bucket("data", region: "x").endpoint == Endpoint(scheme: "http", host: "[::1]:9000", path: "/s3"))
    #expect(custom.bucket("data", region: "x").prefix == "/data")
  }
}
