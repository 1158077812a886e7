import JobModel
package import Transport

/// A Gotify server: https://gotify.net/docs/pushmsg
package struct GotifyChannel: HTTPChannel {
  package let kind = "gotify"
  /// The token of an application.
  package let token: Secret
  /// The server's root.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection, token: Secret) {
    self.token = token
    self.connection = connection
  }

  package var secrets: [Secret] { [token] }

  package func isReserved(_ header: String) -> Bool { header == "x-gotify-key" }

  package func check(name: String) throws(NotifierSettingsError) {
    guard token.isEmpty || token.reveal().utf8.contains(where: { $0 <= 32 || $0 >= 127 }) else { return }
    throw NotifierSettingsError(
      notifier: name, key: "token", message: "it is empty, or has blanks or control characters in it",
      remedy: "Take the token of an application.")
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(
      connection.url.appending(path: "/message"), headers: [.init("X-Gotify-Key", token)],
      GotifyFormat.body(message.alert))
  }

  /// Success is 200 with the message's `id`.
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    guard answer.isSuccess else { return answer.byStatus() }
    return answer.json?["id"]?.number != nil ? .delivered(answer.brief) : answer.stranger("Gotify")
  }
}
