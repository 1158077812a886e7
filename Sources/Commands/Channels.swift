internal import Configuration
internal import JobModel
package import Notifiers
internal import Transport

/// Makes the notifiers of config.json. A channel that can't be made (its secret is missing) says so when it is used.
enum Channels {
  /// The clients that all channels share; they start no thread before the first message.
  struct Clients: Sendable {
    let http = HTTPClient()
    let smtp = SMTPClient()

    func shutdown() async {
      await http.shutdown()
      await smtp.shutdown()
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
        notifiers.append(
          try makeNotifier(name: channel.name, settings: settings, http: clients.http, smtp: clients.smtp))
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
    switch channel.kind {
    case .webhook(let webhook):
      var secrets: [Secret] = []
      for reference in webhook.secrets { secrets.append(Secret(try await reference.resolve(environment: environment))) }
      var headers: [HTTPRequest.Header] = []
      for (name, value) in webhook.headers.sorted(by: { $0.key < $1.key }) {
        headers.append(.init(name, try await resolve(value, environment)))
      }
      return .webhook(
        WebhookSettings(
          url: try await resolve(webhook.url, environment), secrets: secrets, headers: headers,
          timeout: webhook.timeout, allowPrivate: webhook.allowPrivate, caFile: webhook.caFile))
    case .email(let email):
      return .email(
        EmailSettings(
          host: email.host, port: email.port, security: security(email.security), username: email.username,
          password: try await password(email, environment), from: email.from, to: email.to, timeout: email.timeout,
          caFile: email.caFile))
    }
  }

  private static func password(_ email: ChannelSettings.Email, _ environment: [String: String]) async throws -> Secret?
  {
    guard let reference = email.password else { return nil }
    return Secret(try await reference.resolve(environment: environment))
  }

  private static func security(_ security: ChannelSettings.MailSecurity) -> SMTPRequest.Security {
    switch security {
    case .tls: .tls
    case .starttls: .startTLS
    case .plain: .plain
    }
  }

  private static func resolve(_ value: PlainOrSecret, _ environment: [String: String]) async throws -> Secret {
    switch value {
    case .plain(let text): Secret(text)
    case .secret(let reference): Secret(try await reference.resolve(environment: environment))
    }
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
