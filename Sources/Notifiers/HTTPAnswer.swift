import Transport

/// What a service answered, with what may be shown of it, and what its status means wherever the service has no rule
/// of its own. Pure.
///
/// After Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): only 2xx is success, 3xx is a failure, 404 and 410
/// end it, `Retry-After` is honoured.
package struct HTTPAnswer: Sendable {
  package let status: Int
  /// The beginning of the body, without blanks at its ends.
  package let text: String
  package let json: AnswerJSON?
  /// From the header `Retry-After`.
  package let retryAfter: Duration?
  /// Status, place and what was said, in one bounded line without secrets.
  package let line: String
  /// Status and place alone, where a success repeats the whole message.
  package let brief: String

  /// - Parameters:
  ///   - place: the service, masked.
  ///   - redactor: knows every secret of the channel.
  init(_ response: HTTPResponse, place: String, redactor: Redactor) {
    status = response.status
    text = Self.trimmed(String(decoding: response.body, as: UTF8.self))
    json = AnswerJSON(response.body)
    retryAfter = response.retryAfter
    let said = redactor.line(response.body, limit: 300)
    brief = "HTTP \(response.status) from \(place)"
    line = brief + (said.isEmpty ? "" : ": \(said)")
  }

  var isSuccess: Bool { (200...299).contains(status) }

  /// What the status alone says.
  func byStatus() -> DeliveryAnswer {
    switch status {
    case 200...299: .delivered(line)
    case 300...399:
      .unusable(
        "\(line). It redirects, which is not followed, since the message could be lost on the way: "
          + "put the final address into the configuration")
    case 401, 403: .unusable("\(line). Check the address, its token and the signing secret")
    case 404, 410: .unusable("\(line). The receiver is gone: check the address")
    case 408, 425, 429, 500...599: .retry(line, after: retryAfter)
    default: .permanent("\(line). The receiver does not accept the message")
    }
  }

  /// A success that is none: whoever answered is not the service.
  func stranger(_ service: String) -> DeliveryAnswer {
    .unusable("\(line). This is not how \(service) answers: check the address")
  }

  /// To be tried again after `seconds` of the body, else after what the header says, else after `otherwise`.
  func again(after seconds: Double? = nil, otherwise: Duration? = nil) -> DeliveryAnswer {
    guard let seconds, seconds.isFinite, seconds >= 0 else { return .retry(line, after: retryAfter ?? otherwise) }
    // Compared before it becomes a Duration, which can't hold what a service may write.
    return .retry(line, after: RetryAfter.clamp(.milliseconds(Int64((min(seconds, 1e6) * 1000).rounded(.up)))))
  }

  /// Why a request had no answer.
  static func meaning(of error: TransportError, redactor: Redactor) -> DeliveryAnswer {
    let text = redactor.line(error.description)
    return error.isWorthRetrying ? .retry(text, after: nil) : .permanent(text)
  }

  private static func trimmed(_ text: String) -> String {
    var rest = text[...]
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return String(rest)
  }
}
