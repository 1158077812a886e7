package import JobModel

/// How a database is opened.
package struct StoreOptions: Sendable {
  package var path: String
  /// Reads only, and creates nothing: a file that is missing is an error.
  ///
  /// A file of an older version, or of the Python tool, is migrated first, since only then can it be read.
  package var readOnly: Bool
  /// Without it a file that would have to be migrated is refused with `.needsMigration`, and left as it is: for those who
  /// only want a look, such as the completion of a word.
  package var mayMigrate = true
  /// SQLite's WAL is not safe on a network file system; who knows better may say so.
  package var allowNetworkFileSystem: Bool
  /// How long a write waits for another process before it fails with `.busy`.
  package var busyTimeout: Duration
  /// How many writes may wait; callers beyond it are suspended until there is room.
  package var queueLimit: Int
  /// How many callers may be suspended for want of room; beyond it `.overloaded` is thrown.
  package var waitLimit: Int
  /// Seconds east of Greenwich at a local time, for the zoneless times of the Python tool's databases.
  package var timeZone: @Sendable (CalendarTime) -> Int
  /// Turns an instance's running time into the stored cost.
  package var billing: @Sendable (ProviderName) -> BillingRule
  /// The wall clock; it names the copies that are made before a migration.
  package var now: @Sendable () -> Timestamp
  /// Tells a person what was done to the file, such as a migration.
  package var onNotice: @Sendable (String) -> Void
  /// Finds the type of the file system under a path, as `statfs` gives it.
  package var fileSystemType: @Sendable (String) -> Int64?
  /// The steps that make the schema; tests add later ones.
  var schema: Schema

  package init(
    path: String, readOnly: Bool = false, allowNetworkFileSystem: Bool = false,
    busyTimeout: Duration = .seconds(5), queueLimit: Int = 4096, waitLimit: Int = 1_000_000,
    timeZone: @escaping @Sendable (CalendarTime) -> Int = { _ in 0 },
    billing: @escaping @Sendable (ProviderName) -> BillingRule = { _ in .perSecond },
    now: @escaping @Sendable () -> Timestamp = { DatabaseFile.wallClock() },
    onNotice: @escaping @Sendable (String) -> Void = { _ in },
    fileSystemType: @escaping @Sendable (String) -> Int64? = { DatabaseFile.fileSystemType(of: $0) }
  ) {
    self.path = path
    self.readOnly = readOnly
    self.allowNetworkFileSystem = allowNetworkFileSystem
    self.busyTimeout = busyTimeout
    self.queueLimit = max(1, queueLimit)
    self.waitLimit = max(0, waitLimit)
    self.timeZone = timeZone
    self.billing = billing
    self.now = now
    self.onNotice = onNotice
    self.fileSystemType = fileSystemType
    schema = .current
  }
}
