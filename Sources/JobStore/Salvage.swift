import Foundation
import GRDB
import JobModel

/// The reading of a damaged database into an empty one, in the caller's transaction and without foreign keys.
struct Salvage {
  let from: Database
  let to: Database
  private(set) var tables: [String: RepairReport.Table] = [:]
  private(set) var warnings: [String] = []
  /// Failing reads that a table may have: one whose root is damaged would be halved for ever.
  private static let failureLimit = 5000

  init(from: Database, to: Database) {
    self.from = from
    self.to = to
  }

  mutating func run() throws {
    for table in ["jobs", "events", "requests", "alerts", "deliveries", "syncs"] { try saveByRowID(table) }
    for (table, key) in [("leases", "owner"), ("silences", "id"), ("attempts", "job"), ("price_segments", "job")] {
      try saveByKey(table, key)
    }
    // Without it the instances of this database in a cloud would be strangers to it.
    let id = (try? from.rows("SELECT id FROM identity", { _ in }, { $0.optionalText() ?? "" }))?.first ?? ""
    if !id.isEmpty { try to.run("UPDATE identity SET id = ?") { $0.add(id) } }
    // A lease of the damaged file says nothing of the new one, and the next claim must have a higher epoch.
    try to.run("DELETE FROM leases")
    tables["leases"] = nil
    try completeJobs()
    try dropOrphans()
    try dropUnreadable()
    for table in tables.keys {
      tables[table]?.saved = Int(try to.number("SELECT count(*) FROM \(table)"))
    }
    for (table, count) in expected {
      let saved = tables[table]?.saved ?? 0
      tables[table]?.lost = max(0, count - saved)
    }
  }

  /// Rows that each table had, where that is known: an index often still counts what the table can't show any more.
  private var expected: [String: Int] = [:]

  private mutating func begin(_ table: String) {
    tables[table] = RepairReport.Table(saved: 0, lost: 0)
    let counts = [table, "\(table) NOT INDEXED"].compactMap { try? from.number("SELECT count(*) FROM \($0)") }
    expected[table] = counts.max().map { Int($0) }
  }

  /// The columns that both files have.
  private func columns(_ table: String) throws -> [String] {
    let query = "SELECT name FROM pragma_table_info('\(table)')"
    let there = Set(try from.rows(query, { _ in }, { $0.optionalText() ?? "" }))
    return try to.rows(query, { _ in }, { $0.optionalText() ?? "" }).filter { there.contains($0) }
  }

  // MARK: Tables with row numbers

  private mutating func saveByRowID(_ table: String) throws {
    begin(table)
    let columns = try columns(table)
    guard !columns.isEmpty else {
      warnings.append("the table \(table) is missing")
      return
    }
    let last = lastRowID(table)
    var ranges: [ClosedRange<Int64>] = [1...max(1, last)]
    var failuresLeft = Self.failureLimit
    while let range = ranges.popLast() {
      do {
        try copy(table, columns, "rowid BETWEEN ? AND ?", [range.lowerBound, range.upperBound])
      } catch is DatabaseError where failuresLeft > 0 {
        failuresLeft -= 1
        guard range.count > 1 else { continue }
        let middle = range.lowerBound + (range.upperBound - range.lowerBound) / 2
        ranges.append(middle + 1...range.upperBound)
        ranges.append(range.lowerBound...middle)
      } catch let error as DatabaseError {
        warnings.append("the table \(table) was given up at row \(range.lowerBound): \(error.message ?? "unreadable")")
        return
      }
    }
  }

  /// The highest row number there can be: from the table itself, or, if its end is damaged, from what else knows it.
  private func lastRowID(_ table: String) -> Int64 {
    if let last = try? from.number("SELECT max(rowid) FROM \(table) NOT INDEXED"), last > 0 {
      return min(last, 1 << 40)
    }
    let indexes =
      (try? from.rows("SELECT name FROM pragma_index_list('\(table)')", { _ in }, { $0.optionalText() ?? "" })) ?? []
    var last = (try? from.number("SELECT seq FROM sqlite_sequence WHERE name = '\(table)'")) ?? 0
    for index in indexes {
      last = max(last, (try? from.number("SELECT max(rowid) FROM \(table) INDEXED BY \"\(index)\"")) ?? 0)
    }
    return last > 0 ? min(last, 1 << 40) : 1 << 20
  }

