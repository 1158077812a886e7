package import ArgumentParser
internal import JobModel
internal import JobStore

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
