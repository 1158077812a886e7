/// When an alert goes out: at once, together with others, or not before something is over. No I/O.
package struct DeliveryRules: Sendable, Hashable {
  package var quietHours: [QuietHours] = []
  /// How long the first of several alerts waits for the others.
  package var groupWait: Duration = .zero
  /// Alerts that are due together and agree in these labels are one message; empty for each its own.
  package var groupBy: [String] = []
  /// More than this many alerts that are due on a channel become one message; 0 never.
  package var digestOver: Int = 20
  /// After how long an alert that still fires is told again; nil never.
  package var repeatAfter: Duration?
  /// A condition that has changed this often within `flapWindow` is flapping.
  package var flapChanges: Int = 4
  package var flapWindow: Duration = .seconds(60)

  package init() {}

  package struct Hold: Sendable, Hashable {
    package var until: Timestamp
    /// `silence a1b2`, `quiet hours`: for people, and to find it again.
    package var why: String

    package init(until: Timestamp, why: String) {
      self.until = until
      self.why = why
    }
  }

  /// What is due, as it is sent: the messages in order, each with what it tells of.
  ///
  /// - Parameter takesDigests: whether the channel takes many alerts as one; others need each of them.
  package func messages<Item>(_ due: [Item], takesDigests: Bool, alert: (Item) -> Alert) -> [[Item]] {
    guard takesDigests else { return due.map { [$0] } }
    if digestOver > 0, due.count > digestOver { return [due] }
    guard !groupBy.isEmpty else { return due.map { [$0] } }
    var order: [[String]] = []
    var groups: [[String]: [Item]] = [:]
    for (index, item) in due.enumerated() {
      let labels = alert(item).labels
      let values = groupBy.map { labels[$0] ?? "" }
      // What has none of the labels belongs to nothing.
      let key = values.allSatisfy(\.isEmpty) ? ["", String(index)] + values : values
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(item)
    }
    return order.compactMap { groups[$0] }
  }

  /// Why an alert is kept back at `now`, or nil if it may go. The end of what was told is always told.
  ///
  /// - Parameter offset: seconds east of Greenwich of a named zone, or of this machine's, at a moment.
  package func hold(
    _ alert: Alert, silences: [Silence], at now: Timestamp, offset: (String?, Timestamp) -> Int
  ) -> Hold? {
    guard alert.status != .resolved, alert.status != .acknowledged, alert.rule != .test else { return nil }
    // The longest silence counts, since each of them alone would keep it back.
    if let silence = silences.filter({ $0.matches(alert, at: now) }).max(by: { $0.until < $1.until }) {
      return Hold(until: silence.until, why: "silence \(silence.id)")
    }
    let quiet = quietHours.filter { $0.except.map { alert.severity < $0 } ?? true }
      .compactMap { $0.end(at: now, offset: offset) }.max()
    if let quiet { return Hold(until: quiet, why: "quiet hours") }
    let ready = alert.at + groupWait
    return ready > now ? Hold(until: ready, why: "grouping") : nil
  }
}
