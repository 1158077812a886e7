package import ArgumentParser
internal import JobModel
internal import JobStore
internal import Monitor

/// Removing closed jobs, for `cleanup DAYS` and `list --cleanup DAYS`.
enum Cleanup {
  static func run(_ context: CommandContext, days: Int, dryRun: Bool) async throws {
    guard (0...36_500).contains(days) else {
      throw CommandError(.usage, "\(days) is not a number of days between 0 and 36500")
    }
    let store: any Store = dryRun ? try await context.openForReading() : try await context.openExisting()
    let moment = context.clock.now() - .seconds(Int64(days) * 86_400)
    let jobs = try await store.cleanup(endedBefore: moment, dryRun: dryRun)
    await store.close()
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "dry_run": .bool(dryRun), "ended_before": .time(moment),
            "jobs": .array(jobs.map { .string($0.rawValue) }),
          ])))
    case .text:
      for job in jobs { context.console.out(job.rawValue) }
      let verb = dryRun ? "would be removed" : "removed"
      context.console.note("\(counted(jobs.count, "job")) that ended before \(LocalZone.text(moment)) \(verb).")
    }
  }
}

package struct CleanupCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "cleanup", abstract: "Remove closed jobs that ended long ago",
    discussion: """
      Counts from the end of a job; an open job is never touched.

      Example:
        cloudjobs cleanup 30 --dry-run
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "Remove jobs that ended more than this many days ago.")
  var days: Int

  @Flag(help: "Only say what would be removed.")
  var dryRun = false

  package init() {}

  package func run() async throws {
    try await Cleanup.run(CommandContext.make(global, format: output.format), days: days, dryRun: dryRun)
  }
}
