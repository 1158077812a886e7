/// One notifier of config.json, as plain values: the room of the notifiers makes an actor of it.
package struct ChannelSettings: Sendable, Hashable {
  package enum MailSecurity: String, Sendable, CaseIterable {
    case tls
    case starttls
    case plain

    /// The port that servers listen on for it (RFC 8314, RFC 6409, RFC 5321).
    package var standardPort: Int {
      switch self {
      case .tls: 465
      case .starttls: 587
      case .plain: 25
      }
    }
  }

  package struct Webhook: Sendable, Hashable {
    package var url: PlainOrSecret
    /// The signing keys, the newest first.
    package var secrets: [SecretReference]
    package var headers: [String: PlainOrSecret]
    package var timeout: Duration
    package var allowPrivate: Bool
    package var caFile: String?
  }

  package struct Email: Sendable, Hashable {
    package var host: String
    package var port: Int
    package var security: MailSecurity
    package var username: String?
    package var password: SecretReference?
    package var from: String
    package var to: [String]
    package var timeout: Duration
    package var caFile: String?
  }

  package enum Kind: Sendable, Hashable {
    case webhook(Webhook)
    case email(Email)
  }

  package var name: String
  package var kind: Kind

  /// `webhook`, `email`: the text of `type`.
  package var type: String {
    switch kind {
    case .webhook: "webhook"
    case .email: "email"
    }
  }

  /// Every secret that the channel needs, with the key that refers to it.
  package var secrets: [(path: String, reference: SecretReference)] {
    let here = "notifiers.\(name)"
    switch kind {
    case .webhook(let webhook):
      var all = webhook.secrets.enumerated().map { ("\(here).secrets[\($0.offset)]", $0.element) }
      if case .secret(let reference) = webhook.url { all.append(("\(here).url", reference)) }
      for (header, value) in webhook.headers.sorted(by: { $0.key < $1.key }) {
        if case .secret(let reference) = value { all.append(("\(here).headers.\(header)", reference)) }
      }
      return all
    case .email(let email): return email.password.map { [("\(here).password", $0)] } ?? []
    }
  }
}
