/// Why a request or a mail did not get through, and what to do about it. Its texts hold no secrets.
package struct TransportError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable, CaseIterable {
    /// libcurl can't be loaded.
    case unavailable
    /// The request itself is wrong: an address, a header, a certificate file.
    case invalidRequest = "invalid_request"
    /// The address is private and the request did not allow that.
    case refusedAddress = "refused_address"
    case resolve
    case connect
    case tls
    case timeout
    /// The connection broke.
    case network
    /// The answer is larger than the request allowed.
    case tooLarge = "too_large"
    /// A file on this machine can't be read or written, or has become shorter.
    case localFile = "local_file"
    case cancelled
    case shutDown = "shut_down"
    /// The mail server wants no such user, or offers no way to log in.
    case authentication
    /// The mail server said no for now (4yz).
    case rejectedTemporarily = "rejected_temporarily"
    /// The mail server said no (5yz).
    case rejectedPermanently = "rejected_permanently"
    /// The connection broke after the message was sent: nobody knows whether it was taken.
    case ambiguous
  }

  package var code: Code
  /// Names the thing that failed.
  package var message: String
  /// What a person can do now; empty if there is nothing to do but wait.
  package var remedy: String
  /// The number the server answered with, if it answered.
  package var status: Int?

  package init(_ code: Code, _ message: String, remedy: String = "", status: Int? = nil) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.status = status
  }

  package var description: String { remedy.isEmpty ? message : "\(message). \(remedy)" }

  /// Whether the same request may work later. A cancelled one was not wanted, but nothing was wrong with it.
  package var isWorthRetrying: Bool {
    switch code {
    case .invalidRequest, .refusedAddress, .localFile, .authentication, .rejectedPermanently: false
    case .unavailable, .resolve, .connect, .tls, .timeout, .network, .tooLarge, .cancelled, .shutDown,
      .rejectedTemporarily, .ambiguous:
      true
    }
  }

  /// Whether another message through the same server would fail the same way.
  package var concernsWholeServer: Bool {
    switch code {
    case .unavailable, .resolve, .connect, .tls, .timeout, .network, .cancelled, .shutDown, .authentication: true
    case .invalidRequest, .refusedAddress, .tooLarge, .localFile, .rejectedTemporarily, .rejectedPermanently,
      .ambiguous:
      false
    }
  }
}
