/// Cost: thresholds are computed, not polled. The moment of the next crossing follows from the price.
extension Turn {
  /// - Parameter moment: since when it holds; nil for now.
  mutating func priceChanged(_ price: HourlyPrice, at moment: Timestamp?) {
    guard job.attempt.isLive, let last = job.attempt.segments.last, last.price != price else { return }
    machine.job.attempt.segments.append(PriceSegment(from: max(min(moment ?? now, now), last.from), price: price))
    record(.priceChanged, "\(last.price.formatted) became \(price.formatted)")
    guard let first = job.attempt.segments.first?.price, first.microdollars > 0 else { return }
    let factor = Double(price.microdollars) / Double(first.microdollars)
    // Each doubling beyond the factor is news again.
    let step = Int((factor / alerts.priceFactor).rounded(.down))
    let key = "price-\(job.attempt.number)-\(step)"
    guard step >= 1, !job.crossed.contains(key) else { return }
    machine.job.crossed.append(key)
    record(
      .priceRise, "the price has risen from \(first.formatted) to \(price.formatted)", key: String(step))
  }

  /// The prices that held while the instance ran and nobody followed them.
  mutating func learnPrices(_ prices: [PriceSegment], until end: Timestamp) {
    guard job.attempt.isLive, let last = job.attempt.segments.last else { return }
    let news = PriceSegment.news(prices, after: last).filter { $0.from < end }
    guard let newest = news.last else { return }
    machine.job.attempt.segments += news
    record(
      .priceChanged,
      news.count == 1
        ? "\(last.price.formatted) became \(newest.price.formatted)"
        : "\(last.price.formatted) became \(newest.price.formatted), in \(news.count) steps")
  }

  /// Reports every threshold that the cost has reached; of several of one kind only the highest is told.
  mutating func crossThresholds() {
    guard job.attempt.launchedAt != nil, machine.outstanding.hasHeard else { return }
    let cost = job.cost(at: now, rule: policy.billing)
    var highest: [CostThreshold] = []
    for group in [budgetThresholds, amountThresholds] {
      let reached = group.filter { threshold in
        guard let amount = threshold.amount(of: job.budget), amount > .zero else { return false }
        return cost >= amount && !job.crossed.contains(threshold.key)
      }
      machine.job.crossed += reached.map(\.key)
      if let last = reached.last { highest.append(last) }
    }
    for threshold in highest { report(threshold, cost: cost) }
  }

  private mutating func report(_ threshold: CostThreshold, cost: Money) {
    switch threshold {
    case .budget(let percent):
      guard let budget = job.budget else { return }
      let text =
        "cost \(cost.formatted(decimals: 4)) has reached \(percent) % of the budget \(budget.limit.formatted())"
      record(percent >= 100 ? .budgetReached : .costThreshold, text, key: threshold.key)
      if percent >= 100, budget.action == .terminate, job.wish == nil, job.isOpen, !job.state.isTerminal {
        request(TerminationWish(reason: .budget, message: text, at: now))
      }
    case .amount(let amount):
      record(
        .costThreshold, "cost \(cost.formatted(decimals: 4)) has reached \(amount.formatted())", key: threshold.key)
    }
  }

  /// When the running instance will cross its next threshold.
  func nextCrossing() -> Timestamp? {
    guard machine.outstanding.hasHeard, job.attempt.isLive, let launchedAt = job.attempt.launchedAt,
      !job.attempt.segments.isEmpty
    else { return nil }
    let charge = Charge(start: launchedAt, segments: job.attempt.segments, rule: policy.billing)
    var next: Timestamp?
    for threshold in budgetThresholds + amountThresholds where !job.crossed.contains(threshold.key) {
      guard let amount = threshold.amount(of: job.budget), amount > .zero,
        let moment = charge.moment(reaching: amount - job.earlierCost)
      else { continue }
      next = min(next ?? moment, moment)
    }
    return next
  }

  /// Ascending.
  private var budgetThresholds: [CostThreshold] {
    job.budget.map { $0.percents.map(CostThreshold.budget(percent:)) } ?? []
  }

  private var amountThresholds: [CostThreshold] {
    alerts.costThresholds.sorted().map(CostThreshold.amount)
  }
}
