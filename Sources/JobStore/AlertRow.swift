import GRDB
import JobModel

/// An alert as a row of `alerts`, with a row of `deliveries` for each channel.
enum AlertRow {
  static let alertSelection = """
    a.id, a.rule, a.severity, a.at, a.job, a.title, a.facts, a.next_command, a.channels, a.status, a.condition,
      a.incident, a.labels, a.details
    """

  static let deliverySelection = """
    SELECT d.id, \(alertSelection), d.channel, d.state, d.tries, d.created_at, d.next_try_at,
      d.last_try_at, d.held, d.repeats, d.answer
    FROM deliveries d JOIN alerts a ON a.id = d.alert
    """

  static func readDelivery(_ row: inout RowReader) throws -> Delivery {
    let id = try row.int()
    do {
      let alert = try readAlert(&row)
      return Delivery(
        id: id, alert: alert, channel: try row.text(), state: try row.value(), tries: Int(clamping: try row.int()),
        createdAt: try row.time(), nextTryAt: try row.time(), lastTryAt: try row.optionalTime(),
        held: row.optionalText(), repeats: Int(clamping: try row.int()), answer: row.optionalText())
    } catch let damage as RowDamage {
      throw RowDamage(message: "delivery \(id): \(damage.message)")
    }
  }

  static func readAlert(_ row: inout RowReader) throws -> Alert {
    let id = try row.text()
    let rule: AlertRule = try row.value()
    let severity: Alert.Severity = try row.value()
    let at = try row.time()
    let job = row.optionalText().flatMap { JobID($0) }
    let title = try row.text()
    let facts = try StoredJSON.value([Alert.Fact].self, try row.text(), "its facts")
    let nextCommand = row.optionalText()
    let channels = try StoredJSON.value([String].self, try row.text(), "its channels")
    let status: Alert.Status = try row.value()
    let condition = row.optionalText()
    let incident = row.optionalText()
    let labels = try row.optionalText().map { try StoredJSON.value([String: String].self, $0, "its labels") } ?? [:]
    let details = try row.optionalText().map { try StoredJSON.value(AlertDetails.self, $0, "its details") }
    return Alert(
      id: id, rule: rule, severity: severity, at: at, job: job, title: title, facts: facts, nextCommand: nextCommand,
      channels: channels, status: status, condition: condition, incident: incident, labels: labels,
      details: details ?? AlertDetails())
  }

  /// Adds the alerts whose ids are new, each with its deliveries, and returns how many were. The end of a condition
  /// becomes one alert for each that fires; where none does there is nothing to end.
  @discardableResult
  static func insert(_ alerts: [Alert], at now: Timestamp, _ db: Database) throws -> Int {
    var count = 0
    for alert in alerts {
      guard alert.status == .resolved else {
        count += try insert(alert, at: now, db) ? 1 : 0
        continue
      }
      for firing in try firing(alert.condition, db) { count += try end(firing, alert, at: now, db) ? 1 : 0 }
    }
    return count
  }

  /// What has begun and not ended.
  private static func firing(_ condition: String, _ db: Database) throws -> [Alert] {
    try db.rows(
      "SELECT \(alertSelection) FROM alerts a WHERE a.condition = ? AND a.status = 'firing' AND a.resolved_at IS NULL"
    ) {
      $0.add(condition)
    } _: {
      try readAlert(&$0)
    }
  }

  private static func end(_ firing: Alert, _ end: Alert, at now: Timestamp, _ db: Database) throws -> Bool {
    let end = end.ending(firing)
    try db.run("UPDATE alerts SET resolved_at = ? WHERE id = ?") { row in
      row.add(end.at)
      row.add(firing.id)
    }
    guard try insertRow(end, db) else { return false }
    for channel in Set(firing.channels).sorted() {
      // Kept back and never sent: nobody has to hear of the end either.
      let skipped = try db.run(
        """
        UPDATE deliveries SET state = 'skipped', answer = 'over before it was sent'
        WHERE alert = ? AND channel = ? AND state = 'pending' AND held IS NOT NULL AND tries = 0 AND repeats = 0
        """
      ) { row in
        row.add(firing.id)
        row.add(channel)
      }
      if skipped > 0 {
        try skipWaiting(for: firing.id, channel, db)
        continue
      }
      try follow(firing, with: end, channel, at: now, db)
    }
    return true
  }

  /// A delivery of what follows a beginning; it waits until that was delivered.
  private static func follow(_ firing: Alert, with next: Alert, _ channel: String, at now: Timestamp, _ db: Database)
    throws
  {
    try db.run(
      """
      INSERT INTO deliveries(alert, channel, state, tries, created_at, next_try_at, incident)
      SELECT ?1, ?2, iif(EXISTS (SELECT 1 FROM deliveries
        WHERE alert = ?3 AND channel = ?2 AND state = 'pending'), 'waiting', 'pending'), 0, ?4, ?4, ?3
      WHERE true ON CONFLICT(alert, channel) DO NOTHING
      """
    ) { row in
      row.add(next.id)
      row.add(channel)
      row.add(firing.id)
      row.add(now)
    }
  }

  /// That somebody took note of it need not be told either.
  private static func skipWaiting(for firing: String, _ channel: String, _ db: Database) throws {
    try db.run(
      """
      UPDATE deliveries SET state = 'skipped', answer = 'over before it was sent'
      WHERE incident = ? AND channel = ? AND state = 'waiting'
      """
    ) { row in
      row.add(firing)
      row.add(channel)
    }
  }

  /// Tells that somebody took note of what fires, behind its beginning.
  static func acknowledge(
    _ firing: Alert, by person: String, telling channels: Set<String>, at now: Timestamp, _ db: Database
  )
    throws
  {
    let note = firing.acknowledged(by: person, at: now, channels: channels)
    guard !note.channels.isEmpty, try insertRow(note, db) else { return }
    for channel in Set(note.channels).sorted() { try follow(firing, with: note, channel, at: now, db) }
  }

  private static func insert(_ alert: Alert, at now: Timestamp, _ db: Database) throws -> Bool {
    guard try insertRow(alert, db) else { return false }
    for channel in alert.channels {
      try db.run(
        """
        INSERT INTO deliveries(alert, channel, state, tries, created_at, next_try_at, incident)
        VALUES (?,?,'pending',0,?,?,?) ON CONFLICT(alert, channel) DO NOTHING
        """
      ) { row in
        row.add(alert.id)
        row.add(channel)
        row.add(now)
        row.add(now)
        row.add(alert.incident)
      }
    }
    return true
  }

  /// False if there is one of this id.
  private static func insertRow(_ alert: Alert, _ db: Database) throws -> Bool {
    let facts = try StoredJSON.text(alert.facts)
    let channels = try StoredJSON.text(alert.channels)
    let labels = try StoredJSON.text(alert.labels)
    let details = try StoredJSON.text(alert.details)
    return try db.run(
      """
      INSERT INTO alerts(id, rule, severity, at, job, title, facts, next_command, channels, status, condition, incident,
        labels, details)
      VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING
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
      row.add(alert.status.rawValue)
      row.add(alert.condition)
      row.add(alert.incident)
      row.add(labels)
      row.add(details)
    } == 1
  }
}
