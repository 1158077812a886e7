import GRDB
import JobModel

/// Turns a database of the Python tool into ours, in its place: the new file is made and verified beside it, and takes
/// its name in one step. The original stays beside it, byte for byte.
struct LegacyMigration {
  let path: String
  let options: StoreOptions

  /// False if another process was faster, so that the file must be looked at again.
  func run() throws -> Bool {
    let before = DatabaseFile.identity(of: path)
    let now = options.now()
    let original = try DatabaseQueue(path: path, configuration: lockingConfiguration())
    // Closing any descriptor of the file would drop the lock, so this one is closed after the connection.
    let descriptor = try OpenFile(path)
    defer { descriptor.close() }
    defer { try? original.close() }
    return try original.writeWithoutTransaction { db in
      // A WAL is taken into the file, so that the copy is whole.
      if try db.row("PRAGMA journal_mode", { _ in }, { $0.optionalText() ?? "" }) == "wal" {
        try db.execute(sql: "PRAGMA journal_mode = DELETE")
      }
      try db.beginTransaction(.exclusive)
      defer { try? db.rollback() }
      guard before == DatabaseFile.identity(of: path) else { return false }
      let legacy = try LegacyDatabase(db)
      let jobs = LegacyImport.jobs(legacy, timeZone: options.timeZone, now: now)

      let copy = DatabaseFile.free("\(path).python-\(DatabaseFile.stamp(now)).bak")
      let new = DatabaseFile.free(path + ".new")
      // After the exchange the copy is all that is left of the original.
      var isExchanged = false
      do {
        try descriptor.copy(to: copy)
        let report = try build(new, jobs, now: now)
        for suffix in ["-journal", "-wal", "-shm"] { DatabaseFile.remove(path + suffix) }
        try DatabaseFile.moveIntoPlace(new, path) { isExchanged = true }
        tell(report, legacy, copy)
        return true
      } catch {
        DatabaseFile.remove(new)
        if !isExchanged { DatabaseFile.remove(copy) }
        throw error
      }
    }
  }

  private func build(_ new: String, _ jobs: [LegacyJob], now: Timestamp) throws -> ImportReport {
    try DatabaseFile.createPrivate(new, exclusive: true)
    let queue = try DatabaseQueue(path: new, configuration: OpenedDatabase.configuration(options))
    let report = try queue.writeWithoutTransaction { db in
      var report = ImportReport()
      try db.inTransaction(.exclusive) {
        try options.schema.migrate(db, from: 0)
        report = try LegacyImport.insert(jobs, billing: options.billing, now: now, db)
        return .commit
      }
      let count = try db.number("SELECT count(*) FROM jobs")
      let verdict = try db.row("PRAGMA quick_check", { _ in }, { $0.optionalText() ?? "" })
      guard verdict == "ok", count == jobs.count else {
        throw StoreError.damaged(
          new, "the converted file has \(count) of \(jobs.count) jobs, \(verdict ?? "unchecked")")
      }
      return report
    }
    try queue.close()
    return report
  }

  private func tell(_ report: ImportReport, _ legacy: LegacyDatabase, _ copy: String) {
    options.onNotice(
      "Converted the Python tool's database \(options.path): \(report.imported.count) jobs; its times have no zone and "
        + "were taken as local ones. The original is \(copy)")
    for warning in legacy.warnings + report.warnings { options.onNotice(warning) }
  }

  private func lockingConfiguration() -> Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(options.busyTimeout.inSeconds)
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON") }
    return configuration
  }
}
