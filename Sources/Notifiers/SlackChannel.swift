package import JobModel
package import Transport

/// Slack, through an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
package struct SlackChannel: HTTPChannel {
  package let kind = "slack"
  /// `https://hooks.slack.com/services/T…/B…/…`: whoever has it can post.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection) {
    self.connection = connection
  }

  /// One a second, and short bursts: https://docs.slack.dev/apis/web-api/rate-limits
  package var limit: TokenBucket.Limit? { .init(burst: 5, perMinute: 55) }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(connection.url, SlackFormat.body(message.alert))
  }

  /// Success is 200 with `ok` as the whole body; some servers that speak Slack's language say `{"ok":true}`.
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    guard (200...299).contains(answer.status) || (400...599).contains(answer.status) else { return answer.byStatus() }
    if answer.isSuccess, answer.text == "ok" || answer.json?["ok"]?.bool == true { return .delivered(answer.line) }
    let error = answer.json?["error"]?.string ?? answer.text
    if Self.final.contains(error) {
      return .unusable(
        "\(answer.line). Make a new incoming webhook in Slack, and put its address into the configuration")
    }
    if Self.passing.contains(error) { return answer.again() }
    if answer.isSuccess {
      return answer.json?["ok"]?.bool == false ? .permanent(answer.line) : answer.stranger("Slack")
    }
    return answer.byStatus()
  }

  /// Errors of the webhook itself: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#errors
  private static let final: Set = [
    "invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled", "channel_not_found",
    "channel_is_archived", "action_prohibited", "posting_to_general_channel_denied", "user_not_found",
  ]
  private static let passing: Set = ["rate_limited", "ratelimited", "rollup_error"]
}
