package import JobModel
internal import Monitor
internal import Synchronization

/// A wall clock that only tests move. Whoever sleeps on it wakes when the time has been moved past the deadline.
package final class ManualClock: WallClock {
  private struct State {
    var now: Timestamp
    var nextID = 0
    var sleepers: [Int: (deadline: Timestamp, continuation: CheckedContinuation<Void, any Error>)] = [:]
    var arrivals: [CheckedContinuation<Void, Never>] = []
  }

  private let state: Mutex<State>

  package init(_ now: Timestamp = Timestamp(seconds: 1_800_000_000)) { state = Mutex(State(now: now)) }

  package func now() -> Timestamp { state.withLock { $0.now } }

  package func sleep(until deadline: Timestamp) async throws {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        enum Fate {
          case sleeps([CheckedContinuation<Void, Never>])
          case wakes, isCancelled
        }
        let fate: Fate = state.withLock { state in
          if Task.isCancelled { return .isCancelled }
          if state.now >= deadline { return .wakes }
          state.sleepers[id] = (deadline, continuation)
          defer { state.arrivals = [] }
          return .sleeps(state.arrivals)
        }
        switch fate {
        case .sleeps(let arrivals): for arrival in arrivals { arrival.resume() }
        case .wakes: continuation.resume()
        case .isCancelled: continuation.resume(throwing: CancellationError())
        }
      }
    } onCancel: {
      let sleeper = state.withLock { $0.sleepers.removeValue(forKey: id) }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  package var hasSleeper: Bool { state.withLock { !$0.sleepers.isEmpty } }

  /// Moves the time, and wakes who has waited for it. Backwards is possible too.
  package func advance(by duration: Duration) {
    let due = state.withLock { state in
      state.now = state.now + duration
      let now = state.now
      let due = state.sleepers.filter { $0.value.deadline <= now }
      for id in due.keys { state.sleepers[id] = nil }
      return due.values.map(\.continuation)
    }
    for continuation in due { continuation.resume() }
  }

  /// Waits until somebody sleeps, then moves the time to the earliest deadline.
  package func advanceToNextSleeper() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      let hasSleeper = state.withLock { state in
        if !state.sleepers.isEmpty { return true }
        state.arrivals.append(continuation)
        return false
      }
      if hasSleeper { continuation.resume() }
    }
    let pause = state.withLock { state in (state.sleepers.values.map(\.deadline).min() ?? state.now) - state.now }
    advance(by: max(pause, .zero))
  }
}
