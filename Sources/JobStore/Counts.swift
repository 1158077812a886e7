import GRDB

/// How many rows the tables of a database hold.
enum Counts {
  /// The tables that a person knows of, in the order in which they are shown.
  static let tables = [
    "jobs", "attempts", "price_segments", "events", "requests", "alerts", "deliveries", "syncs", "silences",
  ]

  static func read(_ db: Database) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for table in tables { counts[table] = Int(try db.number("SELECT count(*) FROM \(table)")) }
    return counts
  }
}
