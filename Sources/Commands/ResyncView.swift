internal import JobModel
internal import Monitor
internal import ResultSync
internal import Synchronization

/// What a person sees while results are copied: a bar on a terminal, a line now and then elsewhere.
final class ResyncView: Sendable {
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
      var text = "\(counted(files, "file")), \(ByteText.short(bytes))"
      if excluded > 0 { text += "; \(excluded) not copied by the rules" }
      if unreadable > 0 { text += "; \(unreadable) can't be read" }
      console.note(text)
    case .excluded(let files): state.withLock { $0.excluded += files }
    case .wouldCopy(let path, let bytes): state.withLock { $0.wouldCopy.append((path, bytes)) }
    case .progress(let sample): show(sample)
    case .end, .exit, .hash, .unhashed: break
    }
  }

  private func show(_ sample: SyncProgress.Sample) {
    guard !isDryRun, sample.total > 0 else { return }
    let console = context.console
    let now = context.clock.now()
    let line: String? = state.withLock { state in
      state.progress.take(sample)
      guard console.canRedraw else {
        // A line every ten seconds is enough for a log.
        guard state.saidAt.map({ now - $0 >= .seconds(10) }) ?? true else { return nil }
        state.saidAt = now
        return state.progress.bar(width: 100)
      }
      state.hasBar = true
      return state.progress.bar(width: Terminal.size(2).width - 1)
    }
    guard let line else { return }
    if console.canRedraw { console.redraw(line) } else { console.note(line) }
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
    let size = "\(counted(report.files ?? 0, "file")), \(ByteText.short(report.bytes ?? 0))"
    switch report.result {
    case .planned:
      let bytes = state.wouldCopy.reduce(0) { $0 + $1.bytes }
      var lines = ["Would copy \(counted(state.wouldCopy.count, "file")), \(ByteText.short(bytes)), to \(place):"]
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
