import Foundation
import GRDB
import JobModel

/// The database that the Python tool leaves behind, read without expecting anything of its rows.
struct LegacyDatabase {
  /// The rows of `jobs`, and of other tables by their `job_id`.
  var jobs: [[String: JSONValue]] = []
  var related: [String: [String: [JSONValue]]] = [:]
  var warnings: [String] = []

  static func isLegacy(columns: [String]) -> Bool {
    Set(["job_id", "status", "provider", "instance_type", "region", "created_at"]).isSubset(of: columns)
  }

  init(_ db: Database) throws {
    let tables = try db.rows(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    ) { _ in
    } _: {
      try $0.text()
    }
    for table in tables {
      let quoted = "\"" + table.replacingOccurrences(of: "\"", with: "\"\"") + "\""
      // Without indexes, since a damaged one would hide rows.
      let cursor = try Row.fetchCursor(db, sql: "SELECT * FROM \(quoted) NOT INDEXED")
      var strays = 0
      while let row = try cursor.next() {
        var values: [String: JSONValue] = [:]
        for (name, value) in row { values[name] = Self.json(value) }
        if table == "jobs" {
          jobs.append(values)
        } else if case .string(let id)? = values["job_id"] {
          values["job_id"] = nil
          related[id, default: [:]][table, default: []].append(.object(values))
        } else {
          strays += 1
        }
      }
      if strays > 0 {
        warnings.append("\(strays) rows of the table \(table) belong to no job: they are in the original file only")
      }
    }
    let known = Set(jobs.compactMap { $0["job_id"]?.string })
    for (id, tables) in related.sorted(by: { $0.key < $1.key }) where !known.contains(id) {
      let count = tables.values.reduce(0) { $0 + $1.count }
      warnings.append("\(count) rows name a job \(id) that is not there: they are in the original file only")
    }
  }

  private static func json(_ value: DatabaseValue) -> JSONValue {
    switch value.storage {
    case .null: .null
    case .int64(let number): .integer(number)
    case .double(let number): number.isFinite ? .number(number) : .string(String(number))
    case .string(let text): .string(text)
    case .blob(let data): .object(["base64": .string(data.base64EncodedString())])
    }
  }
}
