import GRDB
package import JobModel

/// What could be saved of a damaged database.
package struct RepairReport: Sendable, Hashable {
  package struct Table: Sendable, Hashable {
    package var saved: Int
    /// How many are known to be missing; more may be, where an index was damaged too.
    package var lost: Int
  }

  package var path: String
  package var tables: [String: Table]
  /// What a person should look at: jobs that had to be completed, instances whose job is lost.
  package var warnings: [String]
}

/// Saves what can be read of a damaged database into a new file.
///
/// SQLite's own `.recover` is not in Debian's build, and `.dump` stops at the first damaged page. Here each table is read
/// by ranges of row numbers without any index; a range that fails is halved until what can't be read stands alone.
package enum Repair {
  /// - Throws: `StoreError` with code `.exists` if `target` is there; `.damaged` if not even the list of tables can be read.
  package static func run(
    _ damaged: String, into target: String, now: Timestamp = DatabaseFile.wallClock()
  ) async throws(StoreError) -> RepairReport {
    try await StoreActor.offPool { () throws(StoreError) in
      do {
        return try salvage(DatabaseFile.plain(damaged), into: DatabaseFile.plain(target), now: now)
      } catch {
        throw StoreError.explain(error, path: damaged)
      }
    }
  }

  private static func salvage(_ damaged: String, into target: String, now: Timestamp) throws -> RepairReport {
    if DatabaseFile.exists(target) { throw StoreError.isThere(target) }
    switch try DatabaseFile.kind(of: damaged) {
    case .missing, .empty: throw StoreError.notFound(damaged)
    case .notADatabase: throw StoreError.notADatabase(damaged)
    case .damaged, .database: break
    }
    let temporary = DatabaseFile.free(target + ".part")
    do {
      // A copy is worked on, with its WAL: so the damaged file stays as it is, whatever SQLite would do to it.
      let copy = DatabaseFile.free(target + ".damaged")
      defer { DatabaseFile.remove(copy) }
      for suffix in ["", "-wal"] where DatabaseFile.exists(damaged + suffix) {
        let file = try OpenFile(damaged + suffix)
        defer { file.close() }
        try file.copy(to: copy + suffix)
      }
      var report = try build(temporary, from: copy, now: now)
      try DatabaseFile.moveIntoFreePlace(temporary, target)
      report.path = target
      return report
    } catch {
      DatabaseFile.remove(temporary)
      throw error
    }
  }

  private static func build(_ new: String, from damaged: String, now: Timestamp) throws -> RepairReport {
    var reading = Configuration()
    reading.prepareDatabase { try $0.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON") }
    let source = try DatabaseQueue(path: damaged, configuration: reading)
    defer { try? source.close() }
    try DatabaseFile.createPrivate(new, exclusive: true)
    let output = try DatabaseQueue(path: new)
    let report = try output.writeWithoutTransaction { to in
      try source.writeWithoutTransaction { from in
        guard try from.number("PRAGMA application_id") == Schema.applicationID else {
          throw StoreError.foreign(damaged, "its application id is another")
        }
        // What is saved is sorted out afterwards, so the order of the tables does not matter.
        try to.execute(sql: "PRAGMA foreign_keys = OFF")
        var salvage = Salvage(from: from, to: to)
        try to.inTransaction(.exclusive) {
          try Schema.current.migrate(to, from: 0)
          try salvage.run()
          return .commit
        }
        let verdict = try to.row("PRAGMA integrity_check(1)", { _ in }, { $0.optionalText() ?? "" })
        guard verdict == "ok" else { throw StoreError.damaged(new, verdict ?? "it could not be checked") }
        return RepairReport(path: new, tables: salvage.tables, warnings: salvage.warnings)
      }
    }
    try output.close()
    return report
  }
}
