package import JobModel
package import JobStore
internal import Logging

/// One process's work on jobs: the lease, the pool of supervisors, the outbox, and the one loop that drives them.
///
/// `watch` runs it for every job until it is told to stop; a one-shot command runs it for its own job until that is done.
package actor Supervision {
  /// What is supervised.
  package enum Scope: Sendable, Hashable {
    /// Every open job that nobody holds.
    case all
    /// These jobs only.
    case jobs([JobID])
  }

  package struct Options: Sendable {
    package var role: Holder.Role
    package var scope: Scope
    package var ttl: Duration
    package var host: String
    package var pid: Int32
    /// How often the loop looks for due jobs and for commits of other processes.
    package var tick: Duration

    package init(
      role: Holder.Role, scope: Scope, ttl: Duration = .seconds(30), host: String, pid: Int32,
      tick: Duration = .milliseconds(100)
    ) {
      self.role = role
      self.scope = scope
      self.ttl = ttl
      self.host = host
      self.pid = pid
      self.tick = tick
    }
  }

  /// Why the loop ended.
  package enum End: Sendable, Hashable {
    case stopped
    case done
    /// Another watcher has taken the database over.
    case replaced
  }

  package nonisolated let pool: SupervisorPool
  private let context: SupervisionContext
  private let dispatcher: AlertDispatcher?
  private let options: Options
  private let housekeeping: @Sendable () async throws -> Void

  private var renewAt = Timestamp(milliseconds: 0)
  private var version: Int64?
  private var claimAt = Timestamp(milliseconds: 0)
  private var housekeepingAt = Timestamp(milliseconds: 0)
  private var ignoredRequests: Set<String> = []
  private var isStopping = false
  /// Past this the clock was set back, and every deadline with it.
  private var latest = Timestamp(milliseconds: .min)

  /// Up to this many jobs are claimed in one step.
  private static let claimLimit = 5000

  /// - Parameter housekeeping: run now and then by a watcher, such as the store's checkpoint.
  package init(
    context: SupervisionContext, dispatcher: AlertDispatcher?, options: Options,
    housekeeping: @escaping @Sendable () async throws -> Void = {}
  ) {
    self.context = context
    self.dispatcher = dispatcher
    self.options = options
    self.housekeeping = housekeeping
    pool = SupervisorPool(context: context)
  }

  // MARK: Life

  /// Enters this process as a holder. Nothing is supervised before.
  /// - Throws: `StoreError` with code `.held` if a watcher has the database.
  package func begin() async throws(StoreError) {
    let now = context.clock.now()
    let holder = Holder(
      owner: context.owner, role: options.role, host: options.host, pid: options.pid, acquiredAt: now,
      expiresAt: now + options.ttl)
    try await context.store.acquire(holder, ttl: options.ttl, at: now)
    await renewed(at: now)
    // Soon, since much was read to begin with.
    housekeepingAt = now + .seconds(5)
  }

  /// Drives everything until `isDone` says so (asked once a tick), until `stop()`, or until the lease is lost.
  package func run(until isDone: @Sendable (SupervisorPool) async throws -> Bool = { _ in false }) async throws -> End {
    while !isStopping {
      try Task.checkCancellation()
      let now = context.clock.now()
      noteClock(now)
      if now >= renewAt, try await !renew(now) { return .replaced }
      try await look(now)
      await pool.tick(now: now)
      await dispatcher?.tick()
      if try await isDone(pool) { return .done }
      await keepHouse(now)
      try await context.clock.sleep(until: await nextWake(now))
    }
    return .stopped
  }

  /// One sweep: takes over what is free, asks for every job once, delivers what is due, and returns when all is answered.
  package func sweep() async throws {
    let renewal = Task { await self.keepRenewing() }
    defer { renewal.cancel() }
    let now = context.clock.now()
    try await look(now)
    await pool.tick(now: now)
    await pool.untilIdle()
    await dispatcher?.pump()
    await dispatcher?.untilIdle()
  }

  /// A sweep over many jobs may last longer than the lease.
  private func keepRenewing() async {
    while !Task.isCancelled {
      do { try await context.clock.sleep(until: renewAt) } catch { return }
      // A lease that was lost ends the trust of the pool, and with it the sweep.
      do { if try await !renew(context.clock.now()) { return await pool.stopIntake() } } catch { return }
    }
  }

  /// Makes `run` return after its present step, and `sweep` after the calls that are under way.
  package func stop() async {
    isStopping = true
    await pool.stopIntake()
  }

  /// Stops intake, waits for what is under way (at most `grace`), and gives the lease back.
  package func end(grace: Duration) async {
    let pool = pool
    let dispatcher = dispatcher
    await withDeadline(grace) {
      await pool.drain()
      await dispatcher?.close()
    } onTimeout: {
      await pool.cancelCalls()
      await dispatcher?.cancel()
    }
    do { try await context.store.release(context.owner) } catch {
      context.logger.warning("Lease could not be released; it runs out by itself", metadata: ["error": "\(error)"])
    }
  }

  /// Runs `body`; if it takes longer than `limit`, runs `onTimeout`, gives it a second to take effect, and returns even
  /// if a call heeds nothing and hangs on.
  private nonisolated func withDeadline(
    _ limit: Duration, _ body: @escaping @Sendable () async -> Void, onTimeout: @escaping @Sendable () async -> Void
  ) async {
    let (ends, end) = AsyncStream.makeStream(of: Void.self)
    let work = Task {
      await body()
      end.finish()
    }
    let timer = Task {
      do {
        try await Task.sleep(for: limit)
        await onTimeout()
        work.cancel()
        try await Task.sleep(for: .seconds(1))
      } catch {}
      end.finish()
    }
    for await _ in ends {}
    work.cancel()
    timer.cancel()
  }

  // MARK: The steps of the loop

  /// A clock that was set back by more than a step must not let the lease or anything else wait until it is there again.
  private func noteClock(_ now: Timestamp) {
    if now < latest {
      renewAt = now
      claimAt = now
      housekeepingAt = min(housekeepingAt, now + .seconds(60))
    }
    latest = now
  }

  private func nextWake(_ now: Timestamp) async -> Timestamp {
    let tick = now + options.tick
    let next = min(await pool.nextDeadline ?? tick, await dispatcher?.nextDeadline ?? tick)
    // Never sooner than a fifth of a tick: what comes due meanwhile is handled in one go.
    return max(min(tick, next), now + options.tick / 5)
  }

  private func renew(_ now: Timestamp) async throws -> Bool {
    do {
      guard try await context.store.renew(context.owner, ttl: options.ttl, at: now) else { return false }
      await renewed(at: now)
    } catch let error where error.code == .replaced {
      throw error
    } catch {
      renewAt = now + options.ttl / 10
      context.logger.error("Lease can't be renewed", metadata: ["error": "\(error)"])
    }
    return true
  }

  private func renewed(at now: Timestamp) async {
    renewAt = now + options.ttl / 3
    // Past four fifths of the lease nothing is done to the world: another process may be about to take over.
    await pool.trust(until: now + .milliseconds(options.ttl.milliseconds * 4 / 5))
  }

  /// Takes over free jobs and carries out wishes, when another process has committed or some time has passed.
  private func look(_ now: Timestamp) async throws {
    do {
      let current = try await context.store.foreignVersion()
      guard current != version || now >= claimAt else { return }
      version = current
      claimAt = now + max(.seconds(1), min(.seconds(5), options.ttl / 3))
    } catch {
      try report(error)
      return
    }
    // One that fails must not keep the others from their work.
    do { try await claim(now) } catch { try report(error) }
    do { try await answerRequests() } catch { try report(error) }
    await dispatcher?.pump()
  }

  private func report(_ error: any Error) throws {
    if let error = error as? StoreError, error.code == .replaced || error.code == .closed { throw error }
    context.logger.error("Store can't be read", metadata: ["error": "\(error)"])
  }

  private func claim(_ now: Timestamp) async throws {
    switch options.scope {
    case .all:
      while true {
        // Taking over very many jobs may last longer than the lease.
        let now = context.clock.now()
        if now >= renewAt, try await !renew(now) { return }
        let claims = try await context.store.claim(context.owner, jobs: nil, limit: Self.claimLimit, at: now)
        await pool.adopt(claims)
        if !claims.isEmpty {
          context.logger.info("Jobs taken over", metadata: ["jobs": "\(claims.count)"])
        }
        if claims.count < Self.claimLimit { return }
      }
    case .jobs(let jobs):
      var missing: [JobID] = []
      for job in jobs where await !pool.holds(job) { missing.append(job) }
      guard !missing.isEmpty else { return }
      await pool.adopt(try await context.store.claim(context.owner, jobs: missing, limit: missing.count, at: now))
    }
  }

  private func answerRequests() async throws(StoreError) {
    var letters: [(job: JobID, input: Input, request: String)] = []
    for request in try await context.store.openRequests(of: nil) where !ignoredRequests.contains(request.id) {
      guard await pool.holds(request.job) else { continue }
      ignoredRequests.insert(request.id)
      switch request.kind {
      case .terminate(let wish): letters.append((request.job, .terminateRequested(wish), request.id))
      }
    }
    await pool.post(letters)
  }

  private func keepHouse(_ now: Timestamp) async {
    guard options.role == .watch, now >= housekeepingAt else { return }
    housekeepingAt = now + .seconds(60)
    ignoredRequests = []
    Memory.giveBack()
    do { try await housekeeping() } catch {
      context.logger.error("Housekeeping failed", metadata: ["error": "\(error)"])
    }
  }
}
