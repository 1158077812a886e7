internal import ArgumentParser
internal import JobModel
internal import Monitor
internal import ProviderKit
internal import ResultSync
internal import Synchronization

/// Brings the inputs of a new job to its cloud, and shows how far that is.
///
/// Nothing costs before it is done: a job gets its row, and an instance, only when its inputs are in place. So whoever is
/// interrupted has lost nothing, and goes on with `run --job-id`.
struct StagingView: Sendable {
  let context: CommandContext

  func stage(_ id: JobID, _ spec: JobSpec, provider name: ProviderName) async throws -> JobSpec {
    guard let provider = context.provider(name) as? any InputStaging else { return spec }
    let console = context.console
    console.note("Staging \(printable(spec.directory)) for job \(id)")
    let picture = Picture()
    let context = context
    let staged: StagedFolder
    do {
      staged = try await Interruption.guarding {
        try await provider.stage(id, spec) { picture.show($0, context) }
      }
    } catch {
      picture.end(console)
      guard let interruption = error as? Interruption else { throw error }
      console.note("Interrupted. No instance was started. To go on: the same command with --job-id \(id)")
      throw ExitCode(interruption.code)
    }
    picture.end(console)
    for notice in staged.notices { console.note("warning: \(printable(notice))") }
    var text =
      "Inputs are in \(staged.place): \(counted(staged.count.files, "file")), \(ByteText.short(staged.count.bytes))"
    if staged.sent.bytes < staged.count.bytes { text += " (\(ByteText.short(staged.sent.bytes)) sent now)" }
    console.note(text)
    var spec = spec
    spec.s3InputPath = staged.place
    return spec
  }

  /// A bar on a terminal, a line now and then elsewhere.
  private final class Picture: Sendable {
    private struct State {
      var progress = SyncProgress()
      var saidAt: Timestamp?
      var hasBar = false
    }
    private let state = Mutex(State())

    func show(_ progress: StagingProgress, _ context: CommandContext) {
      let console = context.console
      let now = context.clock.now()
      let isTerminal = console.isErrorTerminal
      let width = isTerminal ? Terminal.size().0 - 1 : 100
      let line: String? = state.withLock { state in
        state.progress.take(progress.sample)
        // A line every ten seconds is enough for a log.
        let pause = isTerminal ? Duration.milliseconds(100) : .seconds(10)
        guard state.saidAt.map({ now - $0 >= pause }) ?? true else { return nil }
        state.saidAt = now
        if isTerminal { state.hasBar = true }
        return state.progress.bar(width: width)
      }
      guard let line else { return }
      if isTerminal { console.redraw(line) } else { console.note(line) }
    }

    func end(_ console: Console) {
      if state.withLock({ $0.hasBar }) { console.redraw("") }
    }
  }
}

extension StagingProgress {
  /// The same bar as for results.
  fileprivate var sample: SyncProgress.Sample {
    SyncProgress.Sample(
      bytes: bytes, total: totalBytes, files: files, totalFiles: totalFiles, speed: bytesPerSecond ?? 0)
  }
}
