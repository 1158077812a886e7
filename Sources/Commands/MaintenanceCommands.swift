package import ArgumentParser
internal import Foundation
internal import JobModel
internal import JobStore
internal import Monitor

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
    let store = try await StoreActor.open(context.storeOptions(readOnly: true))
    let report: BackupReport
    do {
      report = try await store.backup(to: target, replacing: force)
    } catch {
      await store.close()
      // No --force helps against writing a database over itself.
      if error.code == .exists, !Self.isSameFile(target, context.databasePath) {
        throw CommandError(.cantCreate, "\(error.message). Name another file, or add --force to replace it")
      }
      throw error
    }
    await store.close()
    let jobs = report.counts["jobs"] ?? 0
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "path": .string(report.path), "jobs": .integer(Int64(jobs)), "bytes": .integer(report.bytes),
          ])))
    case .text:
      context.console.out(report.path)
      context.console.note("\(jobs) jobs, \(StatusReport.grouped(report.bytes)) bytes, verified.")
    }
  }

  private static func isSameFile(_ one: String, _ other: String) -> Bool {
    var first = stat()
    var second = stat()
    guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
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
    let source = context.absolute(source)
    guard FileManager.default.fileExists(atPath: source) else {
      throw CommandError(
        .noInput, "there is no backup at \(printable(source)). Name a file that `cloudjobs backup` has written")
    }
    let report = try await Restore.run(from: source, to: context.storeOptions(readOnly: false), force: force)
    context.console.out("\(report.counts["jobs"] ?? 0) jobs restored to \(context.databasePath)")
    if let kept = report.replaced { context.console.note("The replaced database is kept as \(kept)") }
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

  @Option(
    help: ArgumentHelp("Write all that can be read of a damaged database to a new file.", valueName: "file"),
    completion: .file())
  var repair: String?

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    if let repair { return try await salvage(context, into: context.absolute(repair)) }
    let report = try await Check.run(context.databasePath)
    switch context.format {
    case .json: context.console.out(JSONText.pretty(document(report)))
    case .text: context.console.out(text(report).joined(separator: "\n"))
    }
    guard !report.isSound else { return }
    // What is no database of ours has nothing that could be saved.
    let remedy =
      report.kind == .unusable
      ? "Name the right file with --db, or restore a backup: cloudjobs restore FILE"
      : "Save what can be read: cloudjobs check --repair NEWFILE"
    throw CommandError(.badData, "\(context.databasePath) is not sound. \(remedy)")
  }

  private func document(_ report: CheckReport) -> JSONValue {
    .object([
      "path": .string(report.path), "sound": .bool(report.isSound), "kind": .string(report.kind.rawValue),
      "schema_version": report.schemaVersion.map { .integer(Int64($0)) } ?? .null,
      "sqlite_version": .string(report.sqliteVersion), "bytes": .integer(report.bytes),
      "wal_bytes": .integer(report.walBytes), "problems": .array(report.problems.map(JSONValue.string)),
      "rows": .object(report.counts.mapValues { .integer(Int64($0)) }),
    ])
  }

  private func text(_ report: CheckReport) -> [String] {
    var lines = ["Database: \(report.path)", "Integrity: " + (report.isSound ? "OK" : "DAMAGED")]
    lines += report.problems.prefix(20).map { "  \(printable($0))" }
    let version = report.schemaVersion.map { "\($0) (this program writes \(report.ourSchemaVersion))" } ?? "-"
    lines.append("Kind: \(report.kind.rawValue), schema version \(version)")
    lines.append("SQLite: \(report.sqliteVersion)")
    lines.append(
      "Size: \(StatusReport.grouped(report.bytes)) bytes, WAL \(StatusReport.grouped(report.walBytes)) bytes")
    lines += report.counts.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
    lines += report.holders.map { "Held by: \($0.role.rawValue), process \($0.pid) on \($0.host)" }
    return lines
  }

  private func salvage(_ context: CommandContext, into target: String) async throws {
    let report: RepairReport
    do {
      report = try await Repair.run(context.databasePath, into: target)
    } catch {
      guard error.code == .damaged else { throw error }
      throw CommandError(
        .badData,
        "nothing can be saved of \(context.databasePath): \(error.underlying ?? error.message). "
          + "Restore a backup: cloudjobs restore FILE")
    }
    for warning in report.warnings { context.console.note("warning: \(printable(warning))") }
    let tables = report.tables.sorted { $0.key < $1.key }
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "path": .string(report.path),
            "tables": .object(
              report.tables.mapValues {
                .object(["saved": .integer(Int64($0.saved)), "lost": .integer(Int64($0.lost))])
              }),
          ])))
    case .text:
      for (name, table) in tables {
        context.console.out("\(name): \(table.saved) saved" + (table.lost > 0 ? ", \(table.lost) lost" : ""))
      }
      context.console.note(
        "Written to \(report.path). The damaged file was not touched. To use the new one: cloudjobs restore \(report.path)"
      )
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
    let source = context.absolute(file)
    // Before the database is opened, which would make one.
    try await Self.checkSource(source, context)
    let store = try await context.openForWriting()
    let zone: @Sendable (CalendarTime) -> Int = { time in offset ?? LocalZone.offset(at: time) }
    let report = try await StoreActor.importLegacy(from: source, into: store, timeZone: zone)
    await store.close()
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "imported": .array(report.imported.map { .string($0.rawValue) }),
            "skipped": .array(report.skipped.map { .string($0.rawValue) }),
            "warnings": .array(report.warnings.map(JSONValue.string)),
          ])))
    case .text:
      for warning in report.warnings { context.console.note(printable(warning)) }
      context.console.out("\(report.imported.count) jobs imported, \(report.skipped.count) were here already")
    }
  }

  private static func checkSource(_ source: String, _ context: CommandContext) async throws {
    let kind: DatabaseKind
    do {
      kind = try await DatabaseKind.find(source)
    } catch {
      var refusal = error
      if [.notADatabase, .foreign].contains(refusal.code) {
        refusal.remedy = "Name a cloud_jobs.db of the Python tool; this file was left as it is."
      }
      throw refusal
    }
    switch kind {
    case .blank:
      throw CommandError(
        .noInput, "there are no jobs at \(printable(source)). Name a cloud_jobs.db of the Python tool")
    case .current, .older:
      throw CommandError(
        .badData,
        "\(printable(source)) is a database of cloudjobs, not of the Python tool. Use it as it is, with --db")
    case .legacy:
      guard source == context.databasePath else { return }
      throw CommandError(
        .usage, "\(printable(source)) is the database itself; the next command converts it. See: cloudjobs list")
    }
  }

  private static func offset(_ text: String) throws -> Int {
    guard let moment = Timestamp(iso8601: "2000-01-01T00:00:00" + text) else {
      throw CommandError(.usage, "--timezone takes an offset such as +01:00 or Z, not '\(printable(text))'")
    }
    return Int((Timestamp(iso8601: "2000-01-01").map { ($0 - moment).components.seconds }) ?? 0)
  }
}
