/// Makes the typed settings of one notifier of its keys, with their defaults.
struct ChannelBuilder {
  let node: JSONNode
  let fields: Schema.Fields
  let path: String
  private(set) var mistakes = MistakeList()

  init(node: JSONNode, fields: Schema.Fields, path: String) {
    self.node = node
    self.fields = fields
    self.path = path
  }

  /// Nil, with a mistake, if this code does not know the type.
  mutating func kind(_ type: String) -> ChannelSettings.Kind? {
    switch type {
    case "webhook":
      return .webhook(
        service(), secrets: (node("secrets")?.items ?? []).compactMap { take("secrets", ValueReader.secret($0)) },
        cloudEvents: read("cloudevents", false, ValueReader.boolean), body: node("body"))
    case "email": return .email(email())
    case "slack": return .slack(service())
    case "discord": return .discord(service())
    case "teams": return .teams(service())
    case "mattermost": return .mattermost(service(), channel: node("channel")?.string)
    case "pagerduty": return .pagerduty(service(), routingKey: secret("routing_key"))
    case "telegram":
      return .telegram(
        service(), token: secret("token"), chat: read("chat", "") { ValueReader.text($0, .telegramChat) },
        thread: node("thread").flatMap { take("thread", ValueReader.integer($0, 1...Int.max)) })
    case "ntfy":
      return .ntfy(
        service(), topic: read("topic", .plain("")) { ValueReader.textOrSecret($0, .ntfyTopic) },
        token: node("token").flatMap { take("token", ValueReader.secret($0)) })
    case "gotify": return .gotify(service(), token: secret("token"))
    case "alertmanager":
      return .alertmanager(service(), hold: duration("hold"), eventHold: duration("event_hold"))
    case "apprise": return .apprise(service(), tag: node("tag")?.string)
    case "command":
      let words = (node("command")?.items ?? []).compactMap { take("command", ValueReader.text($0, .line)) }
      return .command(words, timeout: duration("timeout"))
    default:
      mistakes.add("\(path).type", "\(type) is described, but not understood")
      return nil
    }
  }

  // MARK: Parts

  private mutating func service() -> ChannelSettings.Service {
    var headers: [String: PlainOrSecret] = [:]
    for member in node("headers")?.members ?? [] {
      headers[member.key] = take("headers", ValueReader.textOrSecret(member.node, .line)) ?? .plain("")
    }
    return ChannelSettings.Service(
      url: read("url", .plain("")) { ValueReader.textOrSecret($0, .webURL) }, headers: headers,
      timeout: duration("timeout"), allowPrivate: read("allow_private", false, ValueReader.boolean),
      caFile: node("ca_file")?.string)
  }

  private mutating func email() -> ChannelSettings.Email {
    let security = ChannelSettings.MailSecurity(rawValue: node("security")?.string ?? "") ?? .starttls
    let to = node("to").map { $0.items ?? [$0] } ?? []
    return ChannelSettings.Email(
      host: read("host", "") { ValueReader.text($0, .host) },
      port: node("port") == nil
        ? security.standardPort : read("port", security.standardPort) { ValueReader.integer($0, 1...65_535) },
      security: security, username: node("username")?.string,
      password: node("password").flatMap { take("password", ValueReader.secret($0)) },
      from: read("from", "") { ValueReader.text($0, .mailbox) },
      to: to.compactMap { take("to", ValueReader.text($0, .mailbox)) }, timeout: duration("timeout"),
      caFile: node("ca_file")?.string)
  }

  private mutating func duration(_ key: String) -> Duration { read(key, .zero, SettingsBuilder.anyDuration) }

  private mutating func secret(_ key: String) -> SecretReference { read(key, .environment(""), ValueReader.secret) }

  // MARK: Values

  private func node(_ key: String) -> JSONNode? { node[key] ?? fields[key]?.standard }

  private mutating func read<Value>(_ key: String, _ fallback: Value, _ reader: (JSONNode) -> Reading<Value>) -> Value {
    guard let node = node(key) else {
      mistakes.add("\(path).\(key)", "has no value and no default")
      return fallback
    }
    return take(key, reader(node)) ?? fallback
  }

  private mutating func take<Value>(_ key: String, _ reading: Reading<Value>) -> Value? {
    switch reading {
    case .value(let value): return value
    case .problem(let problem):
      mistakes.add("\(path).\(key)", problem)
      return nil
    }
  }
}
