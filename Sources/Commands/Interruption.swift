internal import Foundation
internal import Synchronization
internal import UnixSignals

/// SIGINT or SIGTERM, which ended a command before its work was done.
struct Interruption: Error, Equatable {
  let signal: Int32

  /// The exit code that shells expect.
  var code: Int32 { 128 + signal }

  /// Runs `body`, and cancels it when a signal comes, so that it gives back what it holds: a lease that is not given back
  /// keeps others from the job until it runs out. A second signal ends the program at once.
  ///
  /// - Throws: `Interruption` if a signal came before `body` was done, else what `body` throws.
  static func guarding<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: [.sigint, .sigterm])
    let caught = Caught()
    let work = Task { try await body() }
    let listener = Task {
      for await signal in signals {
        if caught.isImpatient(signal.rawValue) { Foundation.exit(128 + signal.rawValue) }
        work.cancel()
      }
    }
    defer { listener.cancel() }
    do {
      return try await work.value
    } catch {
      if let signal = caught.signal { throw Interruption(signal: signal) }
      throw error
    }
  }

  /// The first signal that came.
  private final class Caught: Sendable {
    private struct First {
      var signal: Int32
      var at: ContinuousClock.Instant
    }
    private let first = Mutex<First?>(nil)

    var signal: Int32? { first.withLock { $0?.signal } }

    /// Notes a signal. True for one that comes after another; a terminal and timeout(1) may send the same one twice within
    /// milliseconds, which is one wish.
    func isImpatient(_ signal: Int32) -> Bool {
      let now = ContinuousClock.now
      return first.withLock { first in
        guard let known = first else {
          first = First(signal: signal, at: now)
          return false
        }
        return now - known.at > .milliseconds(500)
      }
    }
  }
}
