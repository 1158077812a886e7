import Foundation
import TestSupport
import Testing

/// What somebody sees who sets AWS up, before any instance boots.
@Suite(
  "Setting up AWS",
  .enabled(
    if: LoopbackAWS.isInstalled && LoopbackS3.isInstalled, "Scripts/setup --test installs what stands in for AWS"),
  .timeLimit(.minutes(3)))
struct AWSSetupTests {
  private static let config = #"""
    {
      "aws": {"region": "us-east-1", "instance_types": ["c5.large"], "s3_bucket": "my-bucket", "key_name": "k"},
      "sync": {"remote": "gdrive", "gdrive_path": "results"}
    }
    """#

  private func run(_ body: (Workplace, LoopbackAWS, LoopbackS3, [String: String]) async throws -> Void) async throws {
    try await Workplace.run(config: Self.config) { place in
      try await LoopbackServer.aws { aws in
        try await LoopbackServer.s3(in: place.path("s3"), buckets: ["my-bucket"]) { inputs in
          try place.write("rclone.conf", "[gdrive]\ntype = local\n")
          try await aws.control(
            "key-pair",
            #"{"name": "k", "public": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f k"}"#
          )
          var environment = aws.environment
          environment["AWS_ENDPOINT_URL_S3"] = inputs.endpoint
          environment["RCLONE_CONFIG"] = place.path("rclone.conf")
          try await body(place, aws, inputs, environment)
        }
      }
    }
  }

  @Test("doctor looks at AWS where it is used, says what is right and what is not, and leaves nothing behind")
  func doctor() async throws {
    try await run { place, aws, inputs, environment in
      let good = try await place.cloudjobs(["doctor"], environment: environment)
      #expect(good.code == 0, "\(good)")
      for line in [
        "✓ aws credentials: environment; they hold until they are revoked", "✓ aws identity: account ",
        "✓ aws clock: as AWS's",
        "✓ aws us-east-1: key pair k is there", "✓ aws us-east-1: c5.large with ami-",
        "✓ aws bucket: my-bucket in us-east-1 can be listed, written, read and cleared",
        "✓ aws results: remote gdrive of \(place.path("rclone.conf")) goes to the instances",
      ] { #expect(good.output.contains(line), "\(line) in \(good.output)") }
      #expect(!good.output.contains(LoopbackAWS.secret) && !good.errors.contains(LoopbackAWS.secret))
      #expect(try await aws.state().instances.isEmpty)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: inputs.folder + "/my-bucket/").filter { $0 != "_cloudjobs" }
          .isEmpty)

      try await aws.control("deny", #"{"action": "ec2:RunInstances"}"#)
      let bad = try await place.cloudjobs(["doctor", "--json"], environment: environment)
      #expect(bad.code == 78, "\(bad)")
      let findings = try JSONSerialization.jsonObject(with: Data(bad.output.utf8)) as? [[String: Any]] ?? []
      let wrong = findings.filter { $0["result"] as? String == "error" }
      #expect(wrong.count == 1 && wrong[0]["check"] as? String == "aws us-east-1", "\(wrong)")
      #expect((wrong.first?["message"] as? String)?.hasSuffix(" may not do ec2:RunInstances") == true)
      #expect((wrong.first?["remedy"] as? String)?.contains("docs/aws.md#permissions") == true)

      // A region alone stands in every example.
      try place.write("config.json", #"{"aws": {"region": "us-east-1"}}"#)
      let unused = try await place.cloudjobs(["doctor"], environment: environment)
      #expect(unused.code == 0 && !unused.output.contains(" aws "), "\(unused)")
      let forced = try await place.cloudjobs(["doctor", "--provider", "aws"], environment: environment)
      #expect(forced.output.contains("! aws bucket: aws.s3_bucket is not set"), "\(forced)")
    }
  }

  @Test("run says until when an instance can be spoken to if nobody watches, and reconcile prints what its page names")
  func launch() async throws {
    try await run { place, aws, _, environment in
      try place.calculation("calc", "true")
      var short = environment
      // A login that ends in two hours.
      let end = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 7200))
      short["AWS_CREDENTIAL_EXPIRATION"] = end
      let run = try await place.cloudjobs(["run", "calc", "--provider", "aws"], environment: short)
      #expect(run.code == 0, "\(run)")
      #expect(run.errors.contains("Nobody watches yet. Start the watcher: cloudjobs watch"))
      let line = run.errors.split(separator: "\n").first {
        $0.hasPrefix("Without a watcher the instance can be spoken to until ")
      }
      let said = try #require(line?.split(separator: " ").dropFirst(10).first.map(String.init), "\(run)")
      let until = try #require(ISO8601DateFormatter().date(from: said), "\(said)")
      #expect(abs(until.timeIntervalSince(try #require(ISO8601DateFormatter().date(from: end)))) < 2, "\(said)")
      let job = run.output.trimmingCharacters(in: .whitespacesAndNewlines)

      let reconcile = try await place.cloudjobs(["reconcile", "--dry-run", "--json"], environment: environment)
      #expect(reconcile.code == 0, "\(reconcile)")
      let report = try JSONSerialization.jsonObject(with: Data(reconcile.output.utf8)) as? [String: Any]
      let instances = report?["instances"] as? [[String: Any]] ?? []
      #expect(
        instances.count == 1 && instances[0]["job_id"] as? String == job
          && instances[0]["verdict"] as? String == "known")
      // docs/json.md has exactly these keys.
      let page = try String(
        contentsOf: LoopbackServer.packageRoot.appendingPathComponent("docs/json.md"), encoding: .utf8)
      let section = try #require(
        page.components(separatedBy: "\n## `reconcile`\n").last?.components(separatedBy: "\n## ").first)
      let keys = Set(
        section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0.split(separator: "`")[1]) })
      let printed = Set((report ?? [:]).keys).union((instances.first ?? [:]).keys.map { "instances.\($0)" })
      #expect(keys == printed, "\(keys.symmetricDifference(printed))")
    }
  }
}
