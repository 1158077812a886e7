package import JobModel

/// A bucket that fills steadily, of which each call takes its share. Who finds it empty is told how long to wait, and has
/// its place in the queue.
package struct TokenBucket: Sendable, Hashable {
  package let capacity: Double
  /// Tokens a second when nobody complains.
  package let refill: Double
  /// The part of `refill` that is taken now: less after the service has complained.
  package private(set) var pace: Double = 1
  /// Below zero while calls wait.
  private var tokens: Double
  private var last: Timestamp?

  /// Below this part of the refill it makes no sense to go.
  private static let slowest = 0.05
  /// How much of the pace comes back a second without complaint.
  private static let recovery = 0.02

  package init(capacity: Double, refill: Double) {
    self.capacity = capacity
    self.refill = refill
    tokens = capacity
  }

  /// Takes `cost` tokens, at most the whole bucket, and says how long to wait before the call is made.
  package mutating func take(_ cost: Double = 1, at now: Timestamp) -> Duration {
    fill(now)
    tokens -= min(cost, capacity)
    guard tokens < 0 else { return .zero }
    return .milliseconds(Int64((-tokens / (refill * pace) * 1000).rounded(.up)))
  }

  /// Gives back what a call took that was not made.
  package mutating func giveBack(_ cost: Double = 1) { tokens = min(capacity, tokens + min(cost, capacity)) }

  /// The service has refused a call: its bucket is empty, so ours is too, and others draw from it as well.
  package mutating func throttled(at now: Timestamp) {
    fill(now)
    tokens = min(tokens, 0)
    pace = max(Self.slowest, pace / 2)
  }

  private mutating func fill(_ now: Timestamp) {
    defer { last = max(now, last ?? now) }
    guard let last, now > last else { return }
    let seconds = (now - last).inSeconds
    tokens = min(capacity, tokens + seconds * refill * pace)
    pace = min(1, pace + seconds * Self.recovery)
  }
}
