package import JobModel

/// Pushes alerts through one channel. An actor, so that a channel sends one message at a time and in order.
///
/// `deliver` has a time-out of its own and never throws: what can go wrong is part of the answer.
package protocol Notifier: Actor {
  /// The channel's name in config.json.
  nonisolated var name: String { get }
  /// `webhook`, `email`, …
  nonisolated var kind: String { get }
  /// Where it sends to, with everything secret masked.
  nonisolated var destination: String { get }
  /// How much the receiver takes, or nil if it sets no limit.
  nonisolated var limit: TokenBucket.Limit? { get }
  /// Whether many alerts may come as one message. Not for receivers that put beginnings and ends together by their ids.
  nonisolated var takesDigests: Bool { get }
  /// Whether it has a notion of somebody having taken note of an alert. Others must not be told of it.
  nonisolated var takesAcknowledgements: Bool { get }

  func deliver(_ message: AlertMessage) async -> DeliveryAnswer
}

extension Notifier {
  package nonisolated var limit: TokenBucket.Limit? { nil }
  package nonisolated var takesDigests: Bool { true }
  package nonisolated var takesAcknowledgements: Bool { false }
}

/// One alert for one channel.
package struct AlertMessage: Sendable, Hashable {
  /// The same for every try of a delivery, so that a receiver can drop a repeat.
  package var id: String
  package var alert: Alert
  /// The time of this try.
  package var now: Timestamp

  package init(id: String, alert: Alert, now: Timestamp) {
    self.id = id
    self.alert = alert
    self.now = now
  }
}

/// What the receiver said. The texts are bounded and hold no secrets.
package enum DeliveryAnswer: Sendable, Hashable {
  case delivered(String)
  /// Worth another try; not before `after`, if the receiver said so.
  case retry(String, after: Duration?)
  /// This message will never be taken as it is.
  case permanent(String)
  /// No message will be taken as the channel is: its address is gone, its token was revoked.
  case unusable(String)
}
