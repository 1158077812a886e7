internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Logging
internal import Monitor
internal import Transport

/// What the watcher does beside supervision: it looks at its disk and at what all jobs cost together, and says to a
/// service outside that it lives.
struct WatcherHealth: Sendable {
  let context: CommandContext
  let store: any Store
  let http: HTTPClient
  let logger: Logger
  /// The rules in force, which may be read again while the watcher runs.
  let policy: @Sendable () -> AlertPolicy
  /// Whether the store takes changes; a watcher that can't remember anything is not well.
  let isWell: @Sendable () async -> Bool

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