  /// Copies the rows that a condition selects; those that the new table refuses are left out.
  private func copy(_ table: String, _ columns: [String], _ condition: String, _ arguments: StatementArguments = [])
    throws
  {
    let list = columns.map { "\"\($0)\"" }.joined(separator: ", ")
    let places = columns.map { _ in "?" }.joined(separator: ", ")
    let select = try from.cachedStatement(sql: "SELECT \(list) FROM \(table) NOT INDEXED WHERE \(condition)")
    let rows = try Row.fetchAll(select, arguments: arguments)
    let insert = try to.cachedStatement(sql: "INSERT OR IGNORE INTO \(table)(\(list)) VALUES (\(places))")
    for row in rows {
      do {
        try insert.execute(arguments: StatementArguments(row.databaseValues))
      } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
        continue
      }
    }
  }

  // MARK: Tables without row numbers

  private mutating func saveByKey(_ table: String, _ key: String) throws {
    begin(table)
    let columns = try columns(table)
    guard !columns.isEmpty else {
      warnings.append("the table \(table) is missing")
      return
    }
    do {
      try copy(table, columns, "TRUE")
    } catch is DatabaseError {
      // The jobs that were saved are the keys that matter, and those that only their traces still tell of.
      let keys = try to.rows(
        """
        SELECT id FROM jobs UNION SELECT job FROM events UNION SELECT job FROM requests
        UNION SELECT job FROM alerts WHERE job IS NOT NULL
        """, { _ in }, { $0.optionalText() ?? "" })
      for value in keys {
        do { try copy(table, columns, "\(key) = ?", [value]) } catch is DatabaseError { continue }
      }
    }
  }

  // MARK: What does not fit together

  /// A job whose attempt is lost gets a bare one, and a spec that can't be read is kept as text: better than no job.
  private mutating func completeJobs() throws {
    let bare = try to.rows(
      """
      SELECT id, attempt, created_at FROM jobs WHERE NOT EXISTS
        (SELECT 1 FROM attempts WHERE attempts.job = jobs.id AND attempts.number = jobs.attempt)
      """
    ) { (id: $0.optionalText() ?? "", number: $0.optionalInt() ?? 1, createdAt: $0.optionalInt() ?? 0) }
    for job in bare {
      try to.run(
        "INSERT INTO attempts(job, number, token, requested_at, heartbeat_lost) VALUES (?, ?, ?, ?, 0)"
      ) { row in
        row.add(job.id)
        row.add(job.number)
        row.add("\(job.id)-\(job.number)")
        row.add(job.createdAt)
      }
      warnings.append("job \(job.id): its instance and its prices are lost")
    }
    let specs = try to.rows("SELECT id, name, spec FROM jobs") {
      (id: $0.optionalText() ?? "", name: $0.optionalText() ?? "", spec: $0.optionalText() ?? "")
    }
    for (id, name, text) in specs where (try? StoredJSON.value(JobSpec.self, text, "")) == nil {
      var spec = JobSpec(name: name, directory: "", command: "")
      spec.metadata["damaged_spec"] = .string(text)
      let repaired = try StoredJSON.text(spec)
      try to.run("UPDATE jobs SET spec = ? WHERE id = ?") { row in
        row.add(repaired)
        row.add(id)
      }
      warnings.append("job \(id): what the user asked for is lost in parts")
    }
  }

  private mutating func dropOrphans() throws {
    let instances = try to.rows(
      "SELECT job, instance_id FROM attempts WHERE job NOT IN (SELECT id FROM jobs) AND instance_id IS NOT NULL"
    ) { (job: $0.optionalText() ?? "?", instance: $0.optionalText() ?? "?") }
    for (job, instance) in instances {
      warnings.append("job \(job) is lost; its instance was \(instance): see with the provider whether it still runs")
    }
    for statement in [
      "DELETE FROM attempts WHERE job NOT IN (SELECT id FROM jobs)",
      "DELETE FROM events WHERE job NOT IN (SELECT id FROM jobs)",
      "DELETE FROM requests WHERE job NOT IN (SELECT id FROM jobs)",
      "DELETE FROM deliveries WHERE alert NOT IN (SELECT id FROM alerts)",
      """
      DELETE FROM price_segments WHERE NOT EXISTS
        (SELECT 1 FROM attempts a WHERE a.job = price_segments.job AND a.number = price_segments.attempt)
      """,
      "DELETE FROM syncs WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = syncs.job AND a.number = syncs.attempt)",
    ] { try to.run(statement) }
  }

  /// Rows that this program can't read would stop every list that they are in.
  private mutating func dropUnreadable() throws {
    try drop("jobs", JobRow.selection + " WHERE j.rowid = ?") { _ = try JobRow.read(&$0) }
    try drop("events", EventRow.selection + " WHERE rowid = ?") { _ = try EventRow.read(&$0) }
    try drop("requests", RequestRow.selection + " WHERE rowid = ?") { _ = try RequestRow.read(&$0) }
    try drop("deliveries", AlertRow.deliverySelection + " WHERE d.rowid = ?") { _ = try AlertRow.readDelivery(&$0) }
    try dropOrphans()
  }

  private mutating func drop(_ table: String, _ query: String, _ read: (inout RowReader) throws -> Void) throws {
    for rowID in try to.rows("SELECT rowid FROM \(table)", { _ in }, { $0.optionalInt() ?? 0 }) {
      do {
        _ = try to.row(query, { $0.add(rowID) }, read)
      } catch let damage as RowDamage {
        warnings.append("\(damage.message): the row was left out")
        try to.run("DELETE FROM \(table) WHERE rowid = ?") { $0.add(rowID) }
      }
    }
  }
}
