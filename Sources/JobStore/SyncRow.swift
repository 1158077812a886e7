import GRDB
package import JobModel

/// One copy of results that is over, as it is remembered.
package struct SyncRecord: Sendable, Hashable {
  package var attempt: Int
  /// When it began: what was written later is not covered.
  package var at: Timestamp
  package var result: SyncReport.Result
  package var files: Int?
  package var bytes: Int64?
  package var message: String?

  /// What is worth a record: copies that did something, or failed to. Nil for the others.
  init?(_ report: SyncReport) {
    guard report.result != .unchanged, report.result != .planned else { return nil }
    attempt = report.attempt
    at = Timestamp(milliseconds: report.startedAt)
    result = report.result
    files = report.files
    bytes = report.bytes
    message = [report.reason, report.message].compactMap(\.self).joined(separator: ": ")
    if message?.isEmpty == true { message = nil }
  }

  init(
    attempt: Int, at: Timestamp, result: SyncReport.Result, files: Int?, bytes: Int64?, message: String?
  ) {
    self.attempt = attempt
    self.at = at
    self.result = result
    self.files = files
    self.bytes = bytes
    self.message = message
  }
}

/// Copies of results as rows of `syncs`.
enum SyncRow {
  static let selection = "SELECT attempt, at, state, files, bytes, message FROM syncs"

  static func read(_ row: inout RowReader) throws -> SyncRecord {
    SyncRecord(
      attempt: Int(clamping: try row.int()), at: try row.time(), result: try row.value(),
      files: row.optionalInt().map { Int(clamping: $0) }, bytes: row.optionalInt(), message: row.optionalText())
  }

  /// Remembers the latest copy of an attempt, once.
  static func write(_ job: Job, _ db: Database) throws {
    guard let record = job.attempt.sync.flatMap(SyncRecord.init) else { return }
    try db.run(
      "INSERT INTO syncs(job, attempt, at, state, files, bytes, message) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
    ) { row in
      row.add(job.id.rawValue)
      row.add(record.attempt)
      row.add(record.at)
      row.add(record.result.rawValue)
      row.add(record.files)
      row.add(record.bytes)
      row.add(record.message)
    }
  }
}
