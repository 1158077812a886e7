/// What lies at a path, as far as this program is concerned.
package enum DatabaseKind: Sendable, Equatable {
  /// Nothing, an empty file, or a database without any table.
  case blank
  case current
  /// Ours, of an earlier version.
  case older(Int)
  /// A database of the Python tool.
  case legacy

  /// Looks at a file without opening it for work: nothing is made and nothing is migrated.
  ///
  /// - Throws: `StoreError` for what must not be touched: no database, a damaged one, one of another program, a newer one.
  package static func find(_ path: String) async throws(StoreError) -> DatabaseKind {
    try await StoreActor.offPool { () throws(StoreError) in
      do {
        return try find(path, schema: .current)
      } catch {
        throw StoreError.explain(error, path: path)
      }
    }
  }

  private static func find(_ path: String, schema: Schema) throws -> DatabaseKind {
    switch try FileKind.find(DatabaseFile.plain(path), schema: schema) {
    case .blank: return .blank
    case .current: return .current
    case .older(let version): return .older(version)
    case .legacy: return .legacy
    }
  }
}
