/// What went wrong with the store, and what to do about it.
package struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable, CaseIterable {
    /// A live watcher holds the database.
    case held
    /// What is to be made is there already: a job of that id, a file of that name.
    case exists
    case closed
    /// Another process has been writing for longer than we wait.
    case busy
    case full
    case readOnly = "read_only"
    case notADatabase = "not_a_database"
    /// A database of another program.
    case foreign
    /// Written by a newer version of cloudjobs.
    case newerSchema = "newer_schema"
    /// Of an older version or of the Python tool, and opened for a look only.
    case needsMigration = "needs_migration"
    case damaged
    /// A network file system, on which SQLite's WAL is not safe.
    case networkFileSystem = "network_file_system"
    /// The file under the path is not the one that was opened.
    case replaced
    case notFound = "not_found"
    case notPermitted = "not_permitted"
    /// Too many writes wait.
    case overloaded
    case io
  }

  package var code: Code
  /// Names the thing that failed.
  package var message: String
  /// What a person can do now.
  package var remedy: String
  /// What the layer below said.
  package var underlying: String?
  /// With `.held`: who holds it.
  package var holder: Holder?

  package init(
    _ code: Code, _ message: String, remedy: String, underlying: String? = nil, holder: Holder? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.underlying = underlying
    self.holder = holder
  }

  package var description: String {
    var text = message
    if let underlying { text += " (\(underlying))" }
    return text + ". " + remedy
  }
}
