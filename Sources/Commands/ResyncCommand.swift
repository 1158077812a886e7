package import ArgumentParser
internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit
internal import ResultSync
internal import Synchronization

package struct ResyncCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "resync", abstract: "Copy a job's results now, and see how that goes",
    discussion: """
      A copy that is under way already is followed instead of started twice, and goes on if this command is interrupted.

      Examples:
        cloudjobs resync a1b2
        cloudjobs resync a1b2 --dry-run
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

  @Option(help: "How the instance is reached: local, for jobs on this machine; ssh is not there yet.")
  var method: Method = .local

  enum Method: String, ExpressibleByArgument, CaseIterable {
    case local
    case ssh
  }

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    await store.close()
    guard method == .local else {
      throw CommandError(.unavailable, "this version copies over no ssh connection; jobs on this machine need none")
    }
    let directory = try Self.directory(of: job, context)
    if !job.attempt.isLive, !force, !dryRun {
      throw CommandError(
        .usage, "the instance of job \(job.id) is over (\(job.state.rawValue)); add --force to copy what it left behind"
      )
    }
    if checkSpace { try await requireSpace(directory, job, context) }
    let view = ResyncView(context, isDryRun: dryRun)
    let outcome: SyncRun.Outcome
    do {
      outcome = try await Interruption.guarding {
        let run = SyncRun(directory: directory, isDryRun: dryRun, isFinal: false)
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

  /// Where the instance of a job keeps its scripts and its results.
  private static func directory(of job: Job, _ context: CommandContext) throws -> String {
    guard let reference = InstanceReference(job) else {
      throw CommandError(.noInput, "job \(job.id) has no instance (it is \(job.state.rawValue)), so it has no results")
    }
    guard let provider = context.provider(job.provider) as? any WorkFolderProviding else {
      throw CommandError(.unavailable, "the results of a job on \(job.provider) can't be copied from here yet")
    }
    let directory = provider.instanceFolder(of: reference)
    guard FileManager.default.fileExists(atPath: directory + "/" + SyncScript.File.configuration) else {
      throw CommandError(
        .configuration,
        "job \(job.id) was started without a place for its results. Set sync.remote in config.json for the next ones; "
          + "these lie in \(provider.workFolder(of: reference))")
    }
    return directory
  }

  private func requireSpace(_ directory: String, _ job: Job, _ context: CommandContext) async throws {
    let plan = ResyncView(context, isDryRun: true)
    let outcome = try await SyncRun(directory: directory, isDryRun: true, isFinal: false).follow { plan.take($0) }
    guard outcome.code == 0 else { return try render(outcome, plan, job, context) }
    let needed = plan.plannedBytes
    let folder = RcloneFolder(program: context.settings.sync.rclone, folder: job.spec.gdrivePath ?? "")
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
  }

  private func render(_ outcome: SyncRun.Outcome, _ view: ResyncView, _ job: Job, _ context: CommandContext) throws {
    let report = outcome.report
    switch context.format {
    case .json: context.console.out(JSONText.pretty(view.document(outcome, job)))
    case .text: for line in view.summary(outcome, job) { context.console.out(line) }
    }
    guard outcome.code != 0 else { return }
    let why = report?.message ?? report?.reason ?? "it was ended"
    let code: CommandError.Code =
      switch report?.reason {
      case "no_rclone", "configuration": .configuration
      case "revoked", "unauthorized": .notPermitted
      case "network", "rate_limit", "time_limit", "not_found": .unavailable
      case "interrupted", "changing": .tryAgain
      default: outcome.code == 75 ? .tryAgain : .io
      }
    throw CommandError(
      code,
      outcome.code == 4
        ? "not everything could be copied: \(printable(why))" : "the results were not copied: \(printable(why))")
  }
}

/// What a person sees while results are copied: a bar on a terminal, a line now and then elsewhere.
private final class ResyncView: Sendable {
  private struct State {
    var progress = SyncProgress()
    var excluded: [Manifest.Excluded] = []
    var wouldCopy: [(path: String, bytes: Int64)] = []
    var saidAt: Timestamp?
    var hasBar = false
  }

  private let state = Mutex(State())
  private let context: CommandContext
  private let isDryRun: Bool

  init(_ context: CommandContext, isDryRun: Bool) {
    self.context = context
    self.isDryRun = isDryRun
  }

  func take(_ event: SyncEvent) {
    let console = context.console
    switch event {
    case .joined: console.note("A copy is under way already, and is followed.")
    case .plan(let files, let bytes, let excluded, let unreadable):
      var text = "\(files) files, \(ByteText.short(bytes))"
      if excluded > 0 { text += "; \(excluded) not copied by the rules" }
      if unreadable > 0 { text += "; \(unreadable) can't be read" }
      console.note(text)
    case .excluded(let files): state.withLock { $0.excluded += files }
    case .wouldCopy(let path, let bytes): state.withLock { $0.wouldCopy.append((path, bytes)) }
    case .progress(let sample): show(sample)
    case .end, .exit: break
    }
  }

  private func show(_ sample: SyncProgress.Sample) {
    guard !isDryRun, sample.total > 0 else { return }
    let console = context.console
    let now = context.clock.now()
    let line: String? = state.withLock { state in
      state.progress.take(sample)
      guard console.isErrorTerminal else {
        // A line every ten seconds is enough for a log.
        guard state.saidAt.map({ now - $0 >= .seconds(10) }) ?? true else { return nil }
        state.saidAt = now
        return state.progress.bar(width: 100)
      }
      state.hasBar = true
      return state.progress.bar(width: Terminal.size().0 - 1)
    }
    guard let line else { return }
    if console.isErrorTerminal { console.redraw(line) } else { console.note(line) }
  }

  /// What a dry run would copy.
  var plannedBytes: Int64 { state.withLock { $0.wouldCopy.reduce(0) { $0 + $1.bytes } } }

  /// Takes the bar away.
  func finish() {
    if state.withLock({ $0.hasBar }) { context.console.redraw("") }
  }

  func summary(_ outcome: SyncRun.Outcome, _ job: Job) -> [String] {
    let state = state.withLock { $0 }
    let place = printable(job.spec.gdrivePath ?? "-")
    guard let report = outcome.report else { return [] }
    let size = "\(report.files ?? 0) files, \(ByteText.short(report.bytes ?? 0))"
    switch report.result {
    case .planned:
      let bytes = state.wouldCopy.reduce(0) { $0 + $1.bytes }
      var lines = ["Would copy \(state.wouldCopy.count) files, \(ByteText.short(bytes)), to \(place):"]
      lines += state.wouldCopy.map { "  \(printable($0.path))  \(ByteText.short($0.bytes))" }
      if !state.excluded.isEmpty {
        lines.append("Not copied by the rules:")
        lines += state.excluded.map { "  \(printable($0.path))  \(ByteText.short($0.size))  (\(printable($0.rule)))" }
      }
      return lines
    case .synced: return ["Synced: \(size) at \(place), checked"]
    case .unchanged: return ["Nothing has changed: \(size) at \(place)"]
    case .incomplete: return ["Incomplete: \(size) at \(place); \(report.unreadable ?? 0) could not be read"]
    case .failing: return []
    }
  }

  func document(_ outcome: SyncRun.Outcome, _ job: Job) -> JSONValue {
    let state = state.withLock { $0 }
    let report = outcome.report
    return .object([
      "job": .string(job.id.rawValue), "remote": .optional(job.spec.gdrivePath),
      "result": .optional(report?.result.rawValue), "reason": .optional(report?.reason),
      "message": .optional(report?.message), "joined": .bool(outcome.hasJoined),
      "files": report?.files.map { .integer(Int64($0)) } ?? .null, "bytes": report?.bytes.map { .integer($0) } ?? .null,
      "started_at": .time(report.map { Timestamp(milliseconds: $0.startedAt) }),
      "finished_at": .time(report.map { Timestamp(milliseconds: $0.finishedAt) }),
      "would_copy": isDryRun
        ? .array(state.wouldCopy.map { .object(["path": .string($0.path), "size": .integer($0.bytes)]) }) : .null,
      "excluded": isDryRun
        ? .array(
          state.excluded.map {
            .object(["path": .string($0.path), "size": .integer($0.size), "rule": .string($0.rule)])
          }) : .null,
    ])
  }
}
