import Transport

/// What a webhook's answer means for the delivery. Pure.
///
/// After Standard Webhooks 1.0.0: only 2xx is success, 3xx is a failure, 410 ends it, `Retry-After` is honoured.
enum WebhookAnswer {
  /// - Parameters:
  ///   - place: the receiver, masked.
  ///   - redactor: knows every secret of the channel.
  static func answer(_ response: HTTPResponse, place: String, redactor: Redactor) -> DeliveryAnswer {
    let said = redactor.line(response.body, limit: 300)
    let status = "HTTP \(response.status) from \(place)" + (said.isEmpty ? "" : ": \(said)")
    switch response.status {
    case 200...299: return .delivered(status)
    case 300...399:
      return .unusable(
        "\(status). It redirects, which is not followed, since the message could be lost on the way: "
          + "put the final address into the configuration")
    case 401, 403: return .unusable("\(status). Check the address, its token and the signing secret")
    case 404, 410: return .unusable("\(status). The receiver is gone: check the address")
    case 408, 425, 429, 500...599: return .retry(status, after: response.retryAfter)
    default: return .permanent("\(status). The receiver does not accept the message")
    }
  }

  static func answer(_ error: TransportError, redactor: Redactor) -> DeliveryAnswer {
    let text = redactor.line(error.description)
    return error.isWorthRetrying ? .retry(text, after: nil) : .permanent(text)
  }
}
