package import Transport

/// Signed JSON to one address, by Standard Webhooks 1.0.0 (https://www.standardwebhooks.com).
package struct WebhookChannel: HTTPChannel {
  package let kind = "webhook"
  private let settings: WebhookSettings
  /// Nil if one of the secrets is none.
  private let signer: WebhookSigner?

  package init(_ settings: WebhookSettings) {
    self.settings = settings
    signer = WebhookSigner(secrets: settings.secrets)
  }

  package var secrets: [Secret] { settings.secrets }
  package var connection: HTTPConnection { settings.connection }

  package func isReserved(_ header: String) -> Bool {
    header.hasPrefix("webhook-") || (settings.cloudEvents && header.hasPrefix("ce-"))
  }

  package func check(name: String) throws(NotifierSettingsError) {
    guard signer == nil else { return }
    throw NotifierSettingsError(
      notifier: name, key: "secrets", message: "a signing secret is not whsec_ and base64 of 24 to 64 bytes",
      remedy: "Make one: printf whsec_; openssl rand -base64 32")
  }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    WebhookFormat.request(message, settings: settings, signer: signer)
  }
}
