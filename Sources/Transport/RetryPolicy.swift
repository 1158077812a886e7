/// When to try again after a failure: exponential backoff with full jitter, which keeps many senders from coming back
/// at the same moment (AWS Architecture Blog, "Exponential Backoff And Jitter").
package struct RetryPolicy: Sendable, Hashable {
  package enum Verdict: Sendable, Hashable {
    case wait(Duration)
    /// No more tries, and why.
    case dead(String)
  }

  /// The first pause is drawn from zero to this; it doubles with each try.
  package var base: Duration
  /// The longest pause that is drawn.
  package var cap: Duration
  package var maxTries: Int
  /// Measured from the moment at which the message was made.
  package var maxAge: Duration

  /// Without other wishes: up to 60 tries over three days, several of them in the first minute.
  package init(
    base: Duration = .seconds(5), cap: Duration = .seconds(3 * 3600), maxTries: Int = 60,
    maxAge: Duration = .seconds(72 * 3600)
  ) {
    self.base = max(base, .milliseconds(1))
    self.cap = max(cap, self.base)
    self.maxTries = max(1, maxTries)
    self.maxAge = maxAge
  }

  /// What follows try number `tries` (1 is the first), `age` after the message was made.
  ///
  /// A `retryAfter` is a lower bound that is never undercut; a tenth of it is added at random.
  package func next(
    afterTry tries: Int, age: Duration, retryAfter: Duration? = nil, using generator: inout some RandomNumberGenerator
  ) -> Verdict {
    guard tries < maxTries else { return .dead("given up after \(tries) tries") }
    guard age < maxAge else { return .dead("given up after \(Self.hours(age))") }
    var pause = Self.random(upTo: ceiling(afterTry: tries), using: &generator)
    if let retryAfter {
      let wanted = RetryAfter.clamp(retryAfter)
      pause = max(pause, wanted + Self.random(upTo: wanted / 10, using: &generator))
    }
    return .wait(pause)
  }

  /// The upper bound of the pause after try number `tries`: base × 2^(tries − 1), at most `cap`.
  package func ceiling(afterTry tries: Int) -> Duration {
    var bound = base
    for _ in 1..<max(1, min(tries, 64)) where bound < cap { bound = bound * 2 }
    return min(bound, cap)
  }

  private static func random(upTo bound: Duration, using generator: inout some RandomNumberGenerator) -> Duration {
    let (seconds, attoseconds) = bound.components
    let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    guard milliseconds > 0 else { return .zero }
    return .milliseconds(Int64.random(in: 0...milliseconds, using: &generator))
  }

  private static func hours(_ age: Duration) -> String {
    let seconds = age.components.seconds
    return seconds >= 7200 ? "\(seconds / 3600) h" : "\(seconds / 60) min"
  }
}
