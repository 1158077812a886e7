package import ArgumentParser
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

package struct ListCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show jobs, newest first",
    discussion: """
      Examples:
        cloudjobs list --status running
        cloudjobs list --provider AWS --since 7d --detailed
        cloudjobs list --summary
        cloudjobs list --cleanup 30 --dry-run
      """, aliases: ["ls"])

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Flag(name: .shortAndLong, help: "Show more of each job.")
  var detailed = false

  @Option(
    help: ArgumentHelp("Only jobs in this state; may be repeated.", valueName: "state"),
    completion: .list(JobState.allCases.map(\.rawValue)))
  var status: [StatusName] = []

  @Option(
    help: "Only jobs of this provider: local, AWS, GCP or Azure.", completion: .list(["local", "AWS", "GCP", "Azure"]))
  var provider: String?

  @Option(help: "Only jobs whose name contains this.")
  var name: String?

  @Option(help: ArgumentHelp("Only jobs made since: a date (2026-11-01), or an age (7d, 12h).", valueName: "when"))
  var since: String?

  @Option(help: "At most this many jobs; 0 shows all. (default: 20)")
  var limit: Int?

  @Flag(help: "Show counts and costs instead of rows.")
  var summary = false

  @Option(
    help: ArgumentHelp("Remove all closed jobs that ended more than this many days ago.", valueName: "days"))
  var cleanup: Int?

  @Flag(help: "With --cleanup: only say what would be removed.")
  var dryRun = false

  package init() {}

  package func validate() throws {
    if let limit, limit < 0 { throw ValidationError("--limit takes 0 or more, not \(limit)") }
    if dryRun, cleanup == nil { throw ValidationError("--dry-run goes with --cleanup DAYS") }
    guard cleanup != nil else { return }
    // Whoever names a part of the jobs must not lose the others.
    let filters = [
      ("--status", !status.isEmpty), ("--provider", provider != nil), ("--name", name != nil),
      ("--since", since != nil), ("--limit", limit != nil), ("--summary", summary),
    ]
    guard let (option, _) = filters.first(where: { $0.1 }) else { return }
    throw ValidationError("--cleanup removes closed jobs of every kind, so \(option) does not go with it")
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    if let cleanup {
      return try await Cleanup.run(context, days: cleanup, dryRun: dryRun)
    }
    let now = context.clock.now()
    let query = JobQuery(
      states: status.map(\.state), provider: provider.map(ProviderName.init(matching:)), name: name,
      createdSince: try since.map { try Self.moment($0, now: now) }, limit: limit == 0 ? nil : limit ?? 20)
    let store = try await context.openForReading()
    if let wanted = query.provider { try await Self.refuseUnknown(wanted, store) }
    if summary {
      try await JobSummary.make(store, query, context).render(context)
    } else {
      try await render(store.jobs(query), context, now)
    }
    await store.close()
  }

  /// A provider that nobody knows is a slip of the pen, unless jobs of it were imported.
  private static func refuseUnknown(_ wanted: ProviderName, _ store: any Store) async throws {
    guard !ProviderName.known.contains(wanted) else { return }
    let stored = try await store.summary(JobQuery()).map(\.provider)
    guard !stored.contains(wanted) else { return }
    let names = ProviderName.known + Set(stored).subtracting(ProviderName.known).sorted { $0.rawValue < $1.rawValue }
    throw CommandError(
      .usage,
      "there is no provider '\(printable(wanted.rawValue))'; one of: "
        + names.map { printable($0.rawValue) }.joined(separator: ", "))
  }

  private func render(_ jobs: [Job], _ context: CommandContext, _ now: Timestamp) {
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(.array(jobs.map { JobDocument.job($0, now: now, billing: context.billing($0)) })))
    case .text:
      guard !jobs.isEmpty else { return context.console.note("No jobs match in \(context.databasePath).") }
      var lines = [JobTable.rule, JobTable.header, JobTable.rule]
      for job in jobs {
        let row = JobTable.row(JobTable.cells(job, now: now, billing: context.billing(job)))
        lines.append(context.console.colored(row, of: job.state))
        if detailed { lines += JobTable.details(job, now: now) }
      }
      context.console.out(lines.joined(separator: "\n"))
    }
  }

  /// A date, a moment, or an age. An age has a unit here: `2026` is rather meant as a year.
  static func moment(_ text: String, now: Timestamp) throws -> Timestamp {
    if text.contains(where: \.isLetter), let age = DurationText.parse(text) { return now - age }
    if let moment = Timestamp(iso8601: text, offsetIfMissing: { LocalZone.offset(at: $0) }) { return moment }
    throw CommandError(.usage, "'\(printable(text))' is neither a date (2026-11-01) nor an age (7d, 12h)")
  }
}

/// A state as it is written on the command line.
struct StatusName: ExpressibleByArgument {
  let state: JobState

  init?(argument: String) {
    guard let state = JobState(rawValue: argument.lowercased()) else { return nil }
    self.state = state
  }

  static var allValueStrings: [String] { JobState.allCases.map(\.rawValue) }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

extension Console {
  func colored(_ text: String, of state: JobState) -> String {
    switch state {
    case .launching, .launched: colored(text, .yellow)
    case .running: colored(text, .green)
    case .failed: colored(text, .red)
    case .terminated: colored(text, .dim)
    case .completed: text
    }
  }
}
