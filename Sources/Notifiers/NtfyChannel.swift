package import JobModel
package import Transport

/// ntfy, at ntfy.sh or on a server of your own: https://docs.ntfy.sh/publish/
package struct NtfyChannel: HTTPChannel {
  package static let standardURL = "https://ntfy.sh"

  package let kind = "ntfy"
  /// A secret, since whoever knows it can read and write there.
  package let topic: Secret
  /// An access token, for topics that need one.
  package let token: Secret?
  /// The server's root.
  package let connection: HTTPConnection

  package init(
    topic: Secret, token: Secret? = nil, connection: HTTPConnection = HTTPConnection(Secret(Self.standardURL))
  ) {
    self.topic = topic
    self.token = token
    self.connection = connection
  }

  package var secrets: [Secret] { [topic] + (token.map { [$0] } ?? []) }
  /// 60 at once and one every five seconds: https://docs.ntfy.sh/publish/#limitations
  package var limit: TokenBucket.Limit? { .init(burst: 50, perMinute: 12) }

  package func isReserved(_ header: String) -> Bool { token != nil && header == "authorization" }

  package func check(name: String) throws(NotifierSettingsError) {
    func wrong(_ key: String, _ message: String, _ remedy: String) -> NotifierSettingsError {
      NotifierSettingsError(notifier: name, key: key, message: message, remedy: remedy)
    }
    let word = topic.reveal()
    guard StableID.word(word, limit: 64) == word else {
      throw wrong("topic", "it is not 1 to 64 letters, digits, _ and -", "Choose a name that nobody can guess.")
    }
    if let token, token.reveal().utf8.contains(where: { $0 <= 32 || $0 >= 127 }) {
      throw wrong("token", "it has blanks or control characters in it", "Take an access token: tk_….")
    }
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(
      connection.url, headers: token.map { [.init("Authorization", "Bearer \($0.reveal())")] } ?? [],
      NtfyFormat.body(message, topic: topic))
  }

  /// Success is 200 with the message's `id`; errors have a `code`:
  /// https://github.com/binwiederhier/ntfy/blob/main/server/errors.go
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    switch answer.status {
    case 200 where answer.json?["id"]?.string != nil: return .delivered(answer.brief)
    case 200...299: return answer.stranger("ntfy")
    // The quota of a day is used up: not a matter of seconds. ntfy never sends a Retry-After.
    case 429 where answer.json?["code"]?.number == 42_908: return answer.again(otherwise: .seconds(3600))
    case 429: return answer.again(otherwise: .seconds(15))
    case 400 where answer.json?["code"]?.number == 40_009: return .unusable("\(answer.line). Check the topic")
    default: return answer.byStatus()
    }
  }
}
