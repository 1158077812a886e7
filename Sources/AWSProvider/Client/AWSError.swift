package import Transport

/// Why a call to AWS did not do what was asked, and what to do about it. Its texts hold no secrets.
package struct AWSError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable, CaseIterable {
    /// Too many calls for this account and region.
    case throttled
    /// The credentials are good, and may not do this.
    case denied
    /// No credentials, or none that AWS accepts.
    case credentials
    /// AWS's clock and this machine's differ too much, and it could not be allowed for.
    case clock
    case notFound = "not_found"
    /// AWS has no such instance to give just now.
    case capacity
    /// The account's quota is used up.
    case quota
    /// The call itself is wrong.
    case invalid
    /// Something else has the name, or is in the way.
    case conflict
    /// A condition on the state of an object does not hold.
    case precondition
    /// The bucket is in another region.
    case wrongRegion = "wrong_region"
    /// The service has a problem of its own.
    case unavailable
    /// No answer came.
    case unreachable
    /// An answer came that can't be read or believed.
    case unreadable
    /// The configuration on this machine is wrong.
    case configuration
    case cancelled
  }

  package var code: Code
  /// Names the call and the thing that failed.
  package var message: String
  /// What a person can do now; empty if there is nothing to do but wait.
  package var remedy: String
  /// The service's own name for it: `InsufficientInstanceCapacity`.
  package var serviceCode: String?
  /// The service's own words, one bounded line.
  package var serviceMessage: String?
  /// By which AWS's support finds the call.
  package var requestID: String?
  package var status: Int?
  /// How long the service wants to be left alone.
  package var retryAfter: Duration?
  /// Where a bucket is, with `Code.wrongRegion`, if the service said so.
  package var region: String?
  /// Whether the call may have done its work all the same: it was sent, and its answer was lost or is no answer.
  package var mayHaveHappened: Bool

  package init(
    _ code: Code, _ message: String, remedy: String = "", serviceCode: String? = nil, serviceMessage: String? = nil,
    requestID: String? = nil, status: Int? = nil, retryAfter: Duration? = nil, region: String? = nil,
    mayHaveHappened: Bool = false
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.serviceCode = serviceCode
    self.serviceMessage = serviceMessage
    self.requestID = requestID
    self.status = status
    self.retryAfter = retryAfter
    self.region = region
    self.mayHaveHappened = mayHaveHappened
  }

  package var description: String { remedy.isEmpty ? message : "\(message). \(remedy)" }

  /// Whether the same call may work in a moment. `Code.capacity` is not among them: that takes minutes, or another zone.
  package var isRetryable: Bool {
    switch code {
    case .throttled, .unavailable, .unreachable: true
    case .unreadable, .denied, .credentials, .clock, .notFound, .capacity, .quota, .invalid, .conflict, .precondition,
      .wrongRegion,
      .configuration, .cancelled:
      false
    }
  }

  /// What became of a call, named `call` as in `ec2 RunInstances in eu-west-1`, that got no answer.
  package init(_ error: TransportError, call: String) {
    let (code, mayHaveHappened): (Code, Bool) =
      switch error.code {
      case .resolve, .connect, .tls, .refusedAddress: (.unreachable, false)
      case .timeout, .network, .ambiguous, .tooLarge, .shutDown: (.unreachable, true)
      case .cancelled: (.cancelled, true)
      case .unavailable, .invalidRequest, .localFile: (.configuration, false)
      case .authentication, .rejectedPermanently, .rejectedTemporarily: (.unreachable, false)
      }
    self.init(
      error.code == .tooLarge ? .unreadable : code, "\(call): \(error.message)", remedy: error.remedy,
      status: error.status, mayHaveHappened: mayHaveHappened)
  }
}
