/// Lets callers of an actor take turns over an `await`, first come first served, so that a channel sends one message
/// at a time and in order although actors are reentrant.
actor SendingTurn {
  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// Returns when it is the caller's turn. Every `enter` must be followed by one `leave`.
  func enter() async {
    guard isTaken else {
      isTaken = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func leave() {
    if waiting.isEmpty {
      isTaken = false
    } else {
      // The turn is handed over without being free in between, so nobody can jump the queue.
      waiting.removeFirst().resume()
    }
  }
}
