internal import Foundation
package import JobModel
package import ProviderKit

/// What the bucket keeps of jobs, so that a lost database can be rebuilt from it and from the instances' tags.
extension AWSProvider: JobRecovering {
  /// Written before the first call that launches something.
  func remember(_ request: LaunchRequest, _ store: any ObjectStore) async throws(AWSError) {
    guard request.attempt == 1 else { return }
    let record = JobRecord(
      job: request.job, provider: name, spec: request.spec, budget: request.budget, createdAt: now())
    try await store.write(BucketKeys.job(request.job), Self.json(record))
  }

  package func remembered(
    bucket: String?, jobs: Set<JobID>?
  ) async throws(ProviderError) -> [RememberedJob] {
    guard let bucket = bucket ?? settings.bucket else {
      throw ProviderError(
        .notConfigured, "no bucket is named in which jobs are remembered",
        remedy: "Give --s3-bucket, or set aws.s3_bucket")
    }
    do throws(AWSError) {
      let store = objects(bucket)
      let wanted = try await store.list(BucketKeys.jobs).map(\.key).filter { key in
        BucketKeys.job(key).map { jobs?.contains($0) ?? true } ?? false
      }
      let memories = try await each(wanted) { key async throws(AWSError) in try await self.memory(key, store) }
      let fleet = await fleet(alsoIn: Set(memories.flatMap(\.regions)))
      let tokens = memories.flatMap { memory in [memory.token] + memory.earlier.map(\.token) }
      let (beacons, unread) = try await beacons(bucket).look(for: tokens)
      // What can't be read is not what was never said.
      if let failure = unread.values.first { throw failure }
      for (region, failure) in fleet.failures.sorted(by: { $0.key < $1.key }) {
        // A job whose instance is in a silent region would be taken for dead, unless its own last word says how it ended.
        let isNeeded = memories.contains { $0.regions.contains(region) && beacons[$0.token]?.isOver != true }
        guard isNeeded || settings.regions.contains(region) else { continue }
        throw AWSError(.unavailable, "\(region): \(failure)", remedy: "Try again when every region answers")
      }
      let rule = billing
      return memories.map { $0.job(fleet.members, beacons, rule) }
    } catch {
      throw ProviderError(error)
    }
  }

  /// What the bucket has of one job.
  private struct Memory: Sendable {
    var record: JobRecord
    var token: String
    var attempt: Int
    var plan: LaunchPlan?
    var earlier: [Earlier] = []

    /// An attempt before the latest one: when it was ordered, and for how much an hour.
    struct Earlier: Sendable {
      var token: String
      var orderedAt: Timestamp
      var price: HourlyPrice
    }

    /// Where its instance may be.
    var regions: [String] { (plan?.regions ?? []) + (record.spec.region.map { [$0] } ?? []) }

    func job(_ members: [FleetMember], _ beacons: [String: Beacon], _ rule: BillingRule) -> RememberedJob {
      let member = members.filter { $0.token == token }.min {
        ($0.state == .terminated ? 1 : 0) < ($1.state == .terminated ? 1 : 0)
      }
      let offer = plan?.current
      return RememberedJob(
        record: record, attempt: attempt,
        instance: member?.instance ?? offer.map { Instance(id: "", type: $0.type, region: $0.region, zone: $0.zone) },
        state: member?.state, launchedAt: member?.launchedAt, price: HourlyPrice(microdollars: offer?.price ?? 0),
        beacon: beacons[token], earlierCost: earlier.reduce(.zero) { $0 + cost($1, beacons[$1.token], rule) })
    }

    /// From the order to the last sign of life, at the price of the order. One without any has not run, as far as anybody knows.
    private func cost(_ attempt: Earlier, _ beacon: Beacon?, _ rule: BillingRule) -> Money {
      guard let beacon else { return .zero }
      let segments = [PriceSegment(from: attempt.orderedAt, price: attempt.price)]
      return Charge(start: attempt.orderedAt, segments: segments, rule: rule)
        .amount(until: max(attempt.orderedAt, Timestamp(milliseconds: beacon.heartbeatAt)))
    }
  }

  private func memory(_ key: String, _ store: any ObjectStore) async throws(AWSError) -> Memory? {
    guard let bytes = try await store.read(key, limit: 1 << 20),
      let record = try? JSONDecoder().decode(JobRecord.self, from: Data(bytes)), let id = JobID(record.job),
      BucketKeys.job(id) == key
    else { return nil }
    var orderedAt: [Int: Timestamp] = [:]
    for object in try await store.list(BucketKeys.attempts(id)) {
      if let number = BucketKeys.attempt(object.key, of: id) { orderedAt[number] = object.modified }
    }
    let number = orderedAt.keys.max() ?? 1
    var memory = Memory(
      record: record, token: Attempt.token(job: id, number: number), attempt: number,
      plan: try await journal(id, number, store)?.plan)
    for (earlier, moment) in orderedAt.sorted(by: { $0.key < $1.key }) where earlier < number {
      // A plan that was used up has launched nothing.
      guard let offer = try await journal(id, earlier, store)?.plan.current else { continue }
      memory.earlier.append(
        Memory.Earlier(
          token: Attempt.token(job: id, number: earlier), orderedAt: moment,
          price: HourlyPrice(microdollars: offer.price)))
    }
    return memory
  }

  private static let readers = 16

  /// Does the same for many keys, some at a time, and returns what came of it in the order of the keys.
  private func each<Value: Sendable>(
    _ keys: [String], _ body: @escaping @Sendable (String) async throws(AWSError) -> Value?
  ) async throws(AWSError) -> [Value] {
    let workers = min(Self.readers, keys.count)
    // One child a worker.
    let parts = await withTaskGroup(of: Result<[(Int, Value)], AWSError>.self) { group in
      for worker in 0..<workers {
        group.addTask {
          var found: [(Int, Value)] = []
          for index in stride(from: worker, to: keys.count, by: workers) {
            do throws(AWSError) {
              if let value = try await body(keys[index]) { found.append((index, value)) }
            } catch {
              return .failure(error)
            }
          }
          return .success(found)
        }
      }
      var parts: [Result<[(Int, Value)], AWSError>] = []
      for await part in group { parts.append(part) }
      return parts
    }
    var all: [(Int, Value)] = []
    for part in parts { all += try part.get() }
    return all.sorted { $0.0 < $1.0 }.map(\.1)
  }
}
