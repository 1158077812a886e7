import JobModel
package import Transport

/// Mattermost, through an incoming webhook: https://docs.mattermost.com/developer/webhooks-incoming.html
package struct MattermostChannel: HTTPChannel {
  package let kind = "mattermost"
  /// Another channel than the webhook's own, if the webhook is not locked to it.
  package let channel: String?
  /// `https://SERVER/hooks/…`: whoever has it can post.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection, channel: String? = nil) {
    self.channel = channel
    self.connection = connection
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(connection.url, MattermostFormat.body(message.alert, channel: channel))
  }

  /// Success is 200 with `ok`. A webhook that is not there is a 400 whose `id` says so
  /// (https://github.com/mattermost/mattermost/blob/master/server/channels/app/webhook.go).
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    if answer.isSuccess { return answer.text == "ok" ? .delivered(answer.line) : answer.stranger("Mattermost") }
    guard let id = answer.json?["id"]?.string, (400...499).contains(answer.status), answer.status != 429 else {
      return answer.byStatus()
    }
    let place = ["invalid", "disabled", "channel", "channel_locked", "permissions", "user"]
    if place.contains(where: { id == "web.incoming_webhook.\($0).app_error" }) {
      return .unusable("\(answer.line). Look at the webhook and its channel in Mattermost")
    }
    return answer.byStatus()
  }
}
