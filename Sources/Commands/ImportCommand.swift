package import ArgumentParser
internal import JobModel
internal import JobStore

package struct ImportCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Take over jobs from the Python tool, or from what a cloud remembers",
    discussion: """
      Jobs that are here already are passed over; the file is only read. --from-tags rebuilds a database that was lost, from the
      tags of instances and from what lies in the bucket: jobs, latest attempts, times, and how they ended.

      Examples:
        cloudjobs import ~/old/cloud_jobs.db --timezone +01:00
        cloudjobs import --from-tags --s3-bucket my-bucket
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "A cloud_jobs.db of the Python tool.", completion: .file())
  var file: String?

  @Flag(help: "Take over the jobs that the clouds remember.")
  var fromTags = false

  @Option(help: "The bucket in which they are remembered. (default: aws.s3_bucket)")
  var s3Bucket: String?

  @Option(help: ArgumentHelp("The zone of its times. (default: this machine's)", valueName: "+HH:MM"))
  var timezone: String?

  package init() {}

  package func validate() throws {
    if (file == nil) != fromTags { throw ValidationError("name a file, or give --from-tags") }
    if s3Bucket != nil, !fromTags { throw ValidationError("--s3-bucket goes with --from-tags") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    guard let file else { return try await rebuild(context) }
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

  /// Takes over what the clouds remember.
  private func rebuild(_ context: CommandContext) async throws {
    let store = try await context.openForWriting()
    do {
      let report = try await RememberedJobs.take(into: store, context, bucket: s3Bucket, jobs: nil)
      await store.close()
      RememberedJobs.show(report, context)
    } catch {
      await store.close()
      throw error
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
