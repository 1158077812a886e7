internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Logging
internal import Monitor
internal import Notifiers
internal import ProviderKit
internal import Transport
internal import UnixSignals

/// `cloudjobs watch` from its start to its end.
struct Watch {
  let context: CommandContext
  let command: WatchCommand

  func run() async throws {
    Memory.useOneHeap()
    signal(SIGPIPE, SIG_IGN)
    let showsTable = showsTable
    let board = WatchBoard()
    let logger = makeLogger(showsTable ? board : nil)
    let console = context.console
    let store = try await context.openForWriting { notice in
      logger.notice("\(notice)")
      // The table is not there yet, and may never come: another watcher may hold the database.
      if showsTable { console.note(printable(notice)) }
    }
    let clients = Channels.Clients()
    do {
      try await supervise(store, clients, board, logger)
    } catch {
      await clients.shutdown()
      await store.close()
      throw error
    }
    await clients.shutdown()
    await store.close()
  }

  /// Whether a live table is shown instead of log lines.
  private var showsTable: Bool {
    context.console.isOutputTerminal && context.console.isInputTerminal && Terminal.isCapable(context.environment)
      && !command.plain && !command.once
  }

  private func supervise(
    _ store: StoreActor, _ clients: Channels.Clients, _ board: WatchBoard, _ logger: Logger
  ) async throws {
    let showsTable = showsTable
    let channels = await Channels.make(context, clients: clients) { problem in logger.warning("\(problem)") }
    let dispatcher = AlertDispatcher(
      store: store, channels: channels,
      policy: Self.retryPolicy(context.settings), rules: context.settings.deliveryRules, clock: context.clock,
      logger: logger, offset: { zone, moment in LocalZone.offset(of: zone, at: moment) })
    let hooks = SupervisionContext.Hooks(
      committed: { change in
        for event in change.events {
          // The table has its own words for events; a log has fields.
          if showsTable { board.add(Self.line(event, change.job)) } else { Self.log(event, change.job, logger) }
        }
      },
      alertsWaiting: { Task { await dispatcher.pump() } })
    let supervisionContext = context.supervisionContext(
      store: store, owner: context.makeOwner(.watch), logger: logger, hooks: hooks)
    let health = WatcherHealth(
      context: context, store: store, http: clients.http, logger: logger,
      policy: { supervisionContext.policy.alerts },
      isWell: { (try? await store.holders()) != nil })
    let supervision = Supervision(
      context: supervisionContext, dispatcher: dispatcher,
      options: context.supervisionOptions(.watch, .all),
      housekeeping: {
        await health.lookAtDisk()
        await health.lookAtSpend()
        await health.lookAtFleet()
        _ = try await store.checkpoint()
      })
    // Before the lease, so that no signal finds nobody listening.
    let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm, .sighup])
    try await supervision.begin()
    logger.info("Watching", metadata: ["database": "\(context.databasePath)", "pid": "\(context.processID)"])
    let terminal = showsTable ? Terminal() : nil
    defer { terminal?.restore() }
    let helpers = [
      Task { await listen(signals, supervision, supervisionContext, dispatcher, clients, terminal, logger) },
      Task { await draw(terminal, board, supervision, store) },
      Task { await health.ping() },
      Task { await PriceWatch(pool: supervision.pool).run() },
      Task { await ThrottleWatch(context: supervisionContext).run() },
    ]
    defer { for helper in helpers { helper.cancel() } }
    let end: Supervision.End
    do {
      end = try await drive(supervision, store)
    } catch {
      await supervision.end(grace: context.settings.watch.shutdownTimeout)
      throw error
    }
    logger.info("Stopping")
    await supervision.end(grace: context.settings.watch.shutdownTimeout)
    if end == .done, command.untilIdle { try await tellOutbox(store, logger) }
    try await checkpoint(store, logger)
    terminal?.restore()
    if end == .replaced {
      throw CommandError(.tryAgain, "another watcher has taken \(context.databasePath) over; this one has stopped")
    }
    logger.info("Stopped")
  }

  private func drive(_ supervision: Supervision, _ store: StoreActor) async throws -> Supervision.End {
    if command.once {
      try await supervision.sweep()
      return .done
    }
    guard command.untilIdle else { return try await supervision.run() }
    return try await supervision.run { pool in
      guard await pool.count == 0, await pool.isIdle else { return false }
      guard try await store.jobs(JobQuery(openOnly: true, limit: 1)).isEmpty else { return false }
      // What will be tried again only much later is nothing to wait for.
      guard let next = try await store.nextDeliveryAt() else { return true }
      return next > context.clock.now() + .seconds(60)
    }
  }

  /// Says what the outbox still holds when `--until-idle` does not wait for it.
  private func tellOutbox(_ store: StoreActor, _ logger: Logger) async throws {
    let limit = 1000
    var metadata: Logger.Metadata = [:]
    var isEmpty = true
    for state in [Delivery.State.pending, .dead] {
      let count = try await store.deliveries(DeliveryQuery(states: [state], limit: limit)).count
      let number = count < limit ? String(count) : "\(limit) or more"
      metadata["deliveries.\(state.rawValue)"] = "\(number)"
      if count > 0 { isEmpty = false }
    }
    if isEmpty {
      logger.info("Idle: no job is open", metadata: metadata)
    } else {
      logger.warning("Idle: no job is open, but alerts are not delivered; see notify list", metadata: metadata)
    }
  }

  private func checkpoint(_ store: StoreActor, _ logger: Logger) async throws(StoreError) {
    do { _ = try await store.checkpoint() } catch {
      if error.code == .replaced { throw error }
      logger.debug("No checkpoint at the end", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Signals

  private func listen(
    _ signals: UnixSignalsSequence, _ supervision: Supervision, _ supervisionContext: SupervisionContext,
    _ dispatcher: AlertDispatcher, _ clients: Channels.Clients, _ terminal: Terminal?, _ logger: Logger
  ) async {
    var firstInterrupt: Timestamp?
    var reloading: Task<Void, Never>?
    for await signal in signals {
      switch signal {
      case .sighup:
        // A table that nobody can see any more has nobody who would stop it either.
        guard terminal == nil || !Terminal.isGone else {
          await supervision.stop()
          continue
        }
        // Secrets take their time, and Ctrl-C must not wait for them. One reload at a time, the latest last.
        let earlier = reloading
        reloading = Task {
          await earlier?.value
          await reload(supervisionContext, dispatcher, clients, logger)
        }
      default:
        await supervision.stop()
        let now = context.clock.now()
        let first = firstInterrupt ?? now
        firstInterrupt = first
        // A terminal and timeout(1) may send the same signal twice within milliseconds: that is one wish.
        if now - first > .milliseconds(500) {
          // Whoever asks twice does not want to wait. Nothing is lost: all is on disk, and the lease runs out.
          terminal?.restore()
          Foundation.exit(128 + signal.rawValue)
        }
      }
    }
    reloading?.cancel()
  }

  /// Reads the configuration again. A broken one is reported, and the old one stays.
  private func reload(
    _ supervisionContext: SupervisionContext, _ dispatcher: AlertDispatcher, _ clients: Channels.Clients,
    _ logger: Logger
  ) async {
    do {
      let fresh = try CommandContext.make(command.global)
      supervisionContext.replacePolicy(fresh.settings.supervision)
      let channels = await Channels.make(fresh, clients: clients) { problem in logger.warning("\(problem)") }
      await dispatcher.configure(
        channels: channels, policy: Self.retryPolicy(fresh.settings), rules: fresh.settings.deliveryRules)
      logger.notice("Configuration read again", metadata: ["file": "\(fresh.settings.file ?? "none")"])
      let later = Self.changesForNextStart(from: context.settings, to: fresh.settings)
      if !later.isEmpty {
        logger.warning(
          "Some changes take effect at the next start only", metadata: ["keys": "\(later.joined(separator: ", "))"])
      }
    } catch {
      logger.error("Configuration is broken; the old one stays", metadata: ["error": "\(CommandError(error).message)"])
    }
  }

  /// What differs of that which a watcher takes over once, when it starts.
  static func changesForNextStart(from old: Settings, to new: Settings) -> [String] {
    var keys: [String] = []
    if old.local != new.local { keys.append("local") }
    if old.store != new.store { keys.append("store") }
    if old.watch.leaseTTL != new.watch.leaseTTL { keys.append("watch.lease_ttl") }
    if old.watch.shutdownTimeout != new.watch.shutdownTimeout { keys.append("watch.shutdown_timeout") }
    return keys
  }

  // MARK: Showing

  private func draw(_ terminal: Terminal?, _ board: WatchBoard, _ supervision: Supervision, _ store: StoreActor) async {
    guard let terminal else { return }
    while !Task.isCancelled {
      let start = ContinuousClock.now
      let now = context.clock.now()
      // The screen shows what it can; a store that does not answer is shown as trouble.
      let undelivered = (try? await store.deliveries(DeliveryQuery(states: [.pending, .dead], limit: 1000)).count) ?? 0
      let screen = WatchScreen(
        header: .init(
          database: context.databasePath, host: context.hostName, pid: context.processID,
          trouble: await supervision.pool.storeTrouble?.message, undelivered: undelivered,
          throttled: supervision.pool.context.throttled()),
        views: await supervision.pool.views(now: now), messages: board.recent, now: now,
        billing: CommandContext.billingRules, colors: context.console.usesColor)
      let (width, height) = Terminal.size()
      terminal.show(screen.lines(width: width, height: height))
      // With very many jobs a picture takes long; nine tenths of the time belong to the jobs themselves.
      let drawn = ContinuousClock.now
      let pause: Duration = max(.milliseconds(500), (drawn - start) * 10)
      guard await handleKeys(of: terminal, supervision, until: drawn + pause) else { return }
    }
  }

  /// Does what keys ask for until it is time for the next picture. False if there will be none.
  private func handleKeys(
    of terminal: Terminal, _ supervision: Supervision, until end: ContinuousClock.Instant
  ) async -> Bool {
    while ContinuousClock.now < end {
      var pause = Duration.milliseconds(100)
      switch terminal.key() {
      case .quit: await supervision.stop()
      case .hangUp:
        await supervision.stop()
        return false
      case .suspend:
        terminal.suspend()
        // As the terminal itself would: the whole group, and only if there is a shell that can wake it up.
        kill(0, SIGTSTP)
        // The stop falls into this pause. Whatever comes after it is done when the process goes on.
        pause = .milliseconds(300)
      case .other, nil: break
      }
      do { try await Task.sleep(for: pause) } catch { return false }
    }
    return true
  }

  private func makeLogger(_ board: WatchBoard?) -> Logger {
    var logger =
      board.map { board in
        Logger(label: "cloudjobs") { _ in Log.Handler(format: .text, sink: { board.add($0) }) }
      } ?? Log.make(format: command.logFormat.format)
    logger.logLevel = context.logLevel ?? .info
    return logger
  }

  /// An event as the live table shows it.
  private static func line(_ event: Event, _ job: Job) -> String {
    let time = LocalZone.text(event.at).dropFirst(11).prefix(8)
    return "\(time)  \(event.job)  \(job.spec.name): \(phrase(event.kind)), \(event.message)"
  }

  private static func phrase(_ kind: Event.Kind) -> String { kind.rawValue.replacing("_", with: " ") }

  private static func log(_ event: Event, _ job: Job, _ logger: Logger) {
    var metadata: Logger.Metadata = [
      "job.id": "\(event.job)", "job.name": "\(job.spec.name)", "job.attempt": "\(event.attempt)",
      "event": "\(event.kind.rawValue)", "event.message": "\(event.message)",
    ]
    if let reason = event.reason { metadata["reason"] = "\(reason.rawValue)" }
    let level: Logger.Level =
      switch event.kind {
      case .failed, .launchFailed, .budgetReached: .error
      case .heartbeatLost, .providerUnreachable, .costThreshold, .terminateFailed, .strayInstance, .launchDelayed:
        .warning
      default: .info
      }
    logger.log(level: level, "Job event: \(phrase(event.kind))", metadata: metadata)
  }

  static func retryPolicy(_ settings: Settings) -> RetryPolicy {
    RetryPolicy(maxTries: settings.alerts.retry.maxTries, maxAge: settings.alerts.retry.maxAge)
  }
}
