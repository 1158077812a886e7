/// Many alerts as one: how many of which kind, and the first of them.
package enum AlertDigest {
  /// More are counted, not named.
  private static let shown = 30

  /// - Parameter alerts: at least one.
  package static func alert(_ alerts: [Alert], at now: Timestamp, channel: String) -> Alert {
    var counts: [AlertRule: Int] = [:]
    for alert in alerts { counts[alert.rule, default: 0] += 1 }
    let kinds = counts.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
      .map { "\($0.value) \($0.key.rawValue)" }
    let severity = alerts.map(\.severity).max() ?? .info
    // The gravest first, then as they came.
    let named = alerts.enumerated().sorted { ($1.element.severity, $0.offset) < ($0.element.severity, $1.offset) }
      .prefix(shown).map(\.element)
    var facts = [Alert.Fact("Alerts", "\(alerts.count): \(kinds.joined(separator: ", "))")]
    facts += named.map { alert in
      let mark = alert.status == .resolved ? "resolved" : alert.severity.rawValue
      return Alert.Fact("\(mark) \(alert.at.iso8601())", alert.title)
    }
    if alerts.count > named.count {
      facts.append(Alert.Fact("More", "\(alerts.count - named.count) are not named here"))
    }
    // What all of them are about.
    let shared = alerts.dropFirst().reduce(alerts[0].labels) { common, alert in
      common.filter { alert.labels[$0.key] == $0.value }
    }
    let about =
      shared["name"].map { name in " about \(name)\(shared["job"].map { " (\($0))" } ?? "")" }
      ?? shared["provider"].map { " about \($0)" } ?? ""
    return Alert(
      id: "digest-\(alerts[0].id)-\(alerts.count)", rule: .digest, severity: severity, at: now, job: nil,
      title: "\(alerts.count) alerts\(about): \(kinds.prefix(4).joined(separator: ", "))", facts: facts,
      nextCommand: "cloudjobs notify list", channels: [channel],
      labels: shared.merging(["rule": AlertRule.digest.rawValue, "severity": severity.rawValue]) { $1 })
  }
}
