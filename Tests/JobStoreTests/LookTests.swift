import Foundation
import GRDB
import Testing

@testable import JobStore

/// Looks that must leave a file as it is.
@Suite struct LookTests {
  private func refusal(_ options: StoreOptions) async throws -> StoreError {
    do throws(StoreError) {
      await (try StoreActor.open(options)).close()
    } catch {
      return error
    }
    throw StoreError(.io, "it was opened", remedy: "")
  }

  private func look(_ path: String) -> StoreOptions {
    var options = StoreOptions(path: path, readOnly: true)
    options.mayMigrate = false
    return options
  }

  @Test func aDatabaseOfThePythonToolIsNotConverted() async throws {
    try await Folder.run { folder in
      let path = folder.path("jobs.db")
      try LegacyFile.make(path)
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      let error = try await refusal(look(path))
      #expect(error.code == .needsMigration)
      #expect(error.message.contains(path) && error.message.contains("Python tool"))
      #expect(try await DatabaseKind.find(path) == .legacy)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
      #expect(try folder.names() == ["jobs.db"])
    }
  }

  @Test func anOlderDatabaseIsNotMigrated() async throws {
    try await Folder.run { folder in
      let path = folder.path("jobs.db")
      await (try StoreActor.open(StoreOptions(path: path))).close()
      let names = try folder.names()
      var options = look(path)
      #expect(try await DatabaseKind.find(path) == .current)
      await (try StoreActor.open(options)).close()
      options.schema.steps.append(Schema.Step { try $0.execute(sql: "ALTER TABLE jobs ADD COLUMN extra INTEGER") })
      let error = try await refusal(options)
      #expect(error.code == .needsMigration)
      #expect(error.message.contains("version \(Schema.current.version)"))
      #expect(try folder.names() == names)
    }
  }

  @Test func whatIsNotThereIsNotMade() async throws {
    try await Folder.run { folder in
      let error = try await refusal(look(folder.path("no.db")))
      #expect(error.code == .notFound)
      let kind = try await DatabaseKind.find(folder.path("no.db"))
      #expect(kind == .blank)
      let names = try folder.names()
      #expect(names.isEmpty)
    }
  }
}
