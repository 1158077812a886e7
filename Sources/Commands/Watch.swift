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
    let store = try await context.openForWriting()
    let clients = Channels.Clients()
    do {
      try await supervise(store, clients)
    } catch {
      await clients.shutdown()
      await store.close()
      throw error
    }
    await clients.shutdown()
    await store.close()
  }

  private func supervise(_ store: StoreActor, _ clients: Channels.Clients) async throws {
    let showsTable =
      context.console.isOutputTerminal && context.console.isInputTerminal && !command.plain && !command.once
    let board = WatchBoard()
    let logger = makeLogger(showsTable ? board : nil)
    let dispatcher = AlertDispatcher(
      store: store, channels: await Channels.make(context, clients: clients),
      policy: Self.retryPolicy(context.settings), clock: context.clock, logger: logger)
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
    let supervision = Supervision(
      context: supervisionContext, dispatcher: dispatcher,
      options: context.supervisionOptions(.watch, .all), housekeeping: { _ = try await store.checkpoint() })
    // Before the lease, so that no signal finds nobody listening.
    let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm, .sighup])
    try await supervision.begin()
    logger.info("Watching", metadata: ["database": "\(context.databasePath)", "pid": "\(context.processID)"])
    let terminal = showsTable ? Terminal() : nil
    defer { terminal?.restore() }
    let helpers = [
      Task { await listen(signals, supervision, supervisionContext, dispatcher, clients, terminal, logger) },
      Task { await draw(terminal, board, supervision, store) },
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
    for await signal in signals {
      switch signal {
      case .sighup: await reload(supervisionContext, dispatcher, clients, logger)
      default:
        await supervision.stop()
        let now = context.clock.now()
        let first = firstInterrupt ?? now
        firstInterrupt = first
        // A terminal and timeout(1) may send the same signal twice within milliseconds: that is one wish.
        if now - first > .milliseconds(500) {
          // Whoever asks twice does not want to wait. Nothing is lost: all is on disk, and the lease runs out.
          terminal?.restore()
          Foundation.exit(130)
        }
      }
    }
  }

  /// Reads the configuration again. A broken one is reported, and the old one stays.
  private func reload(
    _ supervisionContext: SupervisionContext, _ dispatcher: AlertDispatcher, _ clients: Channels.Clients,
    _ logger: Logger
  ) async {
    do {
      let fresh = try CommandContext.make(command.global)
      supervisionContext.replacePolicy(fresh.settings.supervision)
      await dispatcher.configure(
        channels: await Channels.make(fresh, clients: clients), policy: Self.retryPolicy(fresh.settings))
      logger.notice("Configuration read again", metadata: ["file": "\(fresh.settings.file ?? "none")"])
    } catch {
      logger.error("Configuration is broken; the old one stays", metadata: ["error": "\(CommandError(error).message)"])
    }
  }

  // MARK: Showing

  private func draw(_ terminal: Terminal?, _ board: WatchBoard, _ supervision: Supervision, _ store: StoreActor) async {
    guard let terminal else { return }
    let billing = Dictionary(uniqueKeysWithValues: context.providers().map { ($0.name, $0.billing) })
    while !Task.isCancelled {
      let now = context.clock.now()
      // The screen shows what it can; a store that does not answer is shown as trouble.
      let undelivered = (try? await store.deliveries(DeliveryQuery(states: [.pending, .dead], limit: 1000)).count) ?? 0
      let screen = WatchScreen(
        header: .init(
          database: context.databasePath, host: context.hostName, pid: context.processID,
          trouble: await supervision.pool.storeTrouble?.message, undelivered: undelivered),
        views: await supervision.pool.views(now: now), messages: board.recent, now: now, billing: billing,
        colors: context.console.usesColor)
      let (width, height) = Terminal.size()
      terminal.show(screen.lines(width: width, height: height))
      for _ in 0..<5 {
        if terminal.key() == UInt8(ascii: "q") { await supervision.stop() }
        do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
      }
    }
  }

  private func makeLogger(_ board: WatchBoard?) -> Logger {
    var logger =
      board.map { board in
        Logger(label: "cloudjobs") { _ in Log.Handler(format: .text, sink: { board.add($0) }) }
      } ?? Log.make(debug: false, format: command.logFormat.format)
    logger.logLevel = command.global.debug ? .debug : .info
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
      case .heartbeatLost, .providerUnreachable, .costThreshold, .terminateFailed, .strayInstance: .warning
      default: .info
      }
    logger.log(level: level, "Job event: \(phrase(event.kind))", metadata: metadata)
  }

  static func retryPolicy(_ settings: Settings) -> RetryPolicy {
    RetryPolicy(maxTries: settings.alerts.retry.maxTries, maxAge: settings.alerts.retry.maxAge)
  }
}
