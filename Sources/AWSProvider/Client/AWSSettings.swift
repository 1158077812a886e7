/// How AWS is called.
package struct AWSSettings: Sendable, Hashable {
  /// Where calls go that name no region.
  package var region: String
  package var endpoints: AWSEndpoints
  /// Certificates (PEM) in place of the system's; `AWS_CA_BUNDLE`.
  package var caFile: String?
  /// Tries of one call, the first one included.
  package var maxTries: Int

  package init(region: String, endpoints: AWSEndpoints = AWSEndpoints(), caFile: String? = nil, maxTries: Int = 5) {
    self.region = region
    self.endpoints = endpoints
    self.caFile = caFile
    self.maxTries = max(1, maxTries)
  }
}

/// What a call may cost and whether it may be made twice.
package struct CallOptions: Sendable, Hashable {
  /// Whether the same call twice is as good as once: reads, and writes that say so by a token or by their nature.
  package var isIdempotent: Bool
  /// From the first try to the last answer, with all pauses.
  package var deadline: Duration
  /// One try.
  package var tryTimeout: Duration
  /// The largest answer that is read, in bytes.
  package var replyLimit: Int

  package init(
    isIdempotent: Bool, deadline: Duration = .seconds(60), tryTimeout: Duration = .seconds(20),
    replyLimit: Int = 16 * 1024 * 1024
  ) {
    self.isIdempotent = isIdempotent
    self.deadline = deadline
    self.tryTimeout = tryTimeout
    self.replyLimit = replyLimit
  }

  /// A read, or a write that is idempotent.
  package static let idempotent = CallOptions(isIdempotent: true)
  /// A write that must not be made again unless it is certain that the first one was not.
  package static let once = CallOptions(isIdempotent: false)
}
