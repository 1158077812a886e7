import GRDB
import GRDBSQLite
import JobModel

/// The opening of a file, step by step; everything in it blocks.
struct OpenedDatabase: Sendable {
  enum Connection: Sendable {
    case readWrite(DatabasePool)
    case readOnly(DatabaseQueue)
  }

  let path: String
  let connection: Connection
  let identity: DatabaseFile.Identity

  static func open(_ options: StoreOptions) throws(StoreError) -> OpenedDatabase {
    let path = DatabaseFile.plain(options.path)
    do {
      if !options.allowNetworkFileSystem, let type = options.fileSystemType(path),
        let name = DatabaseFile.networkName(type: type)
      {
        throw StoreError.networkFileSystem(options.path, name)
      }
      try prepare(path, options)
      let connection: Connection =
        options.readOnly ? .readOnly(try openReadOnly(path, options)) : .readWrite(try openPool(path, options))
      guard let identity = DatabaseFile.identity(of: path) else { throw StoreError.replaced(path) }
      return OpenedDatabase(path: path, connection: connection, identity: identity)
    } catch {
      throw StoreError.explain(error, path: options.path)
    }
  }

  /// Sees to it that a file of our version is at `path`, or throws.
  private static func prepare(_ path: String, _ options: StoreOptions) throws {
    switch try FileKind.find(path, schema: options.schema) {
    case .current: return
    case .older(let version):
      guard options.mayMigrate else { throw StoreError.needsMigration("\(options.path) is of version \(version)") }
      try migrate(path, from: version, options)
    case .legacy:
      guard options.mayMigrate else { throw StoreError.needsMigration("\(options.path) is of the Python tool") }
      if try !LegacyMigration(path: path, options: options).run() { try prepare(path, options) }
    case .blank:
      if options.readOnly { throw StoreError.notFound(options.path) }
      try create(path, options)
    }
  }

  /// Makes the tables in an empty file, with a rollback journal: so the main file itself carries our application id
  /// and version, which a look at its header finds, whatever the WAL holds later.
  static func create(_ path: String, _ options: StoreOptions) throws {
    try DatabaseFile.createFolder(of: path)
    if !DatabaseFile.exists(path) { try DatabaseFile.createPrivate(path, exclusive: false) }
    let queue = try DatabaseQueue(path: path, configuration: configuration(options))
    try queue.writeWithoutTransaction { db in
      try db.inTransaction(.exclusive) {
        // Another process may have been faster.
        if try db.number("PRAGMA user_version") == 0 { try options.schema.migrate(db, from: 0) }
        return .commit
      }
    }
    try queue.close()
  }

  /// Brings an older file to our version, after a copy of it was made beside it.
  private static func migrate(_ path: String, from version: Int, _ options: StoreOptions) throws {
    let copy = DatabaseFile.free("\(path).v\(version)-\(DatabaseFile.stamp(options.now())).bak")
    let pool = try openPool(path, options, checkVersion: false)
    try pool.writeWithoutTransaction { db in
      try DatabaseFile.createPrivate(copy, exclusive: true)
      try db.execute(sql: "VACUUM INTO ?", arguments: [copy])
    }
    try DatabaseFile.flush(copy)
    var done = false
    try pool.writeWithoutTransaction { db in
      // Steps may rebuild tables that others refer to (https://sqlite.org/lang_altertable.html, section 7).
      try db.execute(sql: "PRAGMA foreign_keys = OFF")
      defer { try? db.execute(sql: "PRAGMA foreign_keys = ON") }
      try db.inTransaction(.immediate) {
        let now = Int(try db.number("PRAGMA user_version"))
        guard now < options.schema.version else { return .commit }
        try options.schema.migrate(db, from: now)
        guard try db.row("PRAGMA foreign_key_check", { _ in }, { _ in true }) == nil else {
          throw StoreError.damaged(path, "rows refer to rows that are not there")
        }
        done = true
        return .commit
      }
    }
    try pool.close()
    if done {
      options.onNotice(
        "Migrated the database \(options.path) from version \(version) to \(options.schema.version); "
          + "a copy of it as it was is \(copy)")
    } else {
      DatabaseFile.remove(copy)
    }
  }

  // MARK: Connections

  static func configuration(_ options: StoreOptions, readOnly: Bool = false) -> Configuration {
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.label = "cloudjobs"
    configuration.maximumReaderCount = 4
    configuration.busyMode = .timeout(options.busyTimeout.inSeconds)
    configuration.prepareDatabase { db in
      // A one-shot command must never checkpoint beside a running watch.
      try db.execute(sql: "PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
      if !readOnly {
        // The -wal and -shm files stay, or processes that may only read could not open the file.
        var flag: CInt = 1
        guard let connection = db.sqliteConnection,
          sqlite3_file_control(connection, nil, SQLITE_FCNTL_PERSIST_WAL, &flag) == SQLITE_OK
        else { throw DatabaseError(resultCode: .SQLITE_ERROR, message: "SQLITE_FCNTL_PERSIST_WAL failed") }
      }
    }
    return configuration
  }

  static func openPool(_ path: String, _ options: StoreOptions, checkVersion: Bool = true) throws -> DatabasePool {
    let pool = try DatabasePool(path: path, configuration: configuration(options))
    try pool.writeWithoutTransaction { db in
      // GRDB sets NORMAL after prepareDatabase has run, so this is the first place where FULL stays.
      try db.execute(sql: "PRAGMA synchronous = FULL")
      guard try db.number("PRAGMA synchronous") == 2 else {
        throw StoreError(
          .io, "SQLite did not take `synchronous = FULL` for \(path)", remedy: "Use another build of SQLite.")
      }
      if checkVersion { try check(db, path, options) }
    }
    return pool
  }

  private static func openReadOnly(_ path: String, _ options: StoreOptions) throws -> DatabaseQueue {
    let queue: DatabaseQueue
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration(options, readOnly: true))
    } catch let error as DatabaseError
      where error.resultCode == .SQLITE_CANTOPEN || error.resultCode == .SQLITE_READONLY
    {
      // In a folder that can't be written SQLite can't make the files beside a WAL database. Without a WAL there is
      // nothing that could change either.
      guard DatabaseFile.size(of: path + "-wal") ?? 0 == 0, let uri = immutableURI(path) else { throw error }
      queue = try DatabaseQueue(path: uri, configuration: configuration(options, readOnly: true))
    }
    try queue.writeWithoutTransaction { db in try check(db, path, options) }
    return queue
  }

  static func immutableURI(_ path: String) -> String? {
    let hex = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"), ...0x20:
        encoded += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      default: encoded.append(byte)
      }
    }
    return "file:" + String(decoding: encoded, as: UTF8.self) + "?immutable=1&mode=ro"
  }

  /// The version as SQLite sees it: the header on disk may be older than the WAL.
  private static func check(_ db: Database, _ path: String, _ options: StoreOptions) throws {
    let version = Int(try db.number("PRAGMA user_version"))
    if version > options.schema.version {
      throw StoreError.newer(path, version: version, ours: options.schema.version)
    }
    if version < options.schema.version {
      throw StoreError.damaged(path, "its header says another version than its content, \(version)")
    }
  }
}

extension StoreError {
  /// - Parameter what: names the file and says what it is.
  fileprivate static func needsMigration(_ what: String) -> StoreError {
    StoreError(
      .needsMigration, "The database " + what,
      remedy: "The next command that works with it saves a copy and brings it up to date; `cloudjobs list` is enough.")
  }
}
