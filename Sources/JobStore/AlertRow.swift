import GRDB
import JobModel

/// An alert as a row of `alerts`, with a row of `deliveries` for each channel.
enum AlertRow {
  static let deliverySelection = """
    SELECT d.id, a.id, a.rule, a.severity, a.at, a.job, a.title, a.facts, a.next_command, a.channels, d.channel,
      d.state, d.tries, d.created_at, d.next_try_at, d.last_try_at, d.answer
    FROM deliveries d JOIN alerts a ON a.id = d.alert
    """

  static func readDelivery(_ row: inout RowReader) throws -> Delivery {
    let id = try row.int()
    do {
      let alert = try readAlert(&row)
      return Delivery(
        id: id, alert: alert, channel: try row.text(), state: try row.value(), tries: Int(clamping: try row.int()),
        createdAt: try row.time(), nextTryAt: try row.time(), lastTryAt: try row.optionalTime(),
        answer: row.optionalText())
    } catch let damage as RowDamage {
      throw RowDamage(message: "delivery \(id): \(damage.message)")
    }
  }

  private static func readAlert(_ row: inout RowReader) throws -> Alert {
    let id = try row.text()
    let rule: AlertRule = try row.value()
    let severity: Alert.Severity = try row.value()
    let at = try row.time()
    let job = row.optionalText().flatMap { JobID($0) }
    let title = try row.text()
    let facts = try StoredJSON.value([Alert.Fact].self, try row.text(), "its facts")
    let nextCommand = row.optionalText()
    let channels = try StoredJSON.value([String].self, try row.text(), "its channels")
    return Alert(
      id: id, rule: rule, severity: severity, at: at, job: job, title: title, facts: facts, nextCommand: nextCommand,
      channels: channels)
  }

  /// Adds the alerts whose ids are new, each with its deliveries, and returns how many were.
  @discardableResult
  static func insert(_ alerts: [Alert], at now: Timestamp, _ db: Database) throws -> Int {
    var count = 0
    for alert in alerts {
      let facts = try StoredJSON.text(alert.facts)
      let channels = try StoredJSON.text(alert.channels)
      let inserted = try db.run(
        """
        INSERT INTO alerts(id, rule, severity, at, job, title, facts, next_command, channels)
        VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING
        """
      ) { row in
        row.add(alert.id)
        row.add(alert.rule.rawValue)
        row.add(alert.severity.rawValue)
        row.add(alert.at)
        row.add(alert.job?.rawValue)
        row.add(alert.title)
        row.add(facts)
        row.add(alert.nextCommand)
        row.add(channels)
      }
      guard inserted == 1 else { continue }
      count += 1
      for channel in alert.channels {
        try db.run(
          """
          INSERT INTO deliveries(alert, channel, state, tries, created_at, next_try_at) VALUES (?,?,'pending',0,?,?)
          ON CONFLICT(alert, channel) DO NOTHING
          """
        ) { row in
          row.add(alert.id)
          row.add(channel)
          row.add(now)
          row.add(now)
        }
      }
    }
    return count
  }
}
