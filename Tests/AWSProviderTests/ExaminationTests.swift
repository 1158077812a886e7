import Foundation
import JobModel
import TestSupport
import Testing
import Transport

@testable import AWSProvider

@Suite(
  "Looking whether AWS is ready",
  .enabled(
    if: LoopbackAWS.isInstalled && LoopbackS3.isInstalled, "Scripts/setup --test installs what stands in for AWS"))
struct ExaminationTests {
  private static let now = S3Ground.realTime.now

  private func examination(
    _ aws: String, s3: String, credentials: AWSCredentials? = nil,
    _ change: (inout AWSProviderSettings) -> Void = { _ in }
  ) throws -> AWSExamination {
    var settings = AWSProviderSettings(regions: ["us-east-1"])
    settings.instanceTypes = ["c5.large"]
    settings.bucket = "data"
    change(&settings)
    let known =
      credentials
      ?? AWSCredentials(accessKeyID: LoopbackAWS.keyID, secretKey: Secret(LoopbackAWS.secret), source: "environment")
    let source = CredentialSource(now: Self.now) { () async throws(AWSError) in known }
    let client = AWSClient(
      settings: AWSSettings(
        region: "us-east-1",
        endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": aws, "AWS_ENDPOINT_URL_S3": s3]), maxTries: 1),
      http: HTTPClient(), credentials: source, clock: S3Ground.realTime)
    return AWSExamination(
      settings: settings, client: client, credentials: source, probeID: "test", now: Self.now)
  }

  private func run(strict: Bool = true, _ body: (LoopbackAWS, S3Ground) async throws -> Void) async throws {
    try await LoopbackServer.aws(strict: strict) { aws in try await S3Ground.run { try await body(aws, $0) } }
  }

  @Test("An account that is ready: everything is good, and nothing was launched or left behind")
  func ready() async throws {
    try await run { aws, ground in
      try await aws.control(
        "key-pair",
        #"{"name": "k", "public": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f k"}"#
      )
      let answer = try await aws.control("group", #"{"name": "ssh"}"#)
      let group = try #require((JSONSerialization.jsonObject(with: answer) as? [String: Any])?["id"] as? String)
      try await aws.control("profile", #"{"name": "worker"}"#)
      let examination = try examination(aws.endpoint, s3: ground.server.endpoint) {
        $0.keyName = "k"
        $0.securityGroup = group
        $0.profile = "worker"
      }
      let findings = await examination.findings()
      #expect(findings.allSatisfy { $0.result == .good }, "\(findings)")
      #expect(
        findings.map(\.subject) == ["credentials", "identity", "clock"] + Array(repeating: "us-east-1", count: 3) + [
          "bucket"
        ])
      #expect(findings[0].message == "environment; they hold until they are revoked")
      #expect(findings[1].message.hasPrefix("account ") && findings[1].message.contains("arn:aws:"))
      #expect(findings[5].message.hasPrefix("c5.large with ami-"))
      #expect(findings[6].message == "data in us-east-1 can be listed, written, read and cleared")
      let state = try await aws.state()
      #expect(state.instances.isEmpty)
      #expect(state.calls["us-east-1"]?["RunInstances"] == 1 && state.calls["us-east-1"]?["TerminateInstances"] == 1)
      #expect(try await ground.client.listAll("data", prefix: "").isEmpty)
      #expect(!"\(findings)".contains(LoopbackAWS.secret))
    }
  }

  @Test(
    "What is forbidden is named, with who lacks it",
    arguments: [
      "ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeSpotPriceHistory", "ssm:GetParameter",
      "ec2:RunInstances", "ec2:CreateTags", "iam:PassRole",
    ])
  func forbidden(_ action: String) async throws {
    try await run { aws, ground in
      try await aws.control("profile", #"{"name": "worker"}"#)
      try await aws.control("deny", #"{"action": "\#(action)"}"#)
      let bad = await (try examination(aws.endpoint, s3: ground.server.endpoint) { $0.profile = "worker" }).findings()
        .filter { $0.result != .good }
      #expect(bad.count == 1, "\(bad)")
      let finding = try #require(bad.first)
      #expect(finding.result == .bad && finding.subject == "us-east-1")
      #expect(finding.message.hasPrefix("arn:aws:") && finding.message.hasSuffix(" may not do \(action)"), "\(finding)")
      #expect(finding.remedy == "Allow \(action) in its policy (docs/aws.md#permissions)")
    }
  }

  @Test(
    "The right to end instances is tried on one that is gone; before there was one, a refusal may be a narrow policy")
  func termination() async throws {
    try await run { aws, ground in
      try await aws.control("deny", #"{"action": "ec2:TerminateInstances"}"#)
      let examination = try examination(aws.endpoint, s3: ground.server.endpoint)
      let unsure = await examination.findings().filter { $0.result != .good }
      #expect(unsure.count == 1 && unsure[0].result == .warning, "\(unsure)")
      #expect(unsure.first?.message.contains("ec2:TerminateInstances on an instance that does not exist") == true)
      let answer = try await aws.control("bulk", #"{"count": 2, "tags": {"cloudjobs:job": "a1b2c3d{n}"}}"#)
      let made = try JSONSerialization.jsonObject(with: answer) as? [String: Any]
      let first = try #require((made?["instances"] as? [String])?.first)
      try await aws.control("end", #"{"instance": "\#(first)", "code": "Client.UserInitiatedShutdown"}"#)
      for _ in 0..<50 where try await aws.state().instances.first(where: { $0.id == first })?.state != "terminated" {
        try await aws.advance(10)
      }
      let sure = await examination.findings().filter { $0.result != .good }
      #expect(sure.count == 1 && sure[0].result == .bad, "\(sure)")
      #expect(sure.first?.message.hasSuffix(" may not do ec2:TerminateInstances") == true)
      // Allowed, the probe ends nothing.
      try await aws.control("deny", #"{"action": "ec2:TerminateInstances", "allow": true}"#)
      #expect(await examination.findings().allSatisfy { $0.result == .good })
      #expect(try await aws.state().instances.filter { $0.state == "running" }.count == 1)
    }
  }

  @Test("What the configuration names and is not there is named, and does not hide the rest")
  func missing() async throws {
    try await run { aws, ground in
      let examination = try examination(aws.endpoint, s3: ground.server.endpoint) {
        $0.keyName = "nokey"
        $0.securityGroup = "nogroup"
        $0.subnet = "subnet-0123456789abcdef0"
        $0.profile = "noprofile"
        $0.instanceTypes = ["c5.large", "z99.huge"]
        $0.bucket = "no-such-bucket"
      }
      let findings = await examination.findings()
      let bad = findings.filter { $0.result == .bad }
      #expect(
        bad.map(\.message) == [
          "there is no key pair nokey", "there is no security group nogroup",
          "there is no subnet subnet-0123456789abcdef0", "there is no instance profile noprofile",
          "there is no bucket no-such-bucket",
        ], "\(findings)")
      #expect(bad.allSatisfy { $0.remedy?.isEmpty == false })
      #expect(findings.filter { $0.result == .warning }.map(\.message) == ["it has no z99.huge"])
      #expect(findings.contains { $0.result == .good && $0.message.hasPrefix("c5.large with ami-") })
    }
  }

  @Test("Wrong credentials and an AWS that does not answer end it at once, with what to do")
  func hopeless() async throws {
    try await run(strict: false) { aws, ground in
      let wrong = AWSCredentials(
        accessKeyID: LoopbackAWS.keyID, secretKey: Secret("not-the-secret"), source: "environment")
      let refused = await (try examination(aws.endpoint, s3: ground.server.endpoint, credentials: wrong)).findings()
      #expect(refused.map(\.subject) == ["credentials", "identity"] && refused.last?.result == .bad, "\(refused)")
      #expect(refused.last?.remedy?.isEmpty == false && !"\(refused)".contains("not-the-secret"))
      let silent = await (try examination("http://127.0.0.1:1", s3: ground.server.endpoint)).findings()
      #expect(silent.map(\.subject) == ["credentials", "identity"] && silent.last?.result == .bad, "\(silent)")
    }
  }

  // MARK: Values

  private static let moment = Timestamp(iso8601: "2026-01-01T00:00:00Z")!

  @Test("Temporary credentials say until when they hold, and what that means")
  func life() {
    func finding(_ seconds: Int64?) -> AWSFinding {
      AWSExamination.life(
        AWSCredentials(
          accessKeyID: "AKIA", secretKey: Secret("s3cr3t"), sessionToken: Secret("t0k3n"),
          expiration: seconds.map { Self.moment + .seconds($0) }, source: "profile science"), now: Self.moment)
    }
    let long = finding(12 * 3600)
    #expect(long.result == .good && long.message.contains("2026-01-01T12:00:00Z (12h"), "\(long)")
    #expect(long.message.contains("addresses of instances that no watcher renews"))
    #expect(finding(1800).result == .warning && finding(1800).remedy?.contains("Renew them") == true)
    #expect(finding(nil).result == .warning)
    #expect(!"\(long)\(finding(nil))".contains("s3cr3t") && !"\(long)".contains("t0k3n"))
  }

  @Test(
    "A clock that is off is told with its direction", arguments: [(0, true), (-60, true), (61, false), (-400, false)])
  func clock(_ ahead: Int64, _ isGood: Bool) {
    let finding = AWSExamination.clock(.seconds(ahead))
    #expect((finding.result == .good) == isGood)
    if !isGood { #expect(finding.message.contains(ahead > 0 ? "behind AWS's" : "ahead of AWS's")) }
  }

  @Test("The remote must be one that instances can be given")
  func remote() {
    var settings = AWSProviderSettings(regions: ["us-east-1"])
    settings.rcloneConfigFile = "/home/me/rclone.conf"
    func result(_ remote: String?, _ text: String? = "[gdrive]\ntype = drive\n") -> AWSFinding.Result {
      AWSExamination.remote(remote, settings: settings, configuration: text).result
    }
    #expect(result("gdrive") == .good && result("gdrive:results") == .good)
    #expect(result(nil) == .warning)
    #expect(result("./results") == .bad && result("other") == .bad && result("gdrive", nil) == .bad)
    settings.rcloneConfigSecret = "rclone"
    #expect(result("gdrive") == .bad)
    settings.profile = "worker"
    #expect(result("gdrive", nil) == .good)
  }

  @Test(
    "A refusal names the permission that is missing",
    arguments: [
      ("User: arn:aws:iam::1:user/a is not authorized to perform: iam:PassRole on resource: x", "iam:PassRole"),
      ("not authorized to perform: s3:ListBucket", "s3:ListBucket"), ("Access Denied", nil), ("to perform: it", nil),
    ])
  func permission(_ message: String, _ action: String?) {
    #expect(AWSFinding.permission(in: message) == action)
  }
}
