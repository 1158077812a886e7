import GRDB
import JobModel

/// A copy of the database that was made and verified.
package struct BackupReport: Sendable, Hashable {
  package var path: String
  package var bytes: Int64
  /// Rows by table.
  package var counts: [String: Int]
}

extension StoreActor {
  /// Copies the database, as it is at one moment, to a file of its own, while others go on writing.
  ///
  /// The copy is made beside `target`, verified, and takes its name in one step: there is never half a file.
  /// - Throws: `StoreError` with code `.exists` if `target` is there and `replacing` is false.
  package func backup(to target: String, replacing: Bool = false) async throws(StoreError) -> BackupReport {
    let source = path
    let reader: any DatabaseReader =
      switch connection {
      case .readWrite(let pool, _): pool
      case .readOnly(let queue): queue
      }
    return try await Self.offPool { () throws(StoreError) in
      let target = DatabaseFile.plain(target)
      do {
        if let there = DatabaseFile.identity(of: target) {
          if there == DatabaseFile.identity(of: source) {
            throw StoreError(
              .exists, "\(target) is the database itself", remedy: "Name another file for the backup.")
          }
          if !replacing { throw StoreError.isThere(target) }
        }
        let temporary = DatabaseFile.free(target + ".part")
        do {
          let counts = try Self.copy(reader, to: temporary)
          let bytes = DatabaseFile.size(of: temporary) ?? 0
          if replacing {
            for suffix in ["-wal", "-shm", "-journal"] { DatabaseFile.remove(target + suffix) }
            try DatabaseFile.moveIntoPlace(temporary, target)
          } else {
            try DatabaseFile.moveIntoFreePlace(temporary, target)
          }
          return BackupReport(path: target, bytes: bytes, counts: counts)
        } catch {
          DatabaseFile.remove(temporary)
          throw error
        }
      } catch {
        throw StoreError.explain(error, path: target)
      }
    }
  }

  /// Copies what `reader` sees to a new file, verifies it, and returns its counts.
  static func copy(_ reader: any DatabaseReader, to path: String) throws -> [String: Int] {
    try DatabaseFile.createFolder(of: path)
    try DatabaseFile.createPrivate(path, exclusive: true)
    let copy = try DatabaseQueue(path: path)
    let counts = try copy.writeWithoutTransaction { copied in
      // Counted within the transaction that is copied, so both must have the same rows.
      let counts = try reader.read { source in
        let counts = try Counts.read(source)
        try source.backup(to: copied)
        return counts
      }
      // A file that stands for itself, without a WAL beside it.
      try copied.execute(sql: "PRAGMA journal_mode = DELETE")
      let verdict = try copied.row("PRAGMA quick_check(1)", { _ in }, { $0.optionalText() ?? "" })
      guard verdict == "ok" else { throw StoreError.damaged(path, verdict ?? "it could not be checked") }
      guard try Counts.read(copied) == counts else {
        throw StoreError.damaged(path, "the copy has not as many rows as the original")
      }
      return counts
    }
    try copy.close()
    for suffix in ["-wal", "-shm", "-journal"] { DatabaseFile.remove(path + suffix) }
    try DatabaseFile.flush(path)
    return counts
  }
}

extension StoreError {
  static func isThere(_ path: String) -> StoreError {
    StoreError(.exists, "There is a file \(path) already", remedy: "Name another one, or allow to replace it.")
  }
}
