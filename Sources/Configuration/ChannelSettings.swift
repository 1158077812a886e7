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

  /// What every service that is reached over HTTP has.
  package struct Service: Sendable, Hashable {
    package var url: PlainOrSecret
    package var headers: [String: PlainOrSecret]
    package var timeout: Duration
    package var allowPrivate: Bool
    package var caFile: String?

    package init(
      url: PlainOrSecret, headers: [String: PlainOrSecret] = [:], timeout: Duration, allowPrivate: Bool = false,
      caFile: String? = nil
    ) {
      self.url = url
      self.headers = headers
      self.timeout = timeout
      self.allowPrivate = allowPrivate
      self.caFile = caFile
    }
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
    /// The signing keys, the newest first.
    case webhook(Service, secrets: [SecretReference], cloudEvents: Bool, body: JSONNode?)
    case email(Email)
    case slack(Service)
    case discord(Service)
    case teams(Service)
    case mattermost(Service, channel: String?)
    case pagerduty(Service, routingKey: SecretReference)
    case telegram(Service, token: SecretReference, chat: String, thread: Int?)
    case ntfy(Service, topic: PlainOrSecret, token: SecretReference?)
    case gotify(Service, token: SecretReference)
    case alertmanager(Service, hold: Duration, eventHold: Duration)
    case apprise(Service, tag: String?)
    /// A program and its arguments.
    case command([String], timeout: Duration)
  }

  package var name: String
  package var kind: Kind
  /// Other words for what goes through it.
  package var template = MessageTexts()

  /// `webhook`, `email`, …: the text of `type`.
  package var type: String {
    switch kind {
    case .webhook: "webhook"
    case .email: "email"
    case .slack: "slack"
    case .discord: "discord"
    case .teams: "teams"
    case .mattermost: "mattermost"
    case .pagerduty: "pagerduty"
    case .telegram: "telegram"
    case .ntfy: "ntfy"
    case .gotify: "gotify"
    case .alertmanager: "alertmanager"
    case .apprise: "apprise"
    case .command: "command"
    }
  }

  /// Whether it is told that somebody has taken note of an alert.
  package var takesAcknowledgements: Bool { if case .pagerduty = kind { true } else { false } }

  /// Every secret that the channel needs, with the key that refers to it.
  package var secrets: [(path: String, reference: SecretReference)] {
    let own: [(key: String, reference: SecretReference?)] =
      switch kind {
      case .webhook(_, let secrets, _, _): secrets.enumerated().map { ("secrets[\($0.offset)]", $0.element) }
      case .email(let email): [("password", email.password)]
      case .pagerduty(_, let key): [("routing_key", key)]
      case .telegram(_, let token, _, _), .gotify(_, let token): [("token", token)]
      case .ntfy(_, let topic, let token): [("topic", topic.reference), ("token", token)]
      case .slack, .discord, .teams, .mattermost, .alertmanager, .apprise, .command: []
      }
    var all = own
    if let service {
      all.append(("url", service.url.reference))
      for (header, value) in service.headers.sorted(by: { $0.key < $1.key }) {
        all.append(("headers.\(header)", value.reference))
      }
    }
    return all.compactMap { each in each.reference.map { ("notifiers.\(name).\(each.key)", $0) } }
  }

  /// How it is reached, if over HTTP.
  private var service: Service? {
    switch kind {
    case .webhook(let service, _, _, _), .slack(let service), .discord(let service), .teams(let service),
      .mattermost(let service, _), .pagerduty(let service, _), .telegram(let service, _, _, _),
      .ntfy(let service, _, _), .gotify(let service, _), .alertmanager(let service, _, _), .apprise(let service, _):
      service
    case .email, .command: nil
    }
  }
}
