internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Logging
internal import Monitor
internal import Synchronization
internal import Transport

/// What the watcher does beside supervision: it looks at its disk and at what all jobs cost together, and says to a
/// service outside that it lives.
final class WatcherHealth: Sendable {
  let context: CommandContext
  let store: any Store
  let http: HTTPClient
  let logger: Logger
  /// The rules in force, which may be read again while the watcher runs.
  let policy: @Sendable () -> AlertPolicy
  /// Whether the store takes changes; a watcher that can't remember anything is not well.
  let isWell: @Sendable () async -> Bool
  private let fleetDue = Mutex(Timestamp(milliseconds: 0))

  init(
    context: CommandContext, store: any Store, http: HTTPClient, logger: Logger,
    policy: @escaping @Sendable () -> AlertPolicy, isWell: @escaping @Sendable () async -> Bool
  ) {
    self.context = context
    self.store = store
    self.http = http
    self.logger = logger
    self.policy = policy
    self.isWell = isWell
  }

  /// Looks at the disk, and tells once when it is nearly full and once when it is not any more.
  func lookAtDisk() async {
    let folder = LexicalPath.folder(of: context.databasePath)
    // What can't be measured is no reason for an alarm.
    guard let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder),
      let free = (attributes[.systemFreeSize] as? NSNumber)?.int64Value
    else { return }
    let limit = Int64(context.settings.watch.minimumFreeMegabytes) * 1_000_000
    let isLow = free < limit
    // Some room more before all is well again, or it would be told at every file that comes and goes.
    guard isLow || free > limit + limit / 5 else { return }
    do {
      let isFiring = try await store.firingAlerts().contains { $0.alert.condition == "watcher-disk" }
      guard isLow != isFiring,
        let alert = policy().watcherDisk(
          path: context.databasePath, free: free, isLow: isLow, at: context.clock.now())
      else { return }
      try await store.raise([alert], at: alert.at)
    } catch {
      logger.error("Alert could not be written", metadata: ["error": "\(error)"])
    }
  }

  /// Looks at what all jobs together have cost and cost now, and tells what the rules make of it.
  func lookAtSpend() async {
    let policy = policy()
    guard policy.watchesSpend else { return }
    do {
      let now = context.clock.now()
      let spend = try await context.spend(store, at: now)
      let firing = try await store.firingAlerts().map(\.alert)
      let alerts = policy.alerts(for: spend, firing: firing, now: now)
      if !alerts.isEmpty { try await store.raise(alerts, at: now) }
    } catch {
      logger.error("Spend could not be looked at", metadata: ["error": "\(error)"])
    }
  }

  /// Looks at every instance that carries our tags: at the start, and every hour. What nothing needs is ended, and told.
  func lookAtFleet() async {
    let now = context.clock.now()
    guard
      fleetDue.withLock({ due in
        guard now >= due else { return false }
        due = now + .seconds(3600)
        return true
      })
    else { return }
    do {
      // Whoever has never used a cloud is not to hear of its credentials.
      guard try await isCloudInUse() else { return }
      let report = try await Reconciler(
        store: store, providers: context.providers(), clock: context.clock, logger: logger
      )
      .run(endsLeaked: context.endsLeaked)
      for failure in report.failures {
        logger.warning("Instances could not be listed", metadata: ["error": "\(failure)"])
      }
      // Sooner if something was left open.
      if !report.failures.isEmpty { fleetDue.withLock { $0 = now + .seconds(300) } }
      try await Fleet.tell(report, policy: policy(), at: now, store)
    } catch {
      logger.error("Instances could not be compared with the database", metadata: ["error": "\(error)"])
    }
  }

  private func isCloudInUse() async throws -> Bool {
    if context.settings.aws.string("s3_bucket") != nil { return true }
    return try await !store.jobs(JobQuery(provider: .aws, limit: 1)).isEmpty
  }

  /// Asks the address of the configuration again and again while all is well. Who listens there notices when it stops.
  func ping() async {
    guard let url = context.settings.watch.pingURL else { return }
    let interval = context.settings.watch.pingInterval
    while !Task.isCancelled {
      if await isWell() {
        var request = HTTPRequest(.get, url)
        request.timeout = min(interval, .seconds(20))
        request.allowPrivate = context.settings.watch.pingAllowsPrivate
        do {
          let status = try await http.send(request).status
          if !(200...299).contains(status) {
            logger.warning("Sign of life was not taken", metadata: ["status": "\(status)"])
          }
        } catch {
          logger.warning("Sign of life could not be sent", metadata: ["error": "\(error.message)"])
        }
      }
      do { try await context.clock.sleep(until: context.clock.now() + interval) } catch { return }
    }
  }
}
