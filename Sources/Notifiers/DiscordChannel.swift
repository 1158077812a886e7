package import JobModel
package import Transport

/// Discord, through a webhook of a channel: https://discord.com/developers/docs/resources/webhook#execute-webhook
package struct DiscordChannel: HTTPChannel {
  package let kind = "discord"
  /// `https://discord.com/api/webhooks/…/…`: whoever has it can post.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection) {
    self.connection = connection
  }

  /// 30 a minute for each channel and 5 in two seconds, as senders have found; Discord only promises to say.
  package var limit: TokenBucket.Limit? { .init(burst: 4, perMinute: 28) }

  /// Without `wait=true` a message that is not saved makes no error.
  package func request(_ message: AlertMessage) -> HTTPRequest {
    let address =
      connection.url.reveal().contains("wait=true") ? connection.url : connection.url.appending(query: "wait=true")
    return connection.post(address, DiscordFormat.body(message.alert))
  }

  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    switch answer.status {
    case 200 where answer.json?["id"]?.string != nil, 204: return .delivered(answer.brief)
    case 200...299: return answer.stranger("Discord")
    case 429: return answer.again(after: answer.json?["retry_after"]?.number)
    default: return answer.byStatus()
    }
  }
}
