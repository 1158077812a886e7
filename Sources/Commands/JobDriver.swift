internal import JobModel
internal import JobStore
internal import Monitor
internal import Synchronization

/// Carries one command's wish through, whoever holds the job: a live watcher is followed, a free job is driven here.
struct JobDriver {
  let context: CommandContext
  let store: any Store
  /// Told of each event of the jobs, once, in order, whichever process made it.
  let report: @Sendable (Event) -> Void
  private let picture = Picture()

  /// What the drive was for.
  enum Outcome: Sendable, Equatable {
    /// The condition holds for every job.
    case done
    /// The time ran out; the wish stays in the database.
    case timedOut
  }

  /// How often the store is asked what other processes have done.
  private static let pause = Duration.milliseconds(200)

  /// Inserts a new job and launches it. Returns when it is no longer launching, or when `patience` ran out.
  func launch(_ job: Job, created: Event, patience: Duration) async throws -> Outcome {
    let stretch = makeStretch([job.id])
    try await stretch.begin()
    do {
      guard
        let lease = try await store.insert(job, events: [created], owner: stretch.owner, at: context.clock.now())
      else { throw CommandError(.software, "job \(job.id) was stored without a lease") }
      picture.put(job)
      await stretch.adopt(Claim(lease: lease, job: job), input: .launch)
    } catch {
      await stretch.end()
      throw error
    }
    return try await stretch.drive(patience: patience) { $0.allSatisfy { $0.state != .launching } }
  }

  /// Drives or follows jobs until `condition` holds for them or `patience` ran out.
  func drive(
    _ jobs: [JobID], patience: Duration?, until condition: @escaping @Sendable ([Job]) -> Bool
  ) async throws -> Outcome {
    let deadline = patience.map { context.clock.now() + $0 }
    while true {
      try await look(at: jobs)
      if condition(picture.jobs(jobs)) { return .done }
      if let deadline, context.clock.now() >= deadline { return .timedOut }
      if try await context.liveWatcher(store) != nil {
        try await context.clock.sleep(until: context.clock.now() + Self.pause)
        continue
      }
      let stretch = makeStretch(jobs)
      try await stretch.begin()
      let left = deadline.map { max(.zero, $0 - context.clock.now()) }
      // Driven until done, or until a watcher has come: then the jobs are given up to it and followed.
      let outcome = try await stretch.drive(patience: left, handOver: true, until: condition)
      if outcome == .done { return .done }
    }
  }

  /// Lets what has happened until now go unreported.
  func skipHistory(of jobs: [JobID]) async throws {
    for id in jobs {
      if let last = try await store.events(of: id, limit: nil).last { picture.saw(last) }
    }
  }

  /// Reads what other processes may have written: the rows of the jobs that `pool` does not hold, and what has happened
  /// to any of them since the last look.
  private func look(at jobs: [JobID], pool: SupervisorPool? = nil) async throws {
    for id in jobs {
      let isHeld = await pool?.holds(id) ?? false
      if !isHeld || !picture.knows(id) { picture.replace(id, by: try await store.job(id)) }
      for stored in try await store.events(of: id, after: picture.lastEvent(of: id), limit: nil) {
        picture.saw(stored)
        report(stored.event)
      }
    }
  }

  private func makeStretch(_ jobs: [JobID]) -> Stretch {
    let owner = context.makeOwner(.command)
    let picture = picture
    let hooks = SupervisionContext.Hooks(committed: { picture.committed($0.job) })
    let supervisionContext = context.supervisionContext(store: store, owner: owner, hooks: hooks)
    // Somebody waits for this one job, so it is asked for as often as is polite.
    var policy = supervisionContext.policy
    policy.pollInterval = min(policy.pollInterval, policy.eagerPollInterval)
    supervisionContext.replacePolicy(policy)
    let supervision = Supervision(
      context: supervisionContext, dispatcher: nil,
      options: context.supervisionOptions(.command, .jobs(jobs)))
    return Stretch(driver: self, owner: owner, jobs: jobs, supervision: supervision)
  }

  /// One stretch in which this process holds the jobs, or waits for their lease.
  private struct Stretch {
    let driver: JobDriver
    let owner: OwnerID
    let jobs: [JobID]
    let supervision: Supervision

    func begin() async throws { try await supervision.begin() }
    func adopt(_ claim: Claim, input: Input) async { await supervision.pool.adopt([claim], input: input) }
    func end() async { await supervision.end(grace: .seconds(5)) }

    func drive(
      patience: Duration?, handOver: Bool = false, until condition: @escaping @Sendable ([Job]) -> Bool
    ) async throws -> Outcome {
      let clock = driver.context.clock
      let deadline = patience.map { clock.now() + $0 }
      let outcome = Mutex(Outcome.timedOut)
      do {
        _ = try await supervision.run { pool in
          // Another process may hold a job, and end it: what was read of it once would never change.
          if driver.picture.isDue(at: clock.now()) {
            try await driver.look(at: jobs, pool: pool)
            driver.picture.looked(at: clock.now(), again: JobDriver.pause)
          }
          if condition(driver.picture.jobs(jobs)) {
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
      // What happened since the last look belongs to this stretch too.
      try await driver.look(at: jobs)
      return outcome.withLock { $0 }
    }
  }

  /// The jobs as they were last committed here or read, and how much of their history was reported.
  private final class Picture: Sendable {
    private struct State {
      var jobs: [JobID: Job] = [:]
      var lastEvents: [JobID: Int64] = [:]
      var dueAt = Timestamp(milliseconds: 0)
    }
    private let state = Mutex(State())

    func jobs(_ ids: [JobID]) -> [Job] {
      let known = state.withLock { $0.jobs }
      return ids.compactMap { known[$0] }
    }
    func knows(_ id: JobID) -> Bool { state.withLock { $0.jobs[id] != nil } }

    /// Takes a job over, unless a later one is known: a row may be read while another commit is made.
    func put(_ job: Job) {
      state.withLock { state in
        if let known = state.jobs[job.id], known.revision > job.revision { return }
        state.jobs[job.id] = job
      }
    }

    /// Takes over what this process has committed: the store has counted one commit more than the value knows.
    func committed(_ job: Job) {
      var job = job
      job.revision += 1
      put(job)
    }

    /// Takes over what was read; a job that was removed is one that nobody waits for.
    func replace(_ id: JobID, by job: Job?) {
      guard let job else { return state.withLock { $0.jobs[id] = nil } }
      put(job)
    }

    /// The id of the last event that was reported; 0 before the first.
    func lastEvent(of id: JobID) -> Int64 { state.withLock { $0.lastEvents[id] ?? 0 } }
    func saw(_ stored: StoredEvent) { state.withLock { $0.lastEvents[stored.event.job] = stored.id } }

    func isDue(at now: Timestamp) -> Bool { state.withLock { now >= $0.dueAt } }
    func looked(at now: Timestamp, again pause: Duration) { state.withLock { $0.dueAt = now + pause } }
  }
}
