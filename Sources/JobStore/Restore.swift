import GRDB
import JobModel

/// A database that was put back.
package struct RestoreReport: Sendable, Hashable {
  /// Where the database is that was there before, if there was one.
  package var replaced: String?
  /// Rows by table in the restored database.
  package var counts: [String: Int]
}

/// Puts a backup in the place of a database.
package enum Restore {
  /// Replaces the database at `options.path` by a copy of `source`, and keeps it as `….before-restore-TIME`.
  ///
  /// - Parameter force: Also while a watcher holds the database; that one then stops by itself, since it sees that its
  ///   file was replaced.
  /// - Throws: `StoreError`: `.damaged`, `.foreign` or `.newerSchema` if `source` can't be used, `.held` if a watcher
  ///   holds the database. Nothing was changed then.
  package static func run(
    from source: String, to options: StoreOptions, force: Bool = false
  ) async throws(StoreError) -> RestoreReport {
    try await StoreActor.offPool { () throws(StoreError) in
      do {
        return try restore(DatabaseFile.plain(source), DatabaseFile.plain(options.path), options, force)
      } catch {
        throw StoreError.explain(error, path: options.path)
      }
    }
  }

  private static func restore(
    _ source: String, _ target: String, _ options: StoreOptions, _ force: Bool
  ) throws -> RestoreReport {
    if !options.allowNetworkFileSystem, let type = options.fileSystemType(target),
      let name = DatabaseFile.networkName(type: type)
    {
      throw StoreError.networkFileSystem(target, name)
    }
    if DatabaseFile.exists(target), DatabaseFile.identity(of: source) == DatabaseFile.identity(of: target) {
      throw StoreError(.exists, "\(source) is the database itself", remedy: "Name the backup that is to be restored.")
    }
    let temporary = DatabaseFile.free(target + ".restore")
    do {
      let counts = try verifiedCopy(of: source, to: temporary, options)
      let kept = try replace(target, by: temporary, options, force)
      return RestoreReport(replaced: kept, counts: counts)
    } catch {
      DatabaseFile.remove(temporary)
      throw error
    }
  }

  private static func verifiedCopy(
    of source: String, to temporary: String, _ options: StoreOptions
  ) throws -> [String: Int] {
    do {
      switch try FileKind.find(source, schema: options.schema) {
      case .blank: throw StoreError.notFound(source)
      case .legacy:
        throw StoreError.foreign(source, "it is one of the Python tool: `cloudjobs import` takes its jobs over")
      case .current, .older: break
      }
      guard case .database(let header) = try DatabaseFile.kind(of: source) else {
        throw StoreError.notADatabase(source)
      }
      let queue = try OpenedDatabase.openToPeek(source, header: header)
      defer { try? queue.close() }
      let verdict = try queue.read { db in
        try db.row("PRAGMA integrity_check(1)", { _ in }, { $0.optionalText() ?? "" })
      }
      guard verdict == "ok" else { throw StoreError.damaged(source, verdict ?? "it could not be checked") }
      let counts = try StoreActor.copy(queue, to: temporary)
      try forgetHolders(temporary)
      return counts
    } catch {
      throw StoreError.explain(error, path: source)
    }
  }

  /// Whoever held the jobs when the backup was made holds them no longer.
  private static func forgetHolders(_ path: String) throws {
    let copy = try DatabaseQueue(path: path)
    try copy.write { try $0.execute(sql: "DELETE FROM leases") }
    try copy.close()
  }

  /// Keeps what is at `target`, puts `new` there, and returns where the old file is.
  private static func replace(
    _ target: String, by new: String, _ options: StoreOptions, _ force: Bool
  ) throws -> String? {
    guard DatabaseFile.exists(target) else {
      // A WAL that was left without its database must not be applied to another one.
      for suffix in ["-wal", "-shm", "-journal"] { DatabaseFile.remove(target + suffix) }
      try DatabaseFile.moveIntoPlace(new, target)
      return nil
    }
    let kept = DatabaseFile.free("\(target).before-restore-\(DatabaseFile.stamp(options.now()))")
    let kind: FileKind?
    do {
      kind = try FileKind.find(target, schema: options.schema)
    } catch let error as StoreError where [.damaged, .notADatabase].contains(error.code) {
      // What can't be opened has no holder either, and is the very reason for a restore.
      kind = nil
    }
    guard kind == .current else {
      try exchange(target, kept, new)
      return kept
    }
    guard let queue = try? DatabaseQueue(path: target, configuration: OpenedDatabase.configuration(options)) else {
      try exchange(target, kept, new)
      return kept
    }
    defer { try? queue.close() }
    try queue.writeWithoutTransaction { db in
      do {
        // Locked until the files are exchanged, so that no write falls between them.
        try db.beginTransaction(.immediate)
      } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
        try exchange(target, kept, new)
        return
      }
      defer { try? db.rollback() }
      if !force, let holder = try watcher(db, at: options.now()) { throw StoreError.held(target, by: holder) }
      try exchange(target, kept, new)
    }
    return kept
  }

  private static func watcher(_ db: Database, at now: Timestamp) throws -> Holder? {
    do {
      return try db.row(LeaseRow.selection + " WHERE role = 'watch' AND expires_at >= ? LIMIT 1") { row in
        row.add(now)
      } _: {
        try LeaseRow.read(&$0)
      }
    } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT {
      return nil
    } catch is RowDamage {
      return nil
    }
  }

  /// The old WAL goes first, with its database linked to the new name already: if the power fails in between, the
  /// two are together under that name, and no WAL is ever beside a database that is not its own.
  private static func exchange(_ target: String, _ kept: String, _ new: String) throws {
    try DatabaseFile.linkName(target, kept)
    for suffix in ["-wal", "-journal"] where DatabaseFile.exists(target + suffix) {
      try DatabaseFile.rename(target + suffix, kept + suffix)
    }
    DatabaseFile.remove(target + "-shm")
    try DatabaseFile.moveIntoPlace(new, target)
  }
}
