package import JobModel
package import JobStore
package import Logging
package import ProviderKit
internal import Synchronization

/// What supervisors work with: given once, by the composition root or by a test.
package struct SupervisionContext: Sendable {
  package let store: any Store
  package let providers: [ProviderName: any Provider]
  package let clock: any WallClock
  package let owner: OwnerID
  package let logger: Logger
  package let hooks: Hooks
  /// Starts a copy of a job's results where its instance is, unless one is under way, and does not wait for its end.
  /// The answer says why it could not be started. It has a time-out of its own.
  package let startSync: @Sendable (Job) async -> String?
  private let policies: PolicyBox

  /// Who wants to know what was committed. Called from turns, so they must return at once.
  package struct Hooks: Sendable {
    /// Told of every commit, in the order of each job's history.
    package var committed: @Sendable (Change) -> Void
    /// Told when deliveries were added to the outbox.
    package var alertsWaiting: @Sendable () -> Void

    package init(
      committed: @escaping @Sendable (Change) -> Void = { _ in },
      alertsWaiting: @escaping @Sendable () -> Void = {}
    ) {
      self.committed = committed
      self.alertsWaiting = alertsWaiting
    }
  }

  package init(
    store: any Store, providers: [any Provider], clock: any WallClock, owner: OwnerID, policy: SupervisionPolicy,
    logger: Logger, hooks: Hooks = Hooks(),
    startSync: @escaping @Sendable (Job) async -> String? = { _ in "nothing here can start one" }
  ) {
    self.store = store
    self.providers = Dictionary(providers.map { ($0.name, $0) }) { first, _ in first }
    self.clock = clock
    self.owner = owner
    self.logger = logger
    self.hooks = hooks
    self.startSync = startSync
    policies = PolicyBox(policy)
  }

  /// The rules for a job of this provider: the configured ones, with what holds for the provider.
  package func policy(for provider: ProviderName) -> SupervisionPolicy {
    var policy = policies.value.withLock { $0 }
    if let provider = providers[provider] {
      policy.billing = provider.billing
      policy.absenceGrace = provider.visibilityDelay
    }
    return policy
  }

  /// Replaces the rules, for all decisions from now on.
  package func replacePolicy(_ policy: SupervisionPolicy) { policies.value.withLock { $0 = policy } }

  package var policy: SupervisionPolicy { policies.value.withLock { $0 } }

  private final class PolicyBox: Sendable {
    let value: Mutex<SupervisionPolicy>
    init(_ policy: SupervisionPolicy) { value = Mutex(policy) }
  }
}
