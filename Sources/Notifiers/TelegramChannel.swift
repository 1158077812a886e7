package import JobModel
package import Transport

/// Telegram, through a bot: https://core.telegram.org/bots/api
package struct TelegramChannel: HTTPChannel {
  package static let standardURL = "https://api.telegram.org"

  package let kind = "telegram"
  /// `123456789:AA…`, as BotFather gives it. It is part of the address of every request.
  package let token: Secret
  /// The number of a chat, or `@name` of a public channel.
  package let chat: String
  /// A topic of a group that has topics.
  package let thread: Int?
  /// The server of the Bot API; another one only if you run your own.
  package let connection: HTTPConnection

  package init(
    token: Secret, chat: String, thread: Int? = nil,
    connection: HTTPConnection = HTTPConnection(Secret(Self.standardURL))
  ) {
    self.token = token
    self.chat = chat
    self.thread = thread
    self.connection = connection
  }

  package var secrets: [Secret] {
    // The number before the colon is the bot's public id; what follows it is the key.
    [token, Secret("bot" + token.reveal())] + token.reveal().split(separator: ":").suffix(1).map { Secret(String($0)) }
  }
  /// 20 a minute in a group: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
  package var limit: TokenBucket.Limit? { .init(burst: 5, perMinute: 18) }

  package func check(name: String) throws(NotifierSettingsError) {
    let parts = token.reveal().split(separator: ":", omittingEmptySubsequences: false)
    let isToken =
      parts.count == 2 && !parts[0].isEmpty && parts[0].utf8.allSatisfy { (48...57).contains($0) }
      && parts[1].utf8.count >= 20
      && parts[1].utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0 & 0xDF) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }
    guard !isToken else { return }
    throw NotifierSettingsError(
      notifier: name, key: "token", message: "it is not a bot's token", remedy: "Ask @BotFather for one: 123456789:AA…."
    )
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(
      connection.url.appending(path: "/bot\(token.reveal())/sendMessage"),
      TelegramFormat.body(message.alert, chat: chat, thread: thread))
  }

  /// Success is `"ok": true`; errors are told in the same form: https://core.telegram.org/bots/api#making-requests
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    guard let ok = answer.json?["ok"]?.bool else {
      return answer.isSuccess ? answer.stranger("Telegram") : answer.byStatus()
    }
    if ok { return answer.isSuccess ? .delivered(answer.brief) : answer.byStatus() }
    let parameters = answer.json?["parameters"]
    if let chat = parameters?["migrate_to_chat_id"]?.number, let number = Int64(exactly: chat) {
      return .unusable("\(answer.line). The group has become a supergroup: put \(number) into chat")
    }
    let said = answer.json?["description"]?.string ?? ""
    switch answer.json?["error_code"]?.number.flatMap({ Int(exactly: $0) }) ?? answer.status {
    case 429: return answer.again(after: parameters?["retry_after"]?.number)
    case 500...599: return answer.again()
    case 401, 404: return .unusable("\(answer.line). Check the bot's token")
    case 403: return .unusable("\(answer.line). The bot may not write there: let it into the chat")
    case 400 where said.contains("chat not found") || said.contains("thread not found") || said.contains("chat_id"):
      return .unusable("\(answer.line). Check the chat, and write to the bot once")
    default: return .permanent(answer.line)
    }
  }
}
