import CCurl

/// Turns the end of an SMTP transaction into an answer. Pure.
///
/// libcurl's result codes say little here (a 451 after DATA is CURLE_WEIRD_SERVER_REPLY), so the server's own number
/// decides wherever there is one.
enum SMTPOutcome {
  /// Why we ended the transaction ourselves.
  enum Abort: Sendable, Hashable {
    case cancelled
    case deadline
    case noLogin
  }

  /// - Parameters:
  ///   - status: CURLINFO_RESPONSE_CODE, zero if the server never answered.
  ///   - reply: the server's last words, masked.
  ///   - problem: libcurl's words, masked.
  static func result(
    _ code: CURLcode, status: Int, dialogue: SMTPDialogue, abort: Abort?, place: String, reply: String, problem: String
  ) -> Result<SMTPReceipt, TransportError> {
    // The server has taken the message: whatever went wrong with the goodbye does not matter.
    if code == CURLE_OK || (dialogue.isDecided && (dialogue.lastStatus ?? 0) / 100 == 2) {
      return .success(SMTPReceipt(status: dialogue.lastStatus ?? status, text: reply))
    }
    return .failure(
      error(code, status: status, dialogue: dialogue, abort: abort, place: place, reply: reply, problem: problem))
  }

  private static func error(
    _ code: CURLcode, status: Int, dialogue: SMTPDialogue, abort: Abort?, place: String, reply: String, problem: String
  ) -> TransportError {
    let answered = status == 0 ? nil : status
    switch abort {
    case .noLogin:
      return TransportError(
        .authentication, "The mail server \(place) offers no way to log in, and a password is configured",
        remedy: "Check host, port and encryption; nothing was sent.", status: answered)
    case .cancelled where !dialogue.isUndecided:
      return TransportError(.cancelled, "The mail was cancelled", status: answered)
    case .cancelled, .deadline, nil: break
    }
    if dialogue.isUndecided {
      return TransportError(
        .ambiguous,
        "The mail server \(place) did not say whether it took the message: \(problem)",
        remedy: "It is sent again with the same Message-ID.", status: answered)
    }
    if code == CURLE_OPERATION_TIMEDOUT || abort == .deadline {
      return TransportError(.timeout, "No answer in time from the mail server \(place): \(problem)", status: answered)
    }
    if code == CURLE_USE_SSL_FAILED {
      return TransportError(
        .tls, "The mail server \(place) offers no STARTTLS: \(reply)",
        remedy: "Nothing was sent. Check the port, or set the security to tls.", status: answered)
    }
    if code == CURLE_LOGIN_DENIED {
      return status / 100 == 4
        ? TransportError(.rejectedTemporarily, "The mail server \(place) can't log us in now: \(reply)", status: status)
        : TransportError(
          .authentication, "The mail server \(place) refused the user name or password: \(reply)",
          remedy: "Check both; some providers want a password for applications.", status: answered)
    }
    switch TransportError.Code(http: code) {
    case .resolve:
      return TransportError(.resolve, "The mail server's name can't be resolved: \(place): \(problem)")
    case .connect: return TransportError(.connect, "No connection to the mail server \(place): \(problem)")
    case .tls:
      return TransportError(
        .tls, "No trusted TLS connection to the mail server \(place): \(problem)", status: answered)
    case .invalidRequest:
      return TransportError(.invalidRequest, "libcurl does not accept the mail server \(place): \(problem)")
    default: break
    }
    switch status / 100 {
    case 4:
      return TransportError(.rejectedTemporarily, "The mail server \(place) said not now: \(reply)", status: status)
    case 5: return TransportError(.rejectedPermanently, "The mail server \(place) refused: \(reply)", status: status)
    default:
      return TransportError(.network, "The connection to the mail server \(place) broke: \(problem)", status: answered)
    }
  }
}

extension SMTPDialogue {
  /// The number of the last complete reply.
  var lastStatus: Int? { lastReply.last.flatMap { Int($0.prefix(3)) } }
}
