internal import JobModel
internal import Synchronization

/// What the watcher has to say, kept for the live table: recent events and log lines, newest last.
final class WatchBoard: Sendable {
  private let lines = Mutex<[String]>([])
  private static let limit = 50

  func add(_ line: String) {
    lines.withLock { lines in
      lines.append(line.hasSuffix("\n") ? String(line.dropLast()) : line)
      if lines.count > Self.limit { lines.removeFirst(lines.count - Self.limit) }
    }
  }

  var recent: [String] { lines.withLock { $0 } }
}
