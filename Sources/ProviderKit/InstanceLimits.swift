package import JobModel

/// The limits that an instance keeps by itself, even when nobody watches.
package struct InstanceLimits: Sendable, Hashable {
  /// Counted from the start of the instance; nil for no limit.
  package var duration: Duration?
  /// How long the instance may run until the job's budget is used up; nil for no limit.
  package var budget: Duration?
  package var idle: IdleRule?
  /// What people read when a limit was reached.
  package var durationMessage = ""
  package var budgetMessage = ""
  package var idleMessage = ""

  package init(duration: Duration? = nil, budget: Duration? = nil, idle: IdleRule? = nil) {
    self.duration = duration
    self.budget = budget
    self.idle = idle
  }

  /// The limits of one attempt at a price.
  package init(_ request: LaunchRequest, price: HourlyPrice, billing: BillingRule) {
    self.init(
      duration: request.spec.maxDurationSeconds.map { .seconds(max(0, $0)) },
      budget: Self.secondsUntilBudgetIsUsed(request.budget, spent: request.spent, price: price, billing: billing)
        .map { .seconds($0) },
      idle: request.spec.idle)
    if let duration {
      durationMessage = "the maximum duration of \(DurationText.short(duration)) was reached"
    }
    if let limit = request.budget?.limit, let budget {
      budgetMessage = "the budget of \(limit.formatted()) is used up after \(DurationText.short(budget))"
    }
    if let idle {
      idleMessage =
        "the calculation used less than \(idle.cpuPercent) % of a core for \(DurationText.short(.seconds(idle.seconds)))"
    }
  }

  /// How many seconds an instance may run until the budget is used: the longest time whose bill is within it.
  ///
  /// Zero if the least that is billed exceeds what is left. Nil if nothing ends the instance: there is no budget, it
  /// only alerts, or the instance costs nothing.
  package static func secondsUntilBudgetIsUsed(
    _ budget: Budget?, spent: Money, price: HourlyPrice, billing: BillingRule
  ) -> Int64? {
    guard let budget, budget.action == .terminate, price.microdollars > 0 else { return nil }
    let left = budget.limit - spent
    guard left.units > 0 else { return 0 }
    let affordable = left.units / price.microdollars
    let whole = affordable / billing.increment * billing.increment
    return whole < billing.billedSeconds(elapsed: .zero) ? 0 : whole
  }
}
