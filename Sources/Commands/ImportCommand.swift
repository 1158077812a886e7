package import ArgumentParser
internal import JobModel
internal import JobStore

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
    let report = try await StoreActor.importLegacy(from: context.absolute(file), into: store, timeZone: zone)
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

  private static func offset(_ text: String) throws -> Int {
    guard let moment = Timestamp(iso8601: "2000-01-01T00:00:00" + text) else {
      throw CommandError(.usage, "--timezone takes an offset such as +01:00 or Z, not '\(printable(text))'")
    }
    return Int((Timestamp(iso8601: "2000-01-01").map { ($0 - moment).components.seconds }) ?? 0)
  }
}
