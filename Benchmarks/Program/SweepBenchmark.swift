import AWSProvider
import Foundation
import JobModel
import JobStore
import Logging
import Monitor
import ProviderKit
import Synchronization
import Transport

/// One look of the provider for AWS at all jobs of a fleet, through its own client, before stand-ins that count the calls.
enum SweepBenchmark {
  static func run(_ fleet: Fleet, ec2: String, s3: String) async throws -> [String: Double] {
    let http = HTTPClient()
    let ahead = Shift()
    let provider = try provider(fleet, ec2: ec2, s3: s3, http: http, ahead: ahead)
    let references = fleet.jobs(now: DatabaseFile.wallClock()).compactMap { InstanceReference($0) }
    let limit = provider.observeLimit

    func sweep() async throws -> (wall: Double, cpu: Double) {
      try await Meter.measure {
        for start in stride(from: 0, to: references.count, by: limit) {
          let batch = Array(references[start..<min(start + limit, references.count)])
          let answers = await provider.observe(batch)
          for reference in batch {
            guard case .known(let report)? = answers[reference.token], report.beacon?.phase == .running else {
              throw BenchmarkError("\(reference.token) was observed as \(String(describing: answers[reference.token]))")
            }
          }
        }
      }
    }

    // One sweep for every line, so that somebody else can be measured in turns, and the calls be counted between them.
    var sweeps = 0.0
    while readLine() != nil {
      let time = try await sweep()
      try FileHandle.standardOutput.write(contentsOf: Data("\(time.wall) \(time.cpu)\n".utf8))
      sweeps += 1
      // The next poll: no listing is young any more.
      ahead.seconds.withLock { $0 += 15 }
    }
    let refused = provider.ec2.client.throttleReport().entries.reduce(0) { $0 + $1.refusals }
    await http.shutdown()
    return ["jobs": Double(references.count), "sweeps": sweeps, "refused": Double(refused)]
  }

  private static func provider(
    _ fleet: Fleet, ec2: String, s3: String, http: HTTPClient, ahead: Shift
  ) throws -> AWSProvider {
    let environment = ProcessInfo.processInfo.environment
    guard let key = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"] else {
      throw BenchmarkError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
    }
    let endpoints = try AWSEndpoints(environment: ["AWS_ENDPOINT_URL": ec2, "AWS_ENDPOINT_URL_S3": s3])
    let clock = SystemClock()
    let client = AWSClient(
      settings: AWSSettings(region: fleet.regions[0], endpoints: endpoints), http: http,
      credentials: StaticCredentials(
        AWSCredentials(accessKeyID: key, secretKey: Secret(secret), source: "environment")),
      clock: AWSClock(now: { clock.now() }, sleep: { try await clock.sleep(until: $0) }))
    let storage = S3Client(client)
    return AWSProvider(
      settings: AWSProviderSettings(regions: fleet.regions), client: client,
      logger: Logger(label: "benchmarks") { _ in SwiftLogNoOpLogHandler() },
      now: { clock.now() + .seconds(ahead.seconds.withLock { $0 }) }, objects: { S3Bucket($0, storage) })
  }
}

/// By how many seconds the provider's idea of the time is later than the signatures'.
private final class Shift: Sendable {
  let seconds = Mutex(Int64(0))
}
