package import Transport

/// How one channel is reached, as config.json says it, with secrets already resolved.
package enum NotifierSettings: Sendable {
  case webhook(WebhookSettings)
  case email(EmailSettings)
  case command(CommandSettings)
  /// Any other service that takes alerts over HTTP.
  case service(any HTTPChannel)
}

package struct WebhookSettings: Sendable, Hashable {
  package var connection: HTTPConnection
  /// Signing secrets, `whsec_` and base64 of 24 to 64 bytes. Several while one is being replaced: a message is signed
  /// with each. None leaves messages unsigned.
  package var secrets: [Secret]
  /// Whether it is a CloudEvent too.
  package var cloudEvents: Bool
  /// What is posted in place of the ordinary JSON.
  package var body: WebhookBody?

  package init(
    _ connection: HTTPConnection, secrets: [Secret] = [], cloudEvents: Bool = false, body: WebhookBody? = nil
  ) {
    self.connection = connection
    self.secrets = secrets
    self.cloudEvents = cloudEvents
    self.body = body
  }
}

package struct EmailSettings: Sendable, Hashable {
  package var host: String
  package var port: Int
  package var security: SMTPRequest.Security
  package var username: String?
  package var password: Secret?
  /// `name@host` or `Name <name@host>`.
  package var from: String
  package var to: [String]
  /// For one recipient's transaction.
  package var timeout: Duration
  /// Certificates (PEM) to trust in place of the system's bundle file.
  package var caFile: String?

  package init(
    host: String, port: Int? = nil, security: SMTPRequest.Security = .startTLS, username: String? = nil,
    password: Secret? = nil, from: String, to: [String], timeout: Duration = .seconds(30), caFile: String? = nil
  ) {
    self.host = host
    self.port = port ?? Self.defaultPort(security)
    self.security = security
    self.username = username
    self.password = password
    self.from = from
    self.to = to
    self.timeout = timeout
    self.caFile = caFile
  }

  package static func defaultPort(_ security: SMTPRequest.Security) -> Int {
    switch security {
    case .tls: 465
    case .startTLS: 587
    case .plain: 25
    }
  }
}

/// What is wrong with a notifier's settings. Its texts hold no secrets.
package struct NotifierSettingsError: Error, Sendable, Hashable, CustomStringConvertible {
  package var notifier: String
  /// The key below the notifier in config.json, `url` or `to[1]`.
  package var key: String
  package var message: String
  package var remedy: String

  package var description: String { "notifiers.\(notifier).\(key): \(message). \(remedy)" }
}
