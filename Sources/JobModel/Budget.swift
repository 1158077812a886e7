/// What a job may cost, and what happens on the way there.
package struct Budget: Sendable, Hashable {
  /// What to do when the whole budget is spent.
  package enum Action: String, Sendable, CaseIterable, Codable {
    case alert
    case terminate
  }

  package var limit: Money
  package var action: Action
  /// Percentages of the limit at which an alert is sent, ascending; 100 is the budget itself.
  package var percents: [Int]

  package static let defaultPercents = [50, 80, 100]

  package init(limit: Money, action: Action = .alert, percents: [Int] = Budget.defaultPercents) {
    self.limit = limit
    self.action = action
    self.percents = Set(percents + [100]).sorted()
  }

  /// The refusal of a launch whose estimate exceeds the budget, with its arithmetic, or nil if the launch may go on.
  package func refusal(price: HourlyPrice, estimatedRuntime: Duration, billing: BillingRule) -> String? {
    let seconds = billing.billedSeconds(elapsed: estimatedRuntime)
    let estimate = price.cost(seconds: seconds)
    guard estimate > limit else { return nil }
    let affordable = price.microdollars == 0 ? 0 : limit.units / price.microdollars
    return """
      the estimate exceeds the budget: \(price.formatted) × \(DurationText.short(.seconds(seconds))) = \
      \(estimate.formatted(decimals: 4)), the budget is \(limit.formatted(decimals: 4)) \
      (which pays for \(DurationText.short(.seconds(affordable))))
      """
  }
}

/// A point in the cost of a job that is worth an event when it is crossed.
package enum CostThreshold: Sendable, Hashable {
  /// Percent of the budget.
  case budget(percent: Int)
  /// An amount of dollars.
  case amount(Money)

  /// The stable text in the database and in alert ids: `b80`, `d5000000` (microdollars).
  package var key: String {
    switch self {
    case .budget(let percent): "b\(percent)"
    case .amount(let money): "d\(money.units / 3600)"
    }
  }

  package func amount(of budget: Budget?) -> Money? {
    switch self {
    case .budget(let percent): budget.map { $0.limit.percent(percent) }
    case .amount(let money): money
    }
  }
}
