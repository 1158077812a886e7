/// When a failed delivery is tried again, and when it is given up.
package struct DeliveryPolicy: Sendable, Hashable {
  /// The longest first pause; it doubles with every try.
  package var base: Duration = .seconds(5)
  /// The longest pause.
  package var cap: Duration = .seconds(3600)
  /// A receiver's Retry-After beyond this is cut.
  package var retryAfterCap: Duration = .seconds(6 * 3600)
  /// After so many tries a delivery is dead.
  package var maxTries = 30
  /// After so long it is dead, however few the tries.
  package var maxAge: Duration = .seconds(3 * 86_400)

  package init() {}

  package enum Next: Sendable, Hashable {
    case retry(at: Timestamp)
    case dead
  }

  /// What follows the failure of try number `tries` (1 is the first).
  ///
  /// The pause is drawn evenly from zero to the doubled base ("full jitter", AWS Architecture Blog, "Exponential
  /// Backoff And Jitter"), and is never shorter than what the receiver asked for.
  package func next(
    tries: Int, createdAt: Timestamp, now: Timestamp, retryAfter: Duration?,
    using generator: inout some RandomNumberGenerator
  ) -> Next {
    guard tries < maxTries, now - createdAt < maxAge else { return .dead }
    let ceiling = min(base * (1 << min(max(tries - 1, 0), 20)), cap).milliseconds
    var pause = Duration.milliseconds(Int64.random(in: 0...max(ceiling, 1), using: &generator))
    if let retryAfter { pause += min(max(retryAfter, .zero), retryAfterCap) }
    return .retry(at: now + max(pause, .milliseconds(100)))
  }
}
