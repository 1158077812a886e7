package import JobModel

/// The time of day, and a way to wait for it. Deadlines are wall-clock times: a machine that slept, or whose clock
/// jumped, finds everything that is due once and goes on.
package protocol WallClock: Sendable {
  func now() -> Timestamp
  /// Returns at `deadline` or a little later; throws `CancellationError`.
  func sleep(until deadline: Timestamp) async throws
}

/// The clock of this machine.
package struct SystemClock: WallClock {
  package init() {}

  package func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }

  package func sleep(until deadline: Timestamp) async throws {
    let pause = deadline - now()
    guard pause > .zero else { return try Task.checkCancellation() }
    try await Task.sleep(for: pause, tolerance: .milliseconds(5))
  }
}

#if canImport(Glibc)
  private import Glibc
#elseif canImport(Musl)
  private import Musl
#else
  private import Darwin
#endif
