internal import JobModel
internal import JobStore
internal import Monitor
internal import Synchronization

/// Carries one command's wish through, whoever holds the job: a live watcher is followed, a free job is driven here.
struct JobDriver {
  let context: CommandContext
  let store: any Store
  /// Told of each event of the jobs, once, in order.
  let report: @Sendable (Event) -> Void

  /// What the drive was for.
  enum Outcome: Equatable {
    /// The condition holds for every job.
    case done
    /// The time ran out; the wish stays in the database.
    case timedOut
  }

  /// Inserts a new job and launches it. Returns when it is no longer launching, or when `patience` ran out.
  func launch(_ job: Job, created: Event, patience: Duration) async throws -> Outcome {
    let events = EventCursor()
    let supervision = makeSupervision([job.id], cursor: events)
    try await supervision.begin()
    do {
      guard
        let lease = try await store.insert(job, events: [created], owner: supervision.owner, at: context.clock.now())
      else { throw CommandError(.software, "job \(job.id) was stored without a lease") }
      report(created)
      await supervision.adopt(Claim(lease: lease, job: job), input: .launch)
    } catch {
      await supervision.end()
      throw error
    }
    return try await supervision.drive(patience: patience) { $0.allSatisfy { $0.state != .launching } }
  }

  /// Drives or follows jobs until `condition` holds for them or `patience` ran out.
  func drive(
    _ jobs: [JobID], patience: Duration?, seenEvents: Set<Int64> = [],
    until condition: @escaping @Sendable ([Job]) -> Bool
  ) async throws -> Outcome {
    let deadline = patience.map { context.clock.now() + $0 }
    var seen = seenEvents
    while true {
      let current = try await load(jobs)
      try await reportNew(jobs, &seen)
      if condition(current) { return .done }
      if let deadline, context.clock.now() >= deadline { return .timedOut }
      if try await context.liveWatcher(store) != nil {
        try await context.clock.sleep(until: context.clock.now() + .milliseconds(200))
        continue
      }
      let cursor = EventCursor()
      let supervision = makeSupervision(jobs, cursor: cursor)
      try await supervision.begin()
      let left = deadline.map { max(.zero, $0 - context.clock.now()) }
      // Driven until done, or until a watcher has come: then the jobs are given up to it and followed.
      let outcome = try await supervision.drive(patience: left, handOver: true, until: condition)
      for id in jobs { for stored in try await store.events(of: id, limit: nil) { seen.insert(stored.id) } }
      if outcome == .done { return .done }
    }
  }

  /// Ids of all events that are stored now, so that only later ones are reported.
  func eventIDs(_ jobs: [JobID]) async throws -> Set<Int64> {
    var ids: Set<Int64> = []
    for job in jobs { ids.formUnion(try await store.events(of: job, limit: nil).map(\.id)) }
    return ids
  }

  private func reportNew(_ jobs: [JobID], _ seen: inout Set<Int64>) async throws {
    for job in jobs {
      for stored in try await store.events(of: job, limit: nil) where seen.insert(stored.id).inserted {
        report(stored.event)
      }
    }
  }

  private func load(_ jobs: [JobID]) async throws -> [Job] {
    var loaded: [Job] = []
    for id in jobs { if let job = try await store.job(id) { loaded.append(job) } }
    return loaded
  }

  private func makeSupervision(_ jobs: [JobID], cursor: EventCursor) -> Drive {
    let owner = context.makeOwner(.command)
    let report = report
    let hooks = SupervisionContext.Hooks(committed: { change in
      cursor.store(change.job)
      for event in change.events { report(event) }
    })
    let supervisionContext = context.supervisionContext(store: store, owner: owner, hooks: hooks)
    // Somebody waits for this one job, so it is asked for as often as is polite.
    var policy = supervisionContext.policy
    policy.pollInterval = min(policy.pollInterval, policy.eagerPollInterval)
    supervisionContext.replacePolicy(policy)
    let supervision = Supervision(
      context: supervisionContext, dispatcher: nil,
      options: context.supervisionOptions(.command, .jobs(jobs)))
    return Drive(driver: self, owner: owner, jobs: jobs, supervision: supervision, cursor: cursor)
  }

  /// One stretch in which this process holds the jobs.
  private struct Drive {
    let driver: JobDriver
    let owner: OwnerID
    let jobs: [JobID]
    let supervision: Supervision
    let cursor: EventCursor

    func begin() async throws { try await supervision.begin() }
    func adopt(_ claim: Claim, input: Input) async {
      cursor.store(claim.job)
      await supervision.pool.adopt([claim], input: input)
    }
    func end() async { await supervision.end(grace: .seconds(5)) }

    func drive(
      patience: Duration?, handOver: Bool = false, until condition: @escaping @Sendable ([Job]) -> Bool
    ) async throws -> Outcome {
      let clock = driver.context.clock
      let deadline = patience.map { clock.now() + $0 }
      for job in try await driver.load(jobs) { cursor.storeIfNew(job) }
      let outcome = Mutex(Outcome.timedOut)
      do {
        _ = try await supervision.run { _ in
          if condition(cursor.jobs) {
            outcome.withLock { $0 = .done }
            return true
          }
          if let deadline, clock.now() >= deadline { return true }
          return handOver ? try await driver.context.liveWatcher(driver.store) != nil : false
        }
      } catch {
        await end()
        throw error
      }
      await end()
      return outcome.withLock { $0 }
    }
  }

  /// The jobs as last committed here.
  private final class EventCursor: Sendable {
    private let latest = Mutex<[JobID: Job]>([:])
    var jobs: [Job] { latest.withLock { Array($0.values) } }
    func store(_ job: Job) { latest.withLock { $0[job.id] = job } }
    func storeIfNew(_ job: Job) { latest.withLock { if $0[job.id] == nil { $0[job.id] = job } } }
  }
}
