import GRDB
import JobModel

/// What is at a path, as far as opening it is concerned. Whatever must not be touched is thrown instead.
enum FileKind: Equatable {
  /// Nothing, an empty file, or a database without any table.
  case blank
  case current
  case older(Int)
  /// A database of the Python tool.
  case legacy

  static func find(_ path: String, schema: Schema) throws -> FileKind {
    try rollBackIfHalfWritten(path)
    switch try DatabaseFile.kind(of: path) {
    case .missing, .empty: return .blank
    case .notADatabase: throw StoreError.notADatabase(path)
    case .damaged(let how): throw StoreError.damaged(path, how)
    case .database(let header):
      if header.applicationID == Schema.applicationID {
        let version = Int(header.userVersion)
        if version > schema.version { throw StoreError.newer(path, version: version, ours: schema.version) }
        guard version > 0 else { throw StoreError.damaged(path, "its header says version \(version)") }
        if version == schema.version { return .current }
        return try migratedInWAL(path, header: header, schema: schema) ? .current : .older(version)
      }
      guard header.applicationID == 0 else {
        throw StoreError.foreign(path, "its application id is \(header.applicationID)")
      }
      return try withoutID(path, header: header)
    }
  }

  /// A process that was killed in the middle of a transaction with a rollback journal (only the making of a file and
  /// the Python tool use one) leaves pages of it in the file; SQLite takes them back as soon as somebody may write.
  private static func rollBackIfHalfWritten(_ path: String) throws {
    guard DatabaseFile.size(of: path + "-journal") ?? 0 > 0,
      case .database(let header) = try DatabaseFile.kind(of: path),
      [0, Schema.applicationID].contains(header.applicationID)
    else { return }
    var configuration = OpenedDatabase.peekConfiguration
    configuration.readonly = false
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    _ = try queue.read { try $0.number("SELECT count(*) FROM sqlite_master") }
  }

  /// Whether the WAL already holds a later version than the header on disk.
  private static func migratedInWAL(_ path: String, header: DatabaseFile.Header, schema: Schema) throws -> Bool {
    guard header.wal, DatabaseFile.size(of: path + "-wal") ?? 0 > 0 else { return false }
    let queue = try DatabaseQueue(path: path, configuration: OpenedDatabase.peekConfiguration)
    defer { try? queue.close() }
    return try queue.read { db in
      let version = Int(try db.number("PRAGMA user_version"))
      if version > schema.version { throw StoreError.newer(path, version: version, ours: schema.version) }
      return version == schema.version
    }
  }

  private static func withoutID(_ path: String, header: DatabaseFile.Header) throws -> FileKind {
    let queue = try OpenedDatabase.openToPeek(path, header: header)
    defer { try? queue.close() }
    return try queue.read { db in
      let tables = try db.rows("SELECT name FROM sqlite_master WHERE type = 'table'") { $0.optionalText() ?? "" }
      if tables.isEmpty, header.userVersion == 0 { return .blank }
      let columns = try db.rows("SELECT name FROM pragma_table_info('jobs')") { $0.optionalText() ?? "" }
      guard LegacyDatabase.isLegacy(columns: columns) else {
        throw StoreError.foreign(path, "its tables are \(tables.prefix(5).joined(separator: ", "))")
      }
      return .legacy
    }
  }
}

extension OpenedDatabase {
  static var peekConfiguration: Configuration {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON") }
    return configuration
  }

  /// Opens a file for a look, without leaving anything beside it.
  static func openToPeek(_ path: String, header: DatabaseFile.Header) throws -> DatabaseQueue {
    // A read-only connection to a WAL database would make a -wal and a -shm file, and leave them there.
    if header.wal, !DatabaseFile.exists(path + "-wal"), let uri = immutableURI(path) {
      return try DatabaseQueue(path: uri, configuration: peekConfiguration)
    }
    return try DatabaseQueue(path: path, configuration: peekConfiguration)
  }
}
