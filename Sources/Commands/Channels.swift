internal import Configuration
internal import JobModel
package import Notifiers
internal import Synchronization
internal import Transport

/// Makes the notifiers of config.json. A channel that can't be made (its secret is missing) says so when it is used.
enum Channels {
  /// What the channels send by; no thread starts before the first message.
  ///
  /// HTTP has one client for all. A mail client sends one message after the other, so each channel has its own: a mail
  /// server that hangs delays no other.
  final class Clients: Sendable {
    let http = HTTPClient()
    private let mail = Mutex<[String: SMTPClient]>([:])

    /// The same one for a channel's name, also after the configuration was read anew.
    func smtp(for channel: String) -> SMTPClient {
      mail.withLock { clients in
        if let client = clients[channel] { return client }
        let client = SMTPClient()
        clients[channel] = client
        return client
      }
    }

    func shutdown() async {
      let mail = mail.withLock { Array($0.values) }
      await withDiscardingTaskGroup { group in
        group.addTask { [http] in await http.shutdown() }
        // Each may take a second to let go of a server that hangs.
        for client in mail { group.addTask { await client.shutdown() } }
      }
    }
  }

  /// Fetches the secrets of the channels, which may take seconds, and makes their notifiers.
  ///
  /// - Parameters:
  ///   - name: only this channel; nobody is asked for the secrets of the others.
  ///   - report: told of each channel that can't be used, and why.
  static func make(
    _ context: CommandContext, only name: String? = nil, clients: Clients, report: (String) -> Void
  ) async -> [any Notifier] {
    var notifiers: [any Notifier] = []
    for channel in context.settings.notifiers where name == nil || channel.name == name {
      do {
        let settings = try await settings(channel, environment: context.environment)
        let notifier = try makeNotifier(
          name: channel.name, settings: settings, http: clients.http, smtp: clients.smtp(for: channel.name))
        let templates = try templates(channel, context.settings.alerts.templates)
        notifiers.append(templates.isEmpty ? notifier : TemplatedNotifier(notifier, templates: templates))
      } catch {
        report("notifiers.\(channel.name): \(error)")
        notifiers.append(UnusableNotifier(name: channel.name, kind: channel.type, problem: "\(error)"))
      }
    }
    return notifiers
  }

  private static func settings(
    _ channel: ChannelSettings, environment: [String: String]
  ) async throws -> NotifierSettings {
    let secrets = SecretFetcher(environment: environment)
    switch channel.kind {
    case .webhook(let service, let references, let cloudEvents, let body):
      var keys: [Secret] = []
      for reference in references { keys.append(try await secrets.get(reference)) }
      return .webhook(
        WebhookSettings(
          try await secrets.connection(service), secrets: keys, cloudEvents: cloudEvents,
          body: try body.map { try WebhookBody($0) }))
    case .email(let email):
      return .email(
        EmailSettings(
          host: email.host, port: email.port, security: security(email.security), username: email.username,
          password: try await secrets.get(email.password), from: email.from, to: email.to, timeout: email.timeout,
          caFile: email.caFile))
    case .slack(let service): return .service(SlackChannel(try await secrets.connection(service)))
    case .discord(let service): return .service(DiscordChannel(try await secrets.connection(service)))
    case .teams(let service): return .service(TeamsChannel(try await secrets.connection(service)))
    case .mattermost(let service, let channel):
      return .service(MattermostChannel(try await secrets.connection(service), channel: channel))
    case .pagerduty(let service, let key):
      return .service(
        PagerDutyChannel(routingKey: try await secrets.get(key), connection: try await secrets.connection(service)))
    case .telegram(let service, let token, let chat, let thread):
      return .service(
        TelegramChannel(
          token: try await secrets.get(token), chat: chat, thread: thread,
          connection: try await secrets.connection(service)))
    case .ntfy(let service, let topic, let token):
      return .service(
        NtfyChannel(
          topic: try await secrets.get(topic), token: try await secrets.get(token),
          connection: try await secrets.connection(service)))
    case .gotify(let service, let token):
      return .service(GotifyChannel(try await secrets.connection(service), token: try await secrets.get(token)))
    case .alertmanager(let service, let hold, let eventHold):
      return .service(AlertmanagerChannel(try await secrets.connection(service), hold: hold, eventHold: eventHold))
    case .apprise(let service, let tag):
      return .service(AppriseChannel(try await secrets.connection(service), tag: tag))
    case .command(let words, let timeout):
      return .command(CommandSettings(words: words, environment: environment, timeout: timeout))
    }
  }

  /// - Throws: `AlertTemplate.Flaw`, if the check of the configuration let something pass.
  private static func templates(
    _ channel: ChannelSettings, _ common: Settings.MessageTemplates
  ) throws -> AlertTemplates {
    func template(_ texts: MessageTexts) throws -> MessageTemplate {
      try MessageTemplate(title: texts.title, text: texts.text)
    }
    var templates = AlertTemplates()
    templates.all = try template(common.all)
    templates.rules = try common.rules.mapValues(template)
    templates.channel = try template(channel.template)
    return templates
  }

  private static func security(_ security: ChannelSettings.MailSecurity) -> SMTPRequest.Security {
    switch security {
    case .tls: .tls
    case .starttls: .startTLS
    case .plain: .plain
    }
  }
}

extension WebhookBody {
  /// - Throws: `AlertTemplate.Flaw`, if the check of the configuration let something pass.
  fileprivate init(_ node: JSONNode) throws {
    self =
      switch node.value {
      case .null: .null
      case .bool(let value): .bool(value)
      case .number(let digits): .number(digits)
      case .string(let text): .text(try AlertTemplate(text))
      case .array(let items): .array(try items.map { try WebhookBody($0) })
      case .object(let members): .object(try members.map { Member($0.key, try WebhookBody($0.node)) })
      }
  }
}

/// Fetches the secrets of one channel.
private struct SecretFetcher {
  let environment: [String: String]

  func get(_ reference: SecretReference) async throws -> Secret {
    Secret(try await reference.resolve(environment: environment))
  }

  func get(_ reference: SecretReference?) async throws -> Secret? {
    guard let reference else { return nil }
    return Secret(try await reference.resolve(environment: environment))
  }

  func get(_ value: PlainOrSecret) async throws -> Secret {
    switch value {
    case .plain(let text): Secret(text)
    case .secret(let reference): try await get(reference)
    }
  }

  func connection(_ service: ChannelSettings.Service) async throws -> HTTPConnection {
    var headers: [HTTPRequest.Header] = []
    for (name, value) in service.headers.sorted(by: { $0.key < $1.key }) {
      headers.append(.init(name, try await get(value)))
    }
    return HTTPConnection(
      try await get(service.url), headers: headers, timeout: service.timeout, allowPrivate: service.allowPrivate,
      caFile: service.caFile)
  }
}

/// Stands for a channel that could not be made. Its messages wait: the secret may be there after the next start.
package actor UnusableNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind: String
  private let problem: String

  package init(name: String, kind: String, problem: String) {
    self.name = name
    self.kind = kind
    self.problem = problem
  }

  package nonisolated var destination: String { "-" }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    .retry("not usable: \(problem)", after: .seconds(60))
  }
}
