import GRDB
import GRDBSQLite
import JobModel

/// What an examination of a database file found.
package struct CheckReport: Sendable, Hashable {
  package enum Kind: String, Sendable {
    case current
    case older
    case legacy
    /// A database that this program can't use; `problems` says why.
    case unusable
  }

  package var path: String
  package var kind: Kind
  /// `user_version` of a file of ours.
  package var schemaVersion: Int?
  package var ourSchemaVersion: Int
  /// Empty for a sound file. One line each, from SQLite or from reading every row.
  package var problems: [String]
  /// Rows by table, as far as they could be counted.
  package var counts: [String: Int]
  package var bytes: Int64
  package var walBytes: Int64
  package var holders: [Holder]
  package var sqliteVersion: String
  /// SQLite before 3.51.3 can damage a file on which two processes checkpoint; we never let two do so.
  package var sqliteHasWALResetBug: Bool

  package var isSound: Bool { problems.isEmpty && kind != .unusable }
}

/// Examines a database file, damaged or not, without changing it.
package enum Check {
  /// - Throws: `StoreError` with code `.notFound` if there is no file; whatever is wrong with a file is in the report.
  package static func run(_ path: String) async throws(StoreError) -> CheckReport {
    try await StoreActor.offPool { () throws(StoreError) in try examine(DatabaseFile.plain(path), schema: .current) }
  }

  static func examine(_ path: String, schema: Schema) throws(StoreError) -> CheckReport {
    var report = CheckReport(
      path: path, kind: .unusable, schemaVersion: nil, ourSchemaVersion: schema.version, problems: [], counts: [:],
      bytes: DatabaseFile.size(of: path) ?? 0, walBytes: DatabaseFile.size(of: path + "-wal") ?? 0, holders: [],
      sqliteVersion: String(cString: sqlite3_libversion()),
      sqliteHasWALResetBug: sqlite3_libversion_number() < 3_051_003)
    do {
      guard case .database(let header) = try DatabaseFile.kind(of: path) else {
        _ = try FileKind.find(path, schema: schema)
        throw StoreError.notFound(path)
      }
      if header.applicationID == Schema.applicationID { report.schemaVersion = Int(header.userVersion) }
      switch try FileKind.find(path, schema: schema) {
      case .blank: throw StoreError.notFound(path)
      case .current: report.kind = .current
      case .older: report.kind = .older
      case .legacy: report.kind = .legacy
      }
      let queue = try OpenedDatabase.openToPeek(path, header: header)
      defer { try? queue.close() }
      // Outside a transaction, so that a long check does not keep the WAL of a running watcher from being emptied.
      queue.writeWithoutTransaction { examine($0, &report) }
    } catch {
      let error = StoreError.explain(error, path: path)
      if error.code == .notFound { throw error }
      report.problems.append(error.underlying.map { "\(error.message): \($0)" } ?? error.message)
    }
    return report
  }

  private static func examine(_ db: Database, _ report: inout CheckReport) {
    note("integrity check", &report) { report in
      let lines = try db.rows("PRAGMA integrity_check(100)", { _ in }, { $0.optionalText() ?? "" })
      report.problems += lines.filter { $0 != "ok" }
    }
    note("foreign key check", &report) { report in
      let tables = try db.rows("PRAGMA foreign_key_check", { _ in }, { $0.optionalText() ?? "?" })
      for table in Set(tables).sorted() {
        report.problems.append("\(tables.count { $0 == table }) rows of \(table) refer to rows that are not there")
      }
    }
    guard report.kind == .current || report.kind == .older else {
      note("count", &report) { $0.counts["jobs"] = Int(try db.number("SELECT count(*) FROM jobs NOT INDEXED")) }
      return
    }
    // An older file lacks the tables of later versions.
    let there = Set(
      (try? db.rows("SELECT name FROM sqlite_master WHERE type = 'table'", { _ in }, { try $0.text() })) ?? [])
    for table in Counts.tables where report.kind == .current || there.contains(table) {
      note(table, &report) { $0.counts[table] = Int(try db.number("SELECT count(*) FROM \(table) NOT INDEXED")) }
    }
    guard report.kind == .current else { return }
    note("holders", &report) { $0.holders = try db.rows(LeaseRow.selection, { _ in }, { try LeaseRow.read(&$0) }) }
    // Every row is read as the program reads it: SQLite's checks know nothing of our values.
    note("jobs", &report) { _ in try db.forEachRow(JobRow.selection) { _ = try JobRow.read(&$0) } }
    note("events", &report) { _ in try db.forEachRow(EventRow.selection) { _ = try EventRow.read(&$0) } }
    note("deliveries", &report) { _ in
      try db.forEachRow(AlertRow.deliverySelection) { _ = try AlertRow.readDelivery(&$0) }
    }
    note("requests", &report) { _ in try db.forEachRow(RequestRow.selection) { _ = try RequestRow.read(&$0) } }
  }

  private static func note(
    _ what: String, _ report: inout CheckReport, _ body: (inout CheckReport) throws -> Void
  ) {
    do {
      try body(&report)
    } catch let error as DatabaseError {
      report.problems.append("\(what): SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "no message")")
    } catch let damage as RowDamage {
      report.problems.append("\(what): \(damage.message)")
    } catch {
      report.problems.append("\(what): \(error)")
    }
  }
}
