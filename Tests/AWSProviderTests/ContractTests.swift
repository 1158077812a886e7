import AWSProvider
import Foundation
import JobModel
import Logging
import ProviderKit
import Synchronization
import TestSupport
import Testing
import Transport

/// What every provider promises, on instances that really boot behind the stand-in for AWS.
@Suite(
  "The contract of providers, on AWS", .serialized,
  .enabled(
    if: LoopbackAWS.isInstalled && LoopbackS3.isInstalled, "Scripts/setup --test installs what stands in for AWS"))
struct AWSContractTests {
  @Test("holds", arguments: ProviderContract.checks)
  func holds(_ check: ProviderContract.Check) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-\(UUID().uuidString)").path
    // A left-over in the temporary directory is no failure.
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await LoopbackServer.aws { aws in
      try await LoopbackServer.s3(in: folder, buckets: ["bucket"]) { s3 in
        let answer = try await aws.control("boot", #"{"enabled": true, "reach": [\#(s3.server.port)]}"#)
        if let why = (try JSONSerialization.jsonObject(with: answer) as? [String: Any])?["unsupported"] as? String {
          print("instances can't boot here: \(why)")
          return
        }
        try await aws.control("settings", #"{"pending_seconds": 0.1, "shutting_down_seconds": 0.1}"#)
        try await check.run(world(aws, s3))
      }
    }
  }

  private func world(_ aws: LoopbackAWS, _ s3: LoopbackS3) -> ProviderContract.World {
    var endpoints = AWSEndpoints(global: Endpoint(url: aws.endpoint))
    endpoints.ofService[AWSService.s3.settingName] = Endpoint(url: s3.endpoint)
    let clock = AWSClock(now: { StandIn.now }, sleep: { try await Task.sleep(for: max(.zero, $0 - StandIn.now)) })
    let client = AWSClient(
      settings: AWSSettings(region: "us-east-1", endpoints: endpoints), http: HTTPClient(),
      credentials: StaticCredentials(
        AWSCredentials(accessKeyID: LoopbackAWS.keyID, secretKey: Secret(LoopbackAWS.secret), source: "test")),
      clock: clock)
    var settings = AWSProviderSettings(regions: ["us-east-1"])
    settings.instanceTypes = ["c5.large"]
    settings.heartbeatInterval = .seconds(1)
    let storage = S3Client(client)
    let provider = AWSProvider(
      settings: settings, client: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      now: { StandIn.now }, objects: { S3Bucket($0, storage) })
    let counter = Mutex(0)
    return ProviderContract.World(provider: provider, patience: .seconds(60)) { command in
      let number = counter.withLock { number in
        number += 1
        return number
      }
      // Eight letters and digits.
      let id = "contrac\(number)"
      // Nothing is staged for it.
      let place = "\(s3.folder)/bucket/\(id)"
      try? FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      _ = FileManager.default.createFile(
        atPath: place + "/input.json", contents: Data(#"{"version":1,"entries":[]}"#.utf8))
      let spec = JobSpec(name: "contract", directory: "/", command: command, s3Bucket: "bucket")
      return LaunchRequest(
        Job(id: JobID(id)!, provider: .aws, spec: spec, budget: nil, createdAt: StandIn.now))
    }
  }
}
