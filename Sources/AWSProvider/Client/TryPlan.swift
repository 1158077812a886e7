internal import JobModel
internal import Transport

/// What follows a try of a call that failed: the rules, without the waiting.
struct TryPlan: Sendable {
  enum Next: Sendable, Hashable {
    case fail(AWSError)
    case wait(Duration)
    /// Sign with a time that is so much later than this machine's, at once.
    case setClock(ahead: Duration)
    /// Get other credentials, at once.
    case renewCredentials
  }

  private let options: CallOptions
  private let policy: RetryPolicy
  private var tries = 0
  private var hasSetClock = false
  private var hasRenewed = false
  /// Whether an earlier try may have done its work.
  private var mayHaveHappened = false

  /// Signatures hold for five minutes (S3: fifteen); a smaller difference is not why one was refused.
  private static let skew = Duration.seconds(120)

  init(_ options: CallOptions, maxTries: Int) {
    self.options = options
    policy = RetryPolicy(
      base: .milliseconds(500), cap: .seconds(20), maxTries: maxTries, maxAge: options.deadline)
  }

  /// - Parameters:
  ///   - age: since the call began.
  ///   - ahead: how much later the service's clock is than this machine's, if it said that; `known` is what was allowed
  ///     for already.
  mutating func next(
    after error: AWSError, age: Duration, ahead: Duration?, known: Duration,
    using generator: inout some RandomNumberGenerator
  ) -> Next {
    tries += 1
    mayHaveHappened = mayHaveHappened || error.mayHaveHappened
    var error = error
    error.mayHaveHappened = mayHaveHappened
    if let ahead, !hasSetClock, Self.mayBeTime(error), Self.magnitude(ahead - known) > Self.skew {
      hasSetClock = true
      return .setClock(ahead: ahead)
    }
    if !hasRenewed, error.code == .credentials, error.serviceCode.map(Self.expired.contains) ?? false {
      hasRenewed = true
      return .renewCredentials
    }
    guard error.isRetryable, options.isIdempotent || !mayHaveHappened else { return .fail(error) }
    switch policy.next(afterTry: tries, age: age, retryAfter: error.retryAfter, using: &generator) {
    case .dead: return .fail(error)
    case .wait(let pause): return age + pause < options.deadline ? .wait(pause) : .fail(error)
    }
  }

  private static let expired: Set = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"]

  /// Whether a wrong clock makes services say this.
  private static func mayBeTime(_ error: AWSError) -> Bool {
    error.code == .clock
      || ["SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "AccessDenied"].contains(
        error.serviceCode)
  }

  private static func magnitude(_ duration: Duration) -> Duration { duration < .zero ? .zero - duration : duration }
}
