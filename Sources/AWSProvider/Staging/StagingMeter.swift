internal import JobModel
internal import ProviderKit
internal import Synchronization
internal import Transport

/// How far a staging is: what is done, and what is on its way.
final class StagingMeter: Sendable {
  private struct State {
    var files = 0
    var bytes: Int64 = 0
    var sentFiles = 0
    var sentBytes: Int64 = 0
    /// On their way: how much of each was given to the network.
    var running: Set<ByteCounter> = []
    /// The last half minute, for the rate.
    var samples: [(at: Timestamp, sent: Int64)] = []
  }

  private let state = Mutex(State())
  private let totalFiles: Int
  private let totalBytes: Int64

  private static let window = Duration.seconds(30)

  init(files: Int, bytes: Int64) {
    totalFiles = files
    totalBytes = bytes
  }

  /// A body begins; it counts as it goes.
  func begin() -> ByteCounter {
    let counter = ByteCounter()
    state.withLock { _ = $0.running.insert(counter) }
    return counter
  }

  /// A body is over: it was sent, or it failed.
  func end(_ counter: ByteCounter, sent bytes: Int64?) {
    state.withLock { state in
      state.running.remove(counter)
      if let bytes {
        state.bytes += bytes
        state.sentBytes += bytes
      }
    }
  }

  /// Bytes that were there already.
  func skip(_ bytes: Int64) { state.withLock { $0.bytes += bytes } }

  /// Takes back what was counted for a file that begins anew.
  func restart(_ bytes: Int64) { state.withLock { $0.bytes -= bytes } }

  func fileDone(wasSent: Bool) {
    state.withLock { state in
      state.files += 1
      if wasSent { state.sentFiles += 1 }
    }
  }

  var sent: FileCount { state.withLock { FileCount(files: $0.sentFiles, bytes: $0.sentBytes) } }

  func progress(at now: Timestamp) -> StagingProgress {
    state.withLock { state in
      let moving = state.running.reduce(0) { $0 + $1.value }
      let sent = state.sentBytes + moving
      state.samples.append((now, sent))
      state.samples.removeAll { now - $0.at > Self.window }
      var rate: Double?
      if let first = state.samples.first, now > first.at, sent >= first.sent {
        rate = Double(sent - first.sent) / (now - first.at).inSeconds
      }
      return StagingProgress(
        files: state.files, bytes: min(state.bytes + moving, totalBytes), totalFiles: totalFiles,
        totalBytes: totalBytes, bytesPerSecond: rate)
    }
  }
}
