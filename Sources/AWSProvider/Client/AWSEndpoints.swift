/// Which endpoint a call goes to (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
package struct AWSEndpoints: Sendable, Hashable {
  /// For all services that have none of their own.
  package var global: Endpoint?
  /// By `AWSService.settingName`.
  package var ofService: [String: Endpoint]
  package var usesDualStack: Bool
  package var usesFIPS: Bool
  /// Buckets are named in the path even where they could be named in the host.
  package var forcesPathStyle: Bool

  package init(
    global: Endpoint? = nil, ofService: [String: Endpoint] = [:], usesDualStack: Bool = false, usesFIPS: Bool = false,
    forcesPathStyle: Bool = false
  ) {
    self.global = global
    self.ofService = ofService
    self.usesDualStack = usesDualStack
    self.usesFIPS = usesFIPS
    self.forcesPathStyle = forcesPathStyle
  }

  /// As the environment, and what the configuration file says of the profile, have it: a service's own endpoint before
  /// the one for all, the environment before the file. None of both if configured endpoints are to be ignored.
  ///
  /// - Parameters:
  ///   - profile: the keys of the profile.
  ///   - services: the keys of the `services` section that it names, by service.
  /// - Throws: `AWSError.Code.configuration` for an address that is none.
  package init(
    environment: [String: String], profile: [String: String] = [:], services: [String: [String: String]] = [:]
  ) throws(AWSError) {
    self.init()
    usesDualStack = Self.flag(environment["AWS_USE_DUALSTACK_ENDPOINT"] ?? profile["use_dualstack_endpoint"])
    usesFIPS = Self.flag(environment["AWS_USE_FIPS_ENDPOINT"] ?? profile["use_fips_endpoint"])
    if Self.flag(environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] ?? profile["ignore_configured_endpoint_urls"]) {
      return
    }
    let known: [AWSService] = [.ec2, .sts, .s3, .ssm, .secretsManager, .costExplorer]
    let everywhere = environment["AWS_ENDPOINT_URL"]
    for service in known {
      let variable = "AWS_ENDPOINT_URL_" + service.settingName
      if let url = environment[variable], !url.isEmpty {
        ofService[service.settingName] = try Self.endpoint(url, variable)
      } else if everywhere ?? "" == "", let url = services[service.settingName.lowercased()]?["endpoint_url"] {
        ofService[service.settingName] = try Self.endpoint(url, "endpoint_url of \(service.name)")
      }
    }
    if let url = everywhere, !url.isEmpty {
      global = try Self.endpoint(url, "AWS_ENDPOINT_URL")
    } else if let url = profile["endpoint_url"] {
      global = try Self.endpoint(url, "endpoint_url of the profile")
    }
  }

  private static func flag(_ text: String?) -> Bool { text?.lowercased() == "true" }

  private static func endpoint(_ url: String, _ place: String) throws(AWSError) -> Endpoint {
    if let endpoint = Endpoint(url: url) { return endpoint }
    throw AWSError(
      .configuration, "\(place) is not the address of an endpoint",
      remedy: "Write it as https://host or http://host:port, without a user name and a query.")
  }

  /// Whether calls to `service` go somewhere else than to AWS's own endpoint.
  package func isCustom(_ service: AWSService) -> Bool { custom(service) != nil }

  private func custom(_ service: AWSService) -> Endpoint? { ofService[service.settingName] ?? global }

  package func endpoint(_ service: AWSService, region: String) -> Endpoint {
    if let custom = custom(service) { return custom }
    let region = service.onlyRegion ?? region
    let partition = Partition(region: region)
    let fips = usesFIPS ? "-fips" : ""
    if service == .s3 {
      let stack = usesDualStack ? ".dualstack" : ""
      return Endpoint(host: "s3\(fips)\(stack).\(region).\(partition.suffix)")
    }
    return Endpoint(
      host: "\(service.name)\(fips).\(region).\(usesDualStack ? partition.dualStackSuffix : partition.suffix)")
  }

  /// Where a bucket answers, and what stands before the key in the path: nothing, or `/bucket`.
  ///
  /// In the host's name where that works; in the path with an endpoint of one's own, and for names with dots, which no
  /// certificate covers.
  package func bucket(_ bucket: String, region: String) -> (endpoint: Endpoint, prefix: String) {
    let endpoint = endpoint(.s3, region: region)
    let isHostName =
      (3...63).contains(bucket.utf8.count)
      && bucket.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
      && !bucket.hasPrefix("-") && !bucket.hasSuffix("-")
    if isCustom(.s3) || forcesPathStyle || !isHostName { return (endpoint, "/" + bucket) }
    return (endpoint.prefixed(bucket), "")
  }
}

/// A group of regions with names of their own (AWS General Reference, "Amazon Resource Names", partitions).
package enum Partition: String, Sendable, Hashable {
  case aws
  case china = "aws-cn"
  case usGov = "aws-us-gov"

  package init(region: String) {
    self = region.hasPrefix("cn-") ? .china : region.hasPrefix("us-gov-") ? .usGov : .aws
  }

  package var suffix: String { self == .china ? "amazonaws.com.cn" : "amazonaws.com" }
  package var dualStackSuffix: String { self == .china ? "api.amazonwebservices.com.cn" : "api.aws" }
}
