/// One calculation that the user asked for.
package struct Job: Sendable, Hashable, Identifiable {
  package let id: JobID
  package var provider: ProviderName
  package var spec: JobSpec
  package var budget: Budget?
  package var state: JobState
  package var reason: Reason?
  /// The free text beside the reason.
  package var message: String?
  package var createdAt: Timestamp
  package var updatedAt: Timestamp
  /// When the calculation started.
  package var startedAt: Timestamp?
  /// When it ended; the instance may live a little longer.
  package var endedAt: Timestamp?
  /// The latest attempt; earlier ones are history.
  package var attempt: Attempt
  /// What the earlier attempts cost together.
  package var earlierCost: Money
  /// Open until the instance is confirmed gone.
  package var wish: TerminationWish? {
    get { boxedWish.value }
    set { boxedWish = Boxed(newValue) }
  }
  /// Keys of the cost thresholds that were crossed, so that none is reported twice.
  package var crossed: [String]
  /// Counts the commits of this row.
  package var revision: Int64
  /// Few of the jobs that are held in memory have one.
  private var boxedWish = Boxed<TerminationWish>.nothing

  package init(id: JobID, provider: ProviderName, spec: JobSpec, budget: Budget?, createdAt: Timestamp) {
    self.id = id
    self.provider = provider
    self.spec = spec
    self.budget = budget
    state = .launching
    self.createdAt = createdAt
    updatedAt = createdAt
    attempt = Attempt(job: id, number: 1, requestedAt: createdAt)
    earlierCost = .zero
    crossed = []
    revision = 0
  }

  /// Whether somebody has to look after this job: it is active, or its instance is not known to be gone.
  package var isOpen: Bool { !state.isTerminal || attempt.isLive || wish != nil }

  /// Whether its next attempt found no room and is tried again: its last launch is old then, and not lost.
  package var waitsForRoom: Bool { state == .launching && crossed.contains(Self.roomKey) }

  /// In `crossed`.
  static let roomKey = "no_room"

  /// All attempts together.
  package func cost(at now: Timestamp, rule: BillingRule) -> Money {
    earlierCost + attempt.cost(at: now, rule: rule)
  }

  /// What alerts about the job are told apart by, beside their rule and severity.
  package var labels: [String: String] {
    var labels = ["job": id.rawValue, "name": spec.name, "provider": provider.rawValue]
    for (key, value) in spec.tags { labels["tag.\(key)"] = value }
    return labels
  }

  /// From creation to the end of the calculation, or to `now`.
  package func duration(at now: Timestamp) -> Duration {
    let end = endedAt ?? (state.isTerminal ? updatedAt : now)
    return max(.zero, end - createdAt)
  }
}
