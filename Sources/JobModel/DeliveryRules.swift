/// When an alert goes out: at once, together with others, or not before something is over. No I/O.
package struct DeliveryRules: Sendable, Hashable {
  package var quietHours: [QuietHours] = []
  /// How long the first of several alerts waits for the others.
  package var groupWait: Duration = .zero
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
