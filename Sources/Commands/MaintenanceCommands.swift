package import ArgumentParser
internal import Foundation
internal import JobModel
internal import JobStore

package struct BackupCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the database while it is in use",
    discussion: """
      The copy is verified before it appears under its name.

      Examples:
        cloudjobs backup
        cloudjobs backup /safe/place/jobs.db --force
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "The copy. (default: cloud_jobs_backup_YYYYMMDD.db beside the database)", completion: .file())
  var target: String?

  @Flag(name: .shortAndLong, help: "Replace the copy if it exists.")
  var force = false

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let target = context.absolute(target ?? Self.standardName(context))
    let report = try await Maintenance.backup(
      context.storeOptions(readOnly: true), to: target, overwrite: force)
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object(["path": .string(target), "jobs": .integer(Int64(report.jobs)), "bytes": .integer(report.bytes)])))
    case .text:
      context.console.out(target)
      context.console.note("\(report.jobs) jobs, \(StatusReport.grouped(report.bytes)) bytes, verified.")
    }
  }

  private static func standardName(_ context: CommandContext) -> String {
    let now = context.clock.now()
    let date = now.iso8601(offset: LocalZone.offset(at: now)).prefix(10).filter { $0 != "-" }
    let path = context.databasePath as NSString
    return (path.deletingPathExtension) + "_backup_\(date).db"
  }
}

package struct RestoreCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Put a copy in the place of the database",
    discussion: """
      The copy is checked first, and the replaced database is kept beside it.

      Example:
        cloudjobs restore cloud_jobs_backup_20261123.db
      """)

  @OptionGroup package var global: GlobalOptions

  @Argument(help: "The copy.", completion: .file())
  var source: String

  @Flag(name: .shortAndLong, help: "Restore even though a watcher is entered.")
  var force = false

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global)
    let report = try await Maintenance.restore(
      from: context.absolute(source), to: context.storeOptions(readOnly: false), force: force)
    context.console.out("\(report.jobs) jobs restored to \(context.databasePath)")
    if let kept = report.kept { context.console.note("The replaced database is kept as \(kept)") }
  }
}

package struct CheckCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check the database, or salvage a damaged one",
    discussion: """
      Examples:
        cloudjobs check
        cloudjobs check --repair salvaged.db
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Option(help: ArgumentHelp("Write all that can be read of a damaged database to a new file.", valueName: "file"), completion: .file())
  var repair: String?

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    if let repair { return try await salvage(context, into: context.absolute(repair)) }
    let report = try await Maintenance.check(context.storeOptions(readOnly: true))
    render(report, context)
    if !report.isHealthy {
      throw CommandError(
        .badData, "\(context.databasePath) is damaged. Save what can be read: cloudjobs check --repair NEWFILE")
    }
  }

  private func render(_ report: CheckReport, _ context: CommandContext) {
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "path": .string(context.databasePath), "healthy": .bool(report.isHealthy),
            "schema_version": .integer(Int64(report.schemaVersion)), "sqlite_version": .string(report.libraryVersion),
            "bytes": .integer(report.bytes), "wal_bytes": .integer(report.walBytes),
            "problems": .array(report.problems.map(JSONValue.string)),
            "rows": .object(report.rows.mapValues { .integer(Int64($0)) }),
          ])))
    case .text:
      context.console.out("Database: \(context.databasePath)")
      context.console.out("Integrity: " + (report.isHealthy ? "OK" : "DAMAGED"))
      for problem in report.problems.prefix(20) { context.console.out("  \(printable(problem))") }
      context.console.out("Schema version: \(report.schemaVersion)")
      context.console.out("SQLite: \(report.libraryVersion)")
      context.console.out("Size: \(StatusReport.grouped(report.bytes)) bytes, WAL \(StatusReport.grouped(report.walBytes)) bytes")
      for (table, count) in report.rows.sorted(by: { $0.key < $1.key }) { context.console.out("  \(table): \(count)") }
    }
  }

  private func salvage(_ context: CommandContext, into target: String) async throws {
    let report = try await Maintenance.repair(context.storeOptions(readOnly: true), into: target)
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "path": .string(target),
            "tables": .object(
              Dictionary(
                uniqueKeysWithValues: report.tables.map {
                  ($0.name, .object(["saved": .integer(Int64($0.saved)), "lost": .integer(Int64($0.lost))]))
                })),
          ])))
    case .text:
      for table in report.tables {
        context.console.out("\(table.name): \(table.saved) saved" + (table.lost > 0 ? ", \(table.lost) lost" : ""))
      }
      context.console.note("Written to \(target). The damaged file was not touched. To use the new one: cloudjobs restore \(target)")
    }
  }
}

package struct ImportCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take over jobs from a database of the Python tool",
    discussion: """
      Jobs that are here already are passed over; the file is only read.

      Example:
        cloudjobs import ~/old/cloud_jobs.db --timezone +01:00
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "A cloud_jobs.db of the Python tool.", completion: .file())
  var file: String

  @Option(help: ArgumentHelp("The zone of its times. (default: this machine's)", valueName: "+HH:MM"))
  var timezone: String?

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let offset = try timezone.map(Self.offset)
    let store = try await context.openForWriting()
    let zone: @Sendable (CalendarTime) -> Int = { time in offset ?? LocalZone.offset(at: time) }
    let report = try await Maintenance.importLegacy(from: context.absolute(file), into: store, timeZone: zone)
    await store.close()
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "imported": .integer(Int64(report.imported)), "skipped": .integer(Int64(report.skipped)),
            "warnings": .array(report.warnings.map(JSONValue.string)),
          ])))
    case .text:
      for warning in report.warnings { context.console.note(printable(warning)) }
      context.console.out("\(report.imported) jobs imported, \(report.skipped) were here already")
    }
  }

  private static func offset(_ text: String) throws -> Int {
    guard let moment = Timestamp(iso8601: "2000-01-01T00:00:00" + text) else {
      throw CommandError(.usage, "--timezone takes an offset such as +01:00 or Z, not '\(printable(text))'")
    }
    return Int((Timestamp(iso8601: "2000-01-01").map { ($0 - moment).components.seconds }) ?? 0)
  }
}
