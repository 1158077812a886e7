package import JobModel
package import Transport

/// PagerDuty's Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview
package struct PagerDutyChannel: HTTPChannel {
  /// The service region of the United States; accounts of the European one have `https://events.eu.pagerduty.com`.
  package static let standardURL = "https://events.pagerduty.com/v2/enqueue"

  package let kind = "pagerduty"
  /// The integration key of a service: 32 letters and digits.
  package let routingKey: Secret
  package let connection: HTTPConnection

  package init(
    routingKey: Secret, connection: HTTPConnection = HTTPConnection(Secret(Self.standardURL))
  ) {
    self.routingKey = routingKey
    self.connection = connection
  }

  package var secrets: [Secret] { [routingKey] }
  /// About 120 a minute for each key: https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic
  package var limit: TokenBucket.Limit? { .init(burst: 30, perMinute: 100) }
  package var takesDigests: Bool { false }
  package var takesAcknowledgements: Bool { true }

  package func check(name: String) throws(NotifierSettingsError) {
    let key = routingKey.reveal()
    let isKey = key.utf8.count == 32 && key.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0 & 0xDF) }
    guard !isKey else { return }
    throw NotifierSettingsError(
      notifier: name, key: "routing_key", message: "it is not 32 letters and digits",
      remedy: "Take the integration key of an Events API v2 integration.")
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(connection.url, PagerDutyFormat.body(message.alert, routingKey: routingKey))
  }

  /// Success is 202 with `"status": "success"`.
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    switch answer.status {
    case 202 where answer.json?["status"]?.string == "success": return .delivered(answer.line)
    case 200...299: return answer.stranger("PagerDuty")
    // Its documentation asks for a pause of some minutes.
    case 429: return answer.again(otherwise: .seconds(120))
    case 400 where answer.text.contains("routing key") || answer.text.contains("routing_key"):
      return .unusable("\(answer.line). Check the integration key")
    default: return answer.byStatus()
    }
  }
}
