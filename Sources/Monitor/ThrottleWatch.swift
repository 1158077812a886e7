internal import JobModel
internal import Logging
package import ProviderKit

/// Says in the log which calls a cloud holds back: whoever wonders why nothing moves finds it there.
///
/// It runs beside the loop of `Supervision`, which waits for these very calls.
package struct ThrottleWatch: Sendable {
  private let context: SupervisionContext
  private let interval: Duration

  package init(context: SupervisionContext, interval: Duration = .seconds(2)) {
    self.context = context
    self.interval = interval
  }

  /// Looks again and again until the task is cancelled.
  package func run() async {
    var spells = ThrottleSpells()
    while !Task.isCancelled {
      for change in spells.update(context.throttled()) { tell(change) }
      do { try await context.clock.sleep(until: context.clock.now() + interval) } catch { return }
    }
  }

  private func tell(_ change: ThrottleSpells.Change) {
    switch change {
    case .began(let calls):
      context.logger.warning("Provider holds calls back", metadata: metadata(calls))
    case .ended(let calls):
      context.logger.notice("Provider takes calls again", metadata: metadata(calls))
    }
  }

  private func metadata(_ calls: ThrottledCalls) -> Logger.Metadata {
    [
      "provider": "\(calls.kind.provider)", "service": "\(calls.kind.service)", "action": "\(calls.kind.action)",
      "region": "\(calls.kind.region)", "since": "\(calls.since.iso8601())", "refusals": "\(calls.refusals)",
    ]
  }
}

extension SupervisionContext {
  /// What any provider holds back at the moment, the longest first.
  package func throttled() -> [ThrottledCalls] {
    providers.values.compactMap { $0 as? any ThrottleReporting }.flatMap { $0.throttled() }
      .sorted { ($0.since, $0.kind.description) < ($1.since, $1.kind.description) }
  }
}
