import GRDB
import GRDBSQLite
import JobModel

// Statements run through SQLite's own functions: GRDB's typed row access traps on a value of another type, and a
// damaged file holds values of any type. It is also three times as fast.

/// A value of a row is not what it must be.
struct RowDamage: Error {
  let message: String
}

/// Fills the parameters of a statement, one after the other.
struct Binder {
  private let statement: OpaquePointer
  private var index: Int32 = 0

  fileprivate init(_ statement: OpaquePointer) { self.statement = statement }

  mutating func add(_ value: Int64?) {
    index += 1
    if let value {
      sqlite3_bind_int64(statement, index, value)
    } else {
      sqlite3_bind_null(statement, index)
    }
  }

  mutating func add(_ value: Int?) { add(value.map(Int64.init)) }
  mutating func add(_ value: Bool) { add(value ? 1 : 0 as Int64) }
  mutating func add(_ value: Timestamp?) { add(value?.rawValue) }
  mutating func add(_ value: Money?) { add(value?.units) }

  mutating func add(_ value: String?) {
    index += 1
    guard var value else {
      sqlite3_bind_null(statement, index)
      return
    }
    value.withUTF8 { bytes in
      // SQLITE_TRANSIENT, a cast that Swift does not import: SQLite copies the bytes before it returns.
      let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      _ = bytes.withMemoryRebound(to: CChar.self) { characters in
        // An empty string has no base address, and a null pointer would bind NULL.
        if let base = characters.baseAddress {
          sqlite3_bind_text(statement, index, base, Int32(characters.count), transient)
        } else {
          sqlite3_bind_text(statement, index, "", 0, transient)
        }
      }
    }
  }
}

/// Reads the columns of a row, one after the other.
struct RowReader {
  private let statement: OpaquePointer
  private var index: Int32 = 0

  fileprivate init(_ statement: OpaquePointer) { self.statement = statement }

  mutating func optionalInt() -> Int64? {
    defer { index += 1 }
    guard sqlite3_column_type(statement, index) != SQLITE_NULL else { return nil }
    return sqlite3_column_int64(statement, index)
  }

  mutating func optionalText() -> String? {
    defer { index += 1 }
    // The order matters: the length is that of the text which column_text made.
    guard let bytes = sqlite3_column_text(statement, index) else { return nil }
    let count = Int(sqlite3_column_bytes(statement, index))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  mutating func int() throws(RowDamage) -> Int64 {
    guard let value = optionalInt() else { throw missing() }
    return value
  }

  mutating func text() throws(RowDamage) -> String {
    guard let value = optionalText() else { throw missing() }
    return value
  }

  /// A moment between the years -29719 and 33658: with others a damaged file could make later sums overflow.
  mutating func optionalTime() throws(RowDamage) -> Timestamp? {
    guard let value = try optionalInt(in: -1_000_000_000_000_000...1_000_000_000_000_000) else { return nil }
    return Timestamp(rawValue: value)
  }

  mutating func time() throws(RowDamage) -> Timestamp {
    guard let value = try optionalTime() else { throw missing() }
    return value
  }

  mutating func optionalInt(in range: ClosedRange<Int64>) throws(RowDamage) -> Int64? {
    guard let value = optionalInt() else { return nil }
    guard range.contains(value) else { throw RowDamage(message: "\(value) is no possible value of \(lastColumn)") }
    return value
  }

  mutating func int(in range: ClosedRange<Int64>) throws(RowDamage) -> Int64 {
    guard let value = try optionalInt(in: range) else { throw missing() }
    return value
  }

  mutating func bool() throws(RowDamage) -> Bool { try int() != 0 }

  /// A value out of a closed set, by its raw string.
  mutating func value<Value: RawRepresentable<String>>(
    _ type: Value.Type = Value.self
  ) throws(RowDamage) -> Value {
    let text = try text()
    guard let value = Value(rawValue: text) else { throw RowDamage(message: "“\(text)” is not a \(type)") }
    return value
  }

  mutating func optionalValue<Value: RawRepresentable<String>>(
    _ type: Value.Type = Value.self
  ) throws(RowDamage) -> Value? {
    guard let text = optionalText() else { return nil }
    guard let value = Value(rawValue: text) else { throw RowDamage(message: "“\(text)” is not a \(type)") }
    return value
  }

  private func missing() -> RowDamage { RowDamage(message: "column \(lastColumn) is empty") }

  private var lastColumn: String {
    sqlite3_column_name(statement, index - 1).map { String(cString: $0) } ?? "?"
  }
}

extension Database {
  /// Runs a statement that returns no rows, and returns how many rows it changed.
  @discardableResult
  func run(_ sql: String, _ bind: (inout Binder) -> Void = { _ in }) throws -> Int {
    let statement = try cachedStatement(sql: sql).sqliteStatement
    defer { sqlite3_reset(statement) }
    var binder = Binder(statement)
    bind(&binder)
    let code = sqlite3_step(statement)
    guard code == SQLITE_DONE || code == SQLITE_ROW else { throw failure(code) }
    return Int(sqlite3_changes(sqliteConnection))
  }

  /// All rows of a query.
  func rows<Row>(
    _ sql: String, _ bind: (inout Binder) -> Void = { _ in }, _ read: (inout RowReader) throws -> Row
  ) throws -> [Row] {
    var rows: [Row] = []
    try forEachRow(sql, bind) { rows.append(try read(&$0)) }
    return rows
  }

  /// The first row of a query.
  func row<Row>(
    _ sql: String, _ bind: (inout Binder) -> Void = { _ in }, _ read: (inout RowReader) throws -> Row
  ) throws -> Row? {
    let statement = try cachedStatement(sql: sql).sqliteStatement
    defer { sqlite3_reset(statement) }
    var binder = Binder(statement)
    bind(&binder)
    switch sqlite3_step(statement) {
    case SQLITE_DONE: return nil
    case SQLITE_ROW:
      var reader = RowReader(statement)
      return try read(&reader)
    case let code: throw failure(code)
    }
  }

  func forEachRow(
    _ sql: String, _ bind: (inout Binder) -> Void = { _ in }, _ body: (inout RowReader) throws -> Void
  ) throws {
    let statement = try cachedStatement(sql: sql).sqliteStatement
    defer { sqlite3_reset(statement) }
    var binder = Binder(statement)
    bind(&binder)
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_DONE: return
      case SQLITE_ROW:
        var reader = RowReader(statement)
        try body(&reader)
      case let code: throw failure(code)
      }
    }
  }

  /// The single number that a query such as a pragma returns.
  func number(_ sql: String) throws -> Int64 {
    try row(sql) { $0.optionalInt() ?? 0 } ?? 0
  }

  private func failure(_ code: Int32) -> DatabaseError {
    DatabaseError(
      resultCode: ResultCode(rawValue: code),
      message: sqliteConnection.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) })
  }
}
