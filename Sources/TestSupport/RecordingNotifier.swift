package import JobModel
package import Notifiers

/// A channel that keeps what it was given and answers what the test wants.
package actor RecordingNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind = "recording"
  package nonisolated let destination = "memory"

  package private(set) var messages: [AlertMessage] = []
  private var answers: [DeliveryAnswer] = []
  private var standing: DeliveryAnswer?
  private var isHeld = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  package nonisolated let limit: TokenBucket.Limit?
  package nonisolated let takesDigests: Bool
  package nonisolated let takesAcknowledgements: Bool

  package init(
    _ name: String, limit: TokenBucket.Limit? = nil, takesDigests: Bool = true, takesAcknowledgements: Bool = false
  ) {
    self.takesAcknowledgements = takesAcknowledgements
    self.name = name
    self.limit = limit
    self.takesDigests = takesDigests
  }

  /// What the next messages are answered; after them everything is delivered.
  package func answer(_ answers: DeliveryAnswer...) { self.answers += answers }

  /// What every message is answered from now on; nil delivers again.
  package func answerAlways(_ answer: DeliveryAnswer?) { standing = answer }

  /// Lets every message wait until `release`, as a hung receiver does.
  package func hold() { isHeld = true }

  package func release() {
    isHeld = false
    for waiter in waiters { waiter.resume() }
    waiters = []
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    messages.append(message)
    if isHeld { await withCheckedContinuation { waiters.append($0) } }
    if !answers.isEmpty { return answers.removeFirst() }
    return standing ?? .delivered("taken")
  }
}
