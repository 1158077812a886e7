import JobModel

/// Turns a database of the Python tool into ours, in its place.
struct LegacyMigration {
  let path: String
  let options: StoreOptions

  func run() throws {
    throw StoreError.foreign(path, "")
  }
}
