package import ArgumentParser
internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit
internal import ResultSync

package struct ResyncCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "resync", abstract: "Copy a job's results now, and see how that goes",
    discussion: """
      The copy runs where the results are: on the instance, reached by ssh, or on this machine. One that is under way
      already is followed instead of started twice, and goes on if this command is interrupted.

      Examples:
        cloudjobs resync a1b2
        cloudjobs resync a1b2 --dry-run
        cloudjobs resync a1b2 --method local --from ./results-of-a1b2
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions
  @OptionGroup package var argument: JobArgument

  @Flag(help: "Only say what would be copied, and what not.")
  var dryRun = false

  @Flag(help: "Also when the job's instance is over.")
  var force = false

  @Flag(help: "Say first how much would be copied and how much room there is; without room nothing is copied.")
  var checkSpace = false

  @Option(help: "How the results are reached: ssh, or local on this machine. (default: ssh, where the instance has it)")
  var method: AccessMethod?

  @Option(
    help: ArgumentHelp("With --method local: a folder on this machine that holds the results.", valueName: "folder"),
    completion: .directory)
  var from: String?

  package init() {}

  package func validate() throws {
    if from != nil, method == .ssh { throw ValidationError("--from goes with --method local") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    await store.close()
    let access = try await way(to: job, context)
    if checkSpace, try await !hasSpace(access, job, context) { return }
    let view = ResyncView(context, isDryRun: dryRun)
    let outcome: SyncRun.Outcome
    do {
      outcome = try await Interruption.guarding {
        let run = SyncRun(access, isDryRun: dryRun)
        var outcome = try await run.follow { view.take($0) }
        // A periodic copy that began at the same moment was followed instead.
        for _ in 0..<3 where dryRun && outcome.code == 0 && outcome.report?.result != .planned {
          outcome = try await run.follow { view.take($0) }
        }
        return outcome
      }
    } catch {
      view.finish()
      guard let interruption = error as? Interruption else { throw error }
      context.console.note("Interrupted. The copy goes on by itself; the same command follows it again.")
      throw ExitCode(interruption.code)
    }
    view.finish()
    try render(outcome, view, job, context)
  }

  /// The way to the results, after everything that speaks against a copy was said.
  private func way(to job: Job, _ context: CommandContext) async throws -> InstanceAccess {
    if let from { return try LocalResults.prepare(job, folder: from, context) }
    let access = try await context.access(to: job, by: method)
    if case .here(let directory) = access {
      guard FileManager.default.fileExists(atPath: directory + "/" + SyncScript.File.configuration) else {
        throw CommandError(
          .configuration,
          "job \(job.id) was started without a place for its results. Set sync.remote in config.json for the next ones; "
            + "these lie in \(directory)")
      }
      guard job.attempt.isLive || force || dryRun else {
        throw CommandError(
          .usage,
          "the instance of job \(job.id) is over (\(job.state.rawValue)); add --force to copy what it left behind")
      }
      return access
    }
    guard job.spec.gdrivePath != nil else {
      throw CommandError(
        .configuration,
        "job \(job.id) was started without a place for its results. Set sync.remote in config.json for the next ones")
    }
    guard job.attempt.isLive || force else {
      throw CommandError(
        .usage,
        "the instance of job \(job.id) is over (\(job.state.rawValue)), and its disk with it. If you have a copy of its "
          + "results: cloudjobs resync \(job.id) --method local --from FOLDER. To try ssh all the same: --force")
    }
    return access
  }

  /// Says what is to be copied and how much room there is. False if that can't be said, which was rendered.
  private func hasSpace(_ access: InstanceAccess, _ job: Job, _ context: CommandContext) async throws -> Bool {
    let plan = ResyncView(context, isDryRun: true)
    let outcome = try await SyncRun(access, isDryRun: true).follow { plan.take($0) }
    guard outcome.code == 0 else {
      try render(outcome, plan, job, context)
      return false
    }
    let needed = plan.plannedBytes
    let folder = RcloneFolder(program: context.settings.sync.rclone, folder: context.remoteFolder(of: job) ?? "")
    switch try await folder.space() {
    case .unknown:
      context.console.note(
        "\(ByteText.short(needed)) to copy; the remote tells no limit (it has none, or does not say)")
    case .free(let free) where free < needed:
      throw CommandError(
        .io,
        "\(ByteText.short(needed)) are to be copied, and \(ByteText.short(free)) are free. "
          + "Make room (on Google Drive also in the trash: rclone cleanup)")
    case .free(let free):
      context.console.note("\(ByteText.short(needed)) to copy, \(ByteText.short(free)) free")
    }
    return true
  }

  private func render(_ outcome: SyncRun.Outcome, _ view: ResyncView, _ job: Job, _ context: CommandContext) throws {
    let report = outcome.report
    switch context.format {
    case .json: context.console.out(JSONText.pretty(view.document(outcome, job)))
    case .text: for line in view.summary(outcome, job) { context.console.out(line) }
    }
    guard outcome.code != 0 else { return }
    let trouble = outcome.trouble
    let why = report?.message.map { "\(trouble.phrase) (\(printable($0)))" } ?? trouble.phrase
    if outcome.code == 75 {
      throw CommandError(.tryAgain, "another copy of these results did not end in time. Try again")
    }
    throw CommandError(
      Self.code(trouble),
      outcome.code == 4 ? "not everything could be copied: \(why)" : "the results were not copied: \(why)")
  }

  /// What a script can rely on, whichever version of rclone it was.
  static func code(_ trouble: SyncTrouble) -> CommandError.Code {
    switch trouble {
    case .noRclone, .configuration: .configuration
    case .revoked, .unauthorized: .notPermitted
    case .network, .rateLimit, .dailyLimit, .timeLimit, .notFound: .unavailable
    case .interrupted, .killed, .busy, .changing, .missing: .tryAgain
    case .quota, .diskFull, .noSource, .unreadable, .other: .io
    }
  }
}

/// Results of a job that lie in a folder of this machine, without its instance: copied by the same script, with the same
/// rules and the same manifest.
enum LocalResults {
  static func prepare(_ job: Job, folder: String, _ context: CommandContext) throws -> InstanceAccess {
    let source = context.absolute(folder)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder), isFolder.boolValue else {
      throw CommandError(.noInput, "\(printable(folder)) is not a folder")
    }
    guard let remote = context.remoteFolder(of: job) else {
      throw CommandError(
        .configuration, "job \(job.id) has no place for its results. Set sync.remote in config.json, and try again")
    }
    guard var copy = context.syncSettings.job(LaunchRequest(job)) else {
      throw CommandError(.configuration, "job \(job.id) has no place for its results")
    }
    copy.remote = remote
    let directory = context.localDirectory + "/\(job.id)-results"
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try Data(SyncScript.text).write(to: URL(fileURLWithPath: directory + "/" + SyncScript.File.script))
      try Data(copy.configuration(directory: directory, source: source).utf8).write(
        to: URL(fileURLWithPath: directory + "/" + SyncScript.File.configuration))
    } catch let error as ProviderError {
      throw error
    } catch {
      throw CommandError(.io, "\(directory) can't be written: \(error.localizedDescription)")
    }
    return .here(directory: directory)
  }
}
