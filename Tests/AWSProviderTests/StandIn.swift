import AWSProvider
import Foundation
import JobModel
import Logging
import ProviderKit
import Synchronization
import TestSupport
import Transport

/// The provider over the stand-in for AWS, with a bucket in memory.
struct StandIn {
  let aws: LoopbackAWS
  let objects: MemoryObjects
  let provider: AWSProvider

  static let database = "0123456789abcdef"

  init(
    _ aws: LoopbackAWS, objects: MemoryObjects = MemoryObjects(), maxTries: Int = 3, regions: [String] = ["us-east-1"],
    credentials: any CredentialSupplier = Self.credentials, ahead: Ahead = Ahead(),
    _ change: (inout AWSProviderSettings) -> Void = { _ in }
  ) {
    self.aws = aws
    self.objects = objects
    var settings = AWSProviderSettings(regions: regions)
    settings.instanceTypes = ["c5.large"]
    change(&settings)
    let clock = AWSClock(now: { Self.now }, sleep: { try await Task.sleep(for: max(.zero, $0 - Self.now)) })
    let endpoints = AWSEndpoints(global: Endpoint(url: aws.endpoint))
    let client = AWSClient(
      settings: AWSSettings(region: regions[0], endpoints: endpoints, maxTries: maxTries), http: HTTPClient(),
      credentials: credentials, clock: clock)
    provider = AWSProvider(
      settings: settings, client: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      now: { Self.now + ahead.time.withLock { $0 } }, objects: { _ in objects })
  }

  static let credentials = StaticCredentials(key(until: nil))

  static func key(until end: Timestamp?) -> AWSCredentials {
    AWSCredentials(
      accessKeyID: LoopbackAWS.keyID, secretKey: Secret(LoopbackAWS.secret), expiration: end, source: "test")
  }

  static var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

  func job(_ id: String = "a1b2c3d4", _ change: (inout JobSpec) -> Void = { _ in }) -> Job {
    var spec = JobSpec(name: "water", directory: "/calc", command: "true", s3Bucket: objects.bucket)
    spec.database = Self.database
    change(&spec)
    // Its inputs are staged: there are none.
    objects.with {
      $0.objects["\(id)/input.json"] = (Array(#"{"version":1,"entries":[]}"#.utf8), $0.now)
    }
    return Job(id: JobID(id)!, provider: .aws, spec: spec, budget: nil, createdAt: Self.now)
  }

  func launch(_ job: Job) async throws -> Launched {
    let answer = await provider.launch(LaunchRequest(job))
    guard case .launched(let launched) = answer else { throw Unexpected("\(answer)") }
    return launched
  }

  func reference(_ job: Job, _ launched: Launched) -> InstanceReference {
    InstanceReference(
      job: job.id, attempt: job.attempt.number, token: job.attempt.token, instance: launched.instance,
      bucket: job.spec.s3Bucket)
  }

  /// Waits until the only instance is in a state of EC2's.
  func reaches(_ state: String) async throws {
    for _ in 0..<200 {
      if try await aws.state().instances.allSatisfy({ $0.state == state }) { return }
      try await aws.advance(5)
    }
    throw Unexpected("no instance became \(state)")
  }
}

/// By how much the provider's clock is ahead of the real one.
final class Ahead: Sendable {
  let time = Mutex(Duration.zero)
}

struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
