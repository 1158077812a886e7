/// Alerts about what all jobs together cost.
extension AlertPolicy {
  /// Whether anybody wants to hear of it.
  package var watchesSpend: Bool { spendRate != nil || spend.values.contains { !$0.isEmpty } }

  /// What a look at the spend makes: alerts that begin, and the ends of those among `firing` that hold no more.
  ///
  /// An amount is told once a period, and of several that were reached only the highest. What fires goes on until it is
  /// clearly over, or a price that swings would be told again and again.
  package func alerts(for spend: Spend, firing: [Alert], now: Timestamp) -> [Alert] {
    var made: [Alert] = []
    var holding: Set<String> = []
    let isFiring = Set(firing.map(\.condition))
    for part in spend.parts {
      let amounts = (self.spend[part.period.kind] ?? []).filter { $0 > .zero }.sorted()
      if let reached = amounts.last(where: { part.amount >= $0 }) {
        made += reachedAlert(reached, part, spend, now)
      }
      guard let next = amounts.first(where: { part.amount < $0 }) else { continue }
      let condition = "spend-forecast-\(part.period.kind.rawValue)-\(part.period.name)-\(next.units / 3600)"
      if part.forecast >= (isFiring.contains(condition) ? next.percent(95) : next) {
        holding.insert(condition)
        if !isFiring.contains(condition) { made += forecastAlert(next, part, spend, condition, now) }
      }
    }
    if let limit = spendRate {
      let condition = "spend-rate-\(limit.microdollars)"
      let kept = HourlyPrice(microdollars: limit.microdollars / 100 * 95)
      if spend.rate > (isFiring.contains(condition) ? kept : limit) {
        holding.insert(condition)
        if !isFiring.contains(condition) { made += rateAlert(limit, spend, condition, now) }
      }
    }
    return made
      + firing.filter { Self.isAboutSpend($0.rule) && !holding.contains($0.condition) }.map { end($0, spend, now) }
  }

  private static func isAboutSpend(_ rule: AlertRule) -> Bool { rule == .spendForecast || rule == .spendRate }

  private func reachedAlert(_ amount: Money, _ part: Spend.Part, _ spend: Spend, _ now: Timestamp) -> [Alert] {
    let rule: AlertRule = part.period.kind == .day ? .spendPerDay : .spendPerMonth
    return make(
      rule, id: "spend-\(part.period.kind.rawValue)-\(part.period.name)-\(amount.units / 3600)", now,
      title: "All jobs together have cost \(part.amount.formatted()) \(part.period.kind.phrase), "
        + "which is over \(amount.formatted())",
      facts: facts(part, spend))
  }

  private func forecastAlert(
    _ amount: Money, _ part: Spend.Part, _ spend: Spend, _ condition: String, _ now: Timestamp
  ) -> [Alert] {
    var facts = facts(part, spend)
    if spend.rate.microdollars > 0 {
      let seconds = (amount - part.amount).units / spend.rate.microdollars
      facts.insert(Alert.Fact("Reached", "in \(DurationText.short(.seconds(seconds)))"), at: 0)
    }
    return make(
      .spendForecast, id: "\(condition)-\(now.rawValue)", now,
      title: "All jobs together will cost more than \(amount.formatted()) \(part.period.kind.phrase)", facts: facts,
      condition: condition)
  }

  private func rateAlert(_ limit: HourlyPrice, _ spend: Spend, _ condition: String, _ now: Timestamp) -> [Alert] {
    make(
      .spendRate, id: "\(condition)-\(now.rawValue)", now,
      title: "All jobs together cost \(spend.rate.formatted), which is more than \(limit.formatted)",
      facts: [Alert.Fact("Instances", String(spend.live)), Alert.Fact("Rate", spend.rate.formatted)],
      condition: condition)
  }

  private func facts(_ part: Spend.Part, _ spend: Spend) -> [Alert.Fact] {
    [
      Alert.Fact("Spent", "\(part.amount.formatted(decimals: 4)) \(part.period.kind.phrase) (\(part.period.name))"),
      Alert.Fact("Rate", spend.rateText),
      Alert.Fact("Forecast", "\(part.forecast.formatted()) if everything goes on as it is now"),
    ]
  }

  private func make(
    _ rule: AlertRule, id: String, _ now: Timestamp, title: String, facts: [Alert.Fact], condition: String? = nil
  ) -> [Alert] {
    let setting = setting(rule)
    guard setting.enabled else { return [] }
    return [
      Alert(
        id: id, rule: rule, severity: setting.severity, at: now, job: nil, title: title, facts: facts,
        nextCommand: "cloudjobs list --status running", channels: setting.channels ?? channels,
        status: condition == nil ? .event : .firing, condition: condition,
        labels: ["rule": rule.rawValue, "severity": setting.severity.rawValue])
    ]
  }

  private func end(_ firing: Alert, _ spend: Spend, _ now: Timestamp) -> Alert {
    Alert(
      id: firing.condition + "-resolved", rule: firing.rule, severity: .info, at: now, job: nil,
      title: "Over: \(firing.title)",
      facts: [Alert.Fact("Rate", spend.rateText)],
      nextCommand: nil, channels: [], status: .resolved, condition: firing.condition,
      labels: ["rule": firing.rule.rawValue])
  }
}
