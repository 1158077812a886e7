import GRDB

extension StoreError {
  /// What an error of the layers below means to a person who works with the database at `path`.
  static func explain(_ error: any Error, path: String) -> StoreError {
    switch error {
    case let error as StoreError: error
    case let error as DatabaseError: explain(error, path: path)
    case let damage as RowDamage: damaged(path, damage.message)
    case let error as SystemError: explain(error, path: path)
    default:
      StoreError(
        .io, "The database \(path) could not be used", remedy: "Try again; `cloudjobs check` looks at the file.",
        underlying: String(describing: error))
    }
  }

  private static func explain(_ error: DatabaseError, path: String) -> StoreError {
    let said = "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "no message")"
    return switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      StoreError(
        .busy, "Another process keeps the database \(path) locked",
        remedy: "Try again in a moment. If nothing of cloudjobs runs, find the process with `fuser \(path)`.",
        underlying: said)
    case .SQLITE_FULL:
      StoreError(
        .full, "The disk under \(path) is full", remedy: "Nothing was lost: make room on it and try again.",
        underlying: said)
    case .SQLITE_READONLY:
      StoreError(
        .readOnly, "The database \(path) can't be written",
        remedy: "Make the file and its folder writable for your user, or name another one with --db.",
        underlying: said)
    case .SQLITE_NOTADB: notADatabase(path)
    case .SQLITE_CORRUPT: damaged(path, said)
    case .SQLITE_PERM, .SQLITE_AUTH: notPermitted(path, said)
    case .SQLITE_CANTOPEN:
      StoreError(
        .io, "The database \(path) can't be opened",
        remedy: "Check that its folder exists and that your user may write in it.", underlying: said)
    case .SQLITE_MISUSE where error.message == "Connection is closed": closed(path)
    case .SQLITE_IOERR:
      StoreError(
        .io, "The disk under \(path) failed", remedy: "Check the disk (`dmesg`), then run `cloudjobs check`.",
        underlying: said)
    default:
      StoreError(
        .io, "The database \(path) refused a statement", remedy: "Run `cloudjobs check` on it.", underlying: said)
    }
  }

  private static func explain(_ error: SystemError, path: String) -> StoreError {
    switch error.number {
    case SystemError.noSpace, SystemError.quota:
      StoreError(
        .full, "The disk under \(error.path) is full", remedy: "Nothing was lost: make room on it and try again.",
        underlying: error.description)
    case SystemError.readOnlyFileSystem:
      StoreError(
        .readOnly, "\(error.path) is on a read-only file system", remedy: "Name another file with --db.",
        underlying: error.description)
    case SystemError.notPermitted, SystemError.noAccess: notPermitted(error.path, error.description)
    case SystemError.noEntry: notFound(error.path)
    default:
      StoreError(
        .io, "\(error.path) could not be used", remedy: "Check the path and the disk.", underlying: error.description)
    }
  }

  package static func notFound(_ path: String) -> StoreError {
    StoreError(
      .notFound, "There is no database at \(path)",
      remedy: "Start a job with `cloudjobs run`, which makes one, or name another file with --db.")
  }

  static func notADatabase(_ path: String) -> StoreError {
    StoreError(
      .notADatabase, "\(path) is not a database", remedy: "Name another file with --db; this one was left as it is.")
  }

  static func damaged(_ path: String, _ said: String) -> StoreError {
    StoreError(
      .damaged, "The database \(path) is damaged",
      remedy: "Restore a backup with `cloudjobs restore`, or save what can be read with `cloudjobs check --repair`.",
      underlying: said)
  }

  static func foreign(_ path: String, _ said: String) -> StoreError {
    StoreError(
      .foreign, "\(path) is a database of another program",
      remedy: "Name another file with --db; this one was left as it is.", underlying: said)
  }

  static func newer(_ path: String, version: Int, ours: Int) -> StoreError {
    StoreError(
      .newerSchema, "The database \(path) was written by a newer version of cloudjobs",
      remedy: "Install that version or a later one; the file was left as it is.",
      underlying: "its schema is \(version), this program knows up to \(ours)")
  }

  static func notPermitted(_ path: String, _ said: String) -> StoreError {
    StoreError(
      .notPermitted, "Your user may not use \(path)",
      remedy: "Change its owner or mode, or name another file with --db.",
      underlying: said)
  }

  static func closed(_ path: String) -> StoreError {
    StoreError(.closed, "The database \(path) is closed already", remedy: "Open it again.")
  }

  static func replaced(_ path: String) -> StoreError {
    StoreError(
      .replaced, "The file \(path) is not the one that was opened: it was moved, deleted or replaced",
      remedy: "Stop this process and start it again; nothing more is written to the old file.")
  }

  static func networkFileSystem(_ path: String, _ name: String) -> StoreError {
    StoreError(
      .networkFileSystem, "\(path) is on a network file system (\(name)), on which a database can break",
      remedy: "Name a file on a local disk with --db, for example below $XDG_STATE_HOME (~/.local/state).")
  }

  static func noSuchJob(_ id: String) -> StoreError {
    StoreError(.notFound, "There is no job \(id)", remedy: "`cloudjobs list` shows all jobs.")
  }
}
