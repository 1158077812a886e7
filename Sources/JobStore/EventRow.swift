import GRDB
import JobModel

/// A line of a job's history as a row of `events`.
enum EventRow {
  static let selection = "SELECT seq, job, attempt, at, kind, reason, message, key FROM events"

  static func read(_ row: inout RowReader) throws -> StoredEvent {
    let seq = try row.int()
    do {
      let text = try row.text()
      guard let job = JobID(text) else { throw RowDamage(message: "“\(text)” is not a job id") }
      let event = Event(
        job: job, attempt: Int(clamping: try row.int()), at: try row.time(), kind: try row.value(),
        reason: try row.optionalValue(), message: try row.text(), key: row.optionalText())
      return StoredEvent(id: seq, event: event)
    } catch let damage as RowDamage {
      throw RowDamage(message: "event \(seq): \(damage.message)")
    }
  }

  static func insert(_ events: [Event], _ db: Database) throws {
    for event in events {
      try db.run("INSERT INTO events(job, attempt, at, kind, reason, message, key) VALUES (?,?,?,?,?,?,?)") { row in
        row.add(event.job.rawValue)
        row.add(event.attempt)
        row.add(event.at)
        row.add(event.kind.rawValue)
        row.add(event.reason?.rawValue)
        row.add(event.message)
        row.add(event.key)
      }
    }
  }
}
