internal import JobModel
internal import ProviderKit
internal import ResultSync
internal import Synchronization

/// What a person sees while inputs are sent: a bar on a terminal, a line now and then elsewhere.
final class StagingPicture: Sendable {
  private struct State {
    var saidAt: Timestamp?
    var hasBar = false
    var isOver = false
  }

  private let console: Console
  private let width: @Sendable () -> Int
  private let state = Mutex(State())

  /// How often it is drawn at most; elsewhere than on a terminal each time is a line of a log.
  static let pauses = (terminal: Duration.milliseconds(100), log: Duration.seconds(10))

  /// - Parameter width: the columns that the terminal has now.
  init(_ console: Console, width: @escaping @Sendable () -> Int) {
    self.console = console
    self.width = width
  }

  /// Called from any thread. Drawn under the lock, or an older picture could come after a newer one, or after the end.
  func show(_ progress: StagingProgress, at now: Timestamp) {
    state.withLock { state in
      let pause = console.canRedraw ? Self.pauses.terminal : Self.pauses.log
      // A clock that was set back must not stop the picture.
      guard !state.isOver, state.saidAt.map({ now < $0 || now - $0 >= pause }) ?? true else { return }
      state.saidAt = now
      let bar = Self.bar(progress)
      guard console.canRedraw else { return console.note(bar.text) }
      state.hasBar = true
      // One column less than there is: a cursor behind the last one would wrap on some terminals.
      console.redraw(bar.line(width: width() - 1) { $0.isEmpty ? "" : console.colored($0, .green, on: .error) })
    }
  }

  /// Takes the bar away; nothing is drawn any more.
  func end() {
    state.withLock { state in
      if state.hasBar, !state.isOver { console.redraw("") }
      state.isOver = true
    }
  }

  static func bar(_ progress: StagingProgress) -> ProgressBar {
    ProgressBar(
      percent: percent(progress), bytes: progress.bytes, totalBytes: progress.totalBytes, rate: progress.bytesPerSecond,
      files: ProgressBar.Files(done: progress.files, total: progress.totalFiles))
  }

  /// 100 % is said only when every file is in place; where all are empty the files count.
  private static func percent(_ progress: StagingProgress) -> Int {
    if progress.files >= progress.totalFiles, progress.bytes >= progress.totalBytes { return 100 }
    let (done, total) =
      progress.totalBytes > 0
      ? (Double(progress.bytes), Double(progress.totalBytes)) : (Double(progress.files), Double(progress.totalFiles))
    return min(99, max(0, Int(done / total * 100)))
  }
}
