/// How many messages a channel may take: some at once, then so many a minute. A pure value.
package struct TokenBucket: Sendable, Hashable {
  package struct Limit: Sendable, Hashable {
    package var burst: Int
    package var perMinute: Double

    package init(burst: Int, perMinute: Double) {
      self.burst = max(1, burst)
      self.perMinute = max(0.01, perMinute)
    }
  }

  package let limit: Limit
  private var tokens: Double
  private var at: Timestamp

  package init(_ limit: Limit, at now: Timestamp) {
    self.limit = limit
    tokens = Double(limit.burst)
    at = now
  }

  /// Takes a token. False if there is none.
  package mutating func take(at now: Timestamp) -> Bool {
    refill(now)
    guard tokens >= 1 - 1e-6 else { return false }
    tokens -= 1
    return true
  }

  /// When there will be a token.
  package mutating func nextAt(_ now: Timestamp) -> Timestamp {
    refill(now)
    guard tokens < 1 - 1e-6 else { return now }
    return now + .milliseconds(Int64(((1 - tokens) / limit.perMinute * 60_000).rounded(.up)))
  }

  private mutating func refill(_ now: Timestamp) {
    guard now > at else { return }
    tokens = min(Double(limit.burst), tokens + (now - at).inSeconds / 60 * limit.perMinute)
    at = now
  }
}
