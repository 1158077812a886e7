package import Transport

/// Pushes alerts as signed JSON to one address (Standard Webhooks 1.0.0), one at a time.
package actor WebhookNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind = "webhook"
  package nonisolated let destination: String

  private let settings: WebhookSettings
  private let signer: WebhookSigner
  private let http: HTTPClient
  private let redactor: Redactor
  private let turn = SendingTurn()

  package init(name: String, settings: WebhookSettings, http: HTTPClient) throws(NotifierSettingsError) {
    func wrong(_ key: String, _ message: String, _ remedy: String) -> NotifierSettingsError {
      NotifierSettingsError(notifier: name, key: key, message: message, remedy: remedy)
    }
    guard let signer = WebhookSigner(secrets: settings.secrets) else {
      throw wrong(
        "secrets", "a signing secret is not whsec_ and base64 of 24 to 64 bytes",
        "Make one: printf whsec_; openssl rand -base64 32")
    }
    for header in settings.headers where WebhookFormat.isReserved(header.name) {
      throw wrong("headers", "\(Redactor.printable(header.name)) is set by cloudjobs itself", "Remove it.")
    }
    guard settings.timeout > .zero else { throw wrong("timeout", "it is not positive", "Give seconds, like 20.") }
    do throws(TransportError) {
      try HTTPRequest(.post, settings.url, headers: settings.headers).check()
    } catch {
      throw wrong(error.message.hasPrefix("The address") ? "url" : "headers", error.message, error.remedy)
    }
    self.name = name
    self.settings = settings
    self.signer = signer
    self.http = http
    destination = Redactor.origin(of: settings.url.reveal())
    redactor = Redactor([settings.url] + settings.secrets + settings.headers.map(\.value))
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    await turn.enter()
    let answer = await send(WebhookFormat.request(message, settings: settings, signer: signer))
    await turn.leave()
    return answer
  }

  private func send(_ request: HTTPRequest) async -> DeliveryAnswer {
    do throws(TransportError) {
      return WebhookAnswer.answer(try await http.send(request), place: destination, redactor: redactor)
    } catch {
      return WebhookAnswer.answer(error, redactor: redactor)
    }
  }
}
