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
    let fleet = await fleet()
    if let failure = fleet.failures.sorted(by: { $0.key < $1.key }).first {
      // A job whose instance is in a silent region would be taken for dead.
      throw ProviderError(
        .unavailable, "\(failure.key): \(failure.value)", remedy: "Try again when every region answers")
    }
    do throws(AWSError) {
      let store = objects(bucket)
      let keys = try await store.list(BucketKeys.jobs).map(\.key)
      var found: [RememberedJob] = []
      for key in keys {
        guard let bytes = try await store.read(key, limit: 1 << 20),
          let record = try? JSONDecoder().decode(JobRecord.self, from: Data(bytes)), let id = JobID(record.job),
          BucketKeys.job(id) == key, jobs?.contains(id) ?? true
        else { continue }
        found.append(try await remembered(record, id, fleet.members, store))
      }
      return found
    } catch {
      throw ProviderError(error)
    }
  }

  private func remembered(
    _ record: JobRecord, _ id: JobID, _ members: [FleetMember], _ store: any ObjectStore
  ) async throws(AWSError) -> RememberedJob {
    let attempts = try await store.list(BucketKeys.attempts(id)).compactMap { BucketKeys.attempt($0.key, of: id) }
    let number = attempts.max() ?? 1
    let plan = try await journal(id, number, store)?.plan.current
    let token = Attempt.token(job: id, number: number)
    let member = members.filter { $0.token == token }.min {
      ($0.state == .terminated ? 1 : 0) < ($1.state == .terminated ? 1 : 0)
    }
    let instance =
      member?.instance
      ?? plan.map { Instance(id: "", type: $0.type, region: $0.region, zone: $0.zone) }
    return RememberedJob(
      record: record, attempt: number, instance: instance, state: member?.state, launchedAt: member?.launchedAt,
      price: HourlyPrice(microdollars: plan?.price ?? 0),
      beacon: try await beacons(store.bucket).beacons(of: [token])[token])
  }
}
