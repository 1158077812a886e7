/// What a provider's store keeps of a job, from which a lost database is rebuilt.
package struct JobRecord: Sendable, Hashable, Codable {
  package struct Budget: Sendable, Hashable, Codable {
    /// In `Money.units`.
    package var limit: Int64
    package var action: JobModel.Budget.Action
    package var percents: [Int]
  }

  package var version = 1
  package var job: String
  package var provider: String
  package var spec: JobSpec
  package var budget: Budget?
  /// Milliseconds since 1970: when the first attempt was launched.
  package var createdAt: Int64

  package init(job: JobID, provider: ProviderName, spec: JobSpec, budget: JobModel.Budget?, createdAt: Timestamp) {
    self.job = job.rawValue
    self.provider = provider.rawValue
    self.spec = spec
    self.budget = budget.map { Budget(limit: $0.limit.units, action: $0.action, percents: $0.percents) }
    self.createdAt = createdAt.rawValue
  }
}

/// A job as its record, its instance's tags and its beacon show it together.
package struct RememberedJob: Sendable, Hashable {
  package var record: JobRecord
  /// The latest attempt.
  package var attempt: Int
  /// What that attempt was to be launched as; its id is empty if nobody knows it.
  package var instance: Instance?
  package var state: InstanceState?
  package var launchedAt: Timestamp?
  package var price: HourlyPrice
  package var beacon: Beacon?
  /// What earlier attempts cost, as far as that can be told.
  package var earlierCost: Money

  package init(
    record: JobRecord, attempt: Int, instance: Instance?, state: InstanceState?, launchedAt: Timestamp?,
    price: HourlyPrice, beacon: Beacon?, earlierCost: Money = .zero
  ) {
    self.record = record
    self.attempt = attempt
    self.instance = instance
    self.state = state
    self.launchedAt = launchedAt
    self.price = price
    self.beacon = beacon
    self.earlierCost = earlierCost
  }

  /// The job as a database would have it, or nil if the record is of none of our jobs.
  ///
  /// What the instance does now is for whoever looks after the job next; a job whose instance is gone is closed here, with what its
  /// last words were.
  package func job(now: Timestamp) -> Job? {
    guard let id = JobID(record.job) else { return nil }
    let budget = record.budget.map {
      Budget(limit: Money(units: $0.limit), action: $0.action, percents: $0.percents)
    }
    let created = Timestamp(milliseconds: record.createdAt)
    var job = Job(
      id: id, provider: ProviderName(rawValue: record.provider), spec: record.spec, budget: budget, createdAt: created)
    job.updatedAt = now
    job.earlierCost = earlierCost
    job.attempt = Attempt(job: id, number: attempt, requestedAt: launchedAt ?? created)
    guard var instance else { return closed(job, reason: .launchLost, now: now) }
    if instance.id.isEmpty { instance.id = "unknown" }
    let started = launchedAt ?? created
    job.attempt.instance = instance
    job.attempt.launchedAt = started
    job.attempt.segments = [PriceSegment(from: started, price: price)]
    job.attempt.heartbeatAt = beacon.map { Timestamp(milliseconds: $0.heartbeatAt) }
    job.attempt.phase = beacon?.phase
    job.attempt.exitCode = beacon?.exitCode
    job.attempt.hostKey = beacon?.hostKey.flatMap(HostKey.init)
    job.attempt.syncedAt = beacon?.lastSyncAt.map { Timestamp(milliseconds: $0) }
    job.attempt.sync = beacon?.sync
    job.startedAt = beacon?.startedAt.map { Timestamp(milliseconds: $0) }
    job.state = job.startedAt == nil ? .launched : .running
    if let state, state != .terminated {
      job.attempt.instanceState = state
      job.attempt.seenAt = now
      return job
    }
    return gone(job)
  }

  /// A job whose instance is not there any more. It cost until its last sign of life.
  private func gone(_ job: Job) -> Job {
    var job = job
    let last =
      [job.attempt.heartbeatAt, job.startedAt, job.attempt.launchedAt].compactMap(\.self).max() ?? job.createdAt
    job.attempt.instanceState = .terminated
    job.attempt.endedAt = last
    job.endedAt = beacon?.finishedAt.map { Timestamp(milliseconds: $0) } ?? last
    switch (beacon?.endedBy.map { Reason(rawValue: $0) ?? .stoppedOutside }, beacon?.exitCode) {
    case (nil, 0?): job.state = .completed
    case (nil, let code?):
      job.state = .failed
      job.reason = .exitCode
      job.message = "exit code \(code)"
    case (let reason?, _) where reason == .preempted || reason == .bootstrapError:
      job.state = .failed
      job.reason = reason
      job.message = beacon?.message
    case (let reason?, _):
      job.state = .terminated
      job.reason = reason
      job.message = beacon?.message
    case (nil, nil):
      job.state = .failed
      job.reason = .instanceVanished
      job.message = "the instance was gone when the database was rebuilt"
    }
    return job
  }

  private func closed(_ job: Job, reason: Reason, now: Timestamp) -> Job {
    var job = job
    job.state = .failed
    job.reason = reason
    job.message = "no instance was found when the database was rebuilt"
    job.endedAt = now
    return job
  }
}
