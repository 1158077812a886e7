import Foundation
import JobModel
import Monitor
import Synchronization

struct BenchmarkError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Time, CPU and memory of this process.
enum Meter {
  /// Seconds since some moment, never running backwards.
  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// User and system seconds of all threads.
  static func cpu() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Bytes of this process's own memory that are in RAM now, without the pages of the program and of files.
  static func residentBytes() throws -> Double {
    let lines = try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n")
    let words = lines.first { $0.hasPrefix("RssAnon:") }?.split(whereSeparator: \.isWhitespace) ?? []
    guard words.count > 1, let kilobytes = Double(words[1]) else {
      throw BenchmarkError("/proc/self/status can't be read")
    }
    return kilobytes * 1024
  }

  /// Wall and CPU seconds that `body` takes.
  static func measure(_ body: () async throws -> Void) async rethrows -> (wall: Double, cpu: Double) {
    let (wall, cpu) = (seconds(), cpu())
    try await body()
    return (seconds() - wall, Self.cpu() - cpu)
  }
}

/// A wall clock that moves only when it is told to.
final class ManualClock: WallClock {
  private let moment: Mutex<Timestamp>

  init(_ moment: Timestamp) { self.moment = Mutex(moment) }

  func now() -> Timestamp { moment.withLock { $0 } }
  func advance(by duration: Duration) { moment.withLock { $0 = $0 + duration } }
  func sleep(until deadline: Timestamp) async throws { try Task.checkCancellation() }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same data in every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
