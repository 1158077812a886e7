import JobModel
package import Transport

/// A Prometheus Alertmanager, which then tells whom its own configuration says:
/// https://prometheus.io/docs/alerting/latest/alerts_api/
package struct AlertmanagerChannel: HTTPChannel {
  package let kind = "alertmanager"
  /// How long an alert that fires is held up without being told again or resolved.
  package let hold: Duration
  /// How long something that just happened is shown as firing.
  package let eventHold: Duration
  /// The server's root, with its `--web.route-prefix`.
  package let connection: HTTPConnection

  package init(
    _ connection: HTTPConnection, hold: Duration = .seconds(7 * 86_400), eventHold: Duration = .seconds(3600)
  ) {
    self.hold = hold
    self.eventHold = eventHold
    self.connection = connection
  }

  package var takesDigests: Bool { false }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(
      connection.url.appending(path: "/api/v2/alerts"),
      AlertmanagerFormat.body(message.alert, now: message.now, hold: hold, eventHold: eventHold))
  }

  /// Success is 200 with an empty body, or with JSON from what speaks the same language.
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    guard answer.isSuccess else { return answer.byStatus() }
    if answer.json?["status"]?.string == "error" { return .permanent(answer.line) }
    return answer.text.isEmpty || answer.json != nil ? .delivered(answer.line) : answer.stranger("Alertmanager")
  }
}
