import GRDB
import JobModel

/// The database that the Python tool leaves behind.
enum LegacyDatabase {
  static func isLegacy(columns: [String]) -> Bool {
    Set(["job_id", "status", "provider", "instance_type", "region", "created_at"]).isSubset(of: columns)
  }
}
