package import JobModel
package import Transport

/// Pushes alerts to a service over HTTP, one at a time and in order.
package actor HTTPChannelNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind: String
  package nonisolated let destination: String
  package nonisolated let limit: TokenBucket.Limit?
  package nonisolated let takesDigests: Bool
  package nonisolated let takesAcknowledgements: Bool

  private let channel: any HTTPChannel
  private let http: HTTPClient
  private let redactor: Redactor
  private let turn = SendingTurn()

  /// - Throws: `NotifierSettingsError` if nothing could ever be sent with these settings.
  package init(name: String, channel: any HTTPChannel, http: HTTPClient) throws(NotifierSettingsError) {
    func wrong(_ key: String, _ message: String, _ remedy: String) -> NotifierSettingsError {
      NotifierSettingsError(notifier: name, key: key, message: message, remedy: remedy)
    }
    try channel.check(name: name)
    for header in channel.connection.headers where Self.isReserved(header.name, channel) {
      throw wrong("headers", "\(Redactor.printable(header.name)) is set by cloudjobs itself", "Remove it.")
    }
    guard channel.connection.timeout > .zero else {
      throw wrong("timeout", "it is not positive", "Give seconds, like 20.")
    }
    do throws(TransportError) {
      try HTTPRequest(.post, channel.connection.url, headers: channel.connection.headers).check()
    } catch {
      throw wrong(error.message.hasPrefix("The address") ? "url" : "headers", error.message, error.remedy)
    }
    self.name = name
    self.channel = channel
    self.http = http
    kind = channel.kind
    limit = channel.limit
    takesDigests = channel.takesDigests
    takesAcknowledgements = channel.takesAcknowledgements
    destination = Redactor.origin(of: channel.connection.url.reveal())
    redactor = Redactor([channel.connection.url] + channel.secrets + channel.connection.headers.map(\.value))
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    await turn.enter()
    let answer = await send(channel.request(message))
    await turn.leave()
    return answer
  }

  private func send(_ request: HTTPRequest) async -> DeliveryAnswer {
    do throws(TransportError) {
      let response = try await http.send(request)
      return channel.meaning(of: HTTPAnswer(response, place: destination, redactor: redactor))
    } catch {
      return HTTPAnswer.meaning(of: error, redactor: redactor)
    }
  }

  private static func isReserved(_ header: String, _ channel: any HTTPChannel) -> Bool {
    let name = header.lowercased()
    return ["content-type", "content-length", "transfer-encoding", "host", "connection"].contains(name)
      || channel.isReserved(name)
  }
}
