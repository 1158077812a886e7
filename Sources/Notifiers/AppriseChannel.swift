import JobModel
package import Transport

/// An Apprise API server, which passes alerts on to any of Apprise's services: https://github.com/caronc/apprise-api
package struct AppriseChannel: HTTPChannel {
  package let kind = "apprise"
  /// Only the services with one of these tags.
  package let tag: String?
  /// `https://SERVER/notify/KEY`.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection, tag: String? = nil) {
    self.tag = tag
    self.connection = connection
  }

  package func isReserved(_ header: String) -> Bool { header == "accept" }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(
      connection.url, headers: [.init("Accept", "application/json")], AppriseFormat.body(message.alert, tag: tag))
  }

  /// Success is 200 alone: 204 says that the key has no configuration, 424 that one of its services did not take the
  /// message (https://github.com/caronc/apprise-api/blob/master/apprise_api/api/views.py).
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    switch answer.status {
    case 200:
      if let error = answer.json?["error"], error != .null, error != .string("") { return .permanent(answer.line) }
      return answer.text.hasPrefix("<") ? answer.stranger("Apprise") : .delivered(answer.line)
    case 204: return .unusable("\(answer.line). Nothing is configured under this key")
    case 201...299: return answer.stranger("Apprise")
    // Some services may have got it; but it would be worse if nobody had.
    case 424: return answer.again()
    default: return answer.byStatus()
    }
  }
}
