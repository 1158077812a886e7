extension ConfigurationSchema {
  /// The channels that carry alerts, by their `type`.
  static let notifiers: [Schema.Variant] = variants.map { variant in
    var variant = variant
    variant.fields.fields.append(template)
    return variant
  }

  private static let template = Schema.Field(
    "template", .object(messageTexts), "Other words for alerts on this channel; they go before `alerts.templates`.")

  private static let variants: [Schema.Variant] = [
    Schema.Variant(
      "webhook", "Posts JSON that is signed by the Standard Webhooks scheme.",
      [
        Schema.Field(
          "url", .textOrSecret(.webURL), required: true,
          "Where to. Better a secret if the address itself opens the door."),
        Schema.Field(
          "secrets", .list(.secret, atLeast: 0), standard: .array([]),
          "The signing keys (`whsec_…`), the newest first; with several, each signs, so keys can be exchanged without a gap."
        ), headers,
        Schema.Field(
          "cloudevents", .boolean, standard: .bool(false),
          "Whether each message is a CloudEvent too (`ce-id` and the others, in binary mode)."),
        Schema.Field(
          "body", .document,
          "What is posted in place of the ordinary JSON: any JSON with templates in its texts, or one text, which is sent as plain text."
        ),
      ] + connection),
    Schema.Variant(
      "email", "Sends mail through an SMTP server.",
      [
        Schema.Field("host", .text(.host), required: true, "The server."),
        Schema.Field(
          "port", .integer(1...65_535), "The port; otherwise 465 for `tls`, 587 for `starttls`, 25 for `plain`."),
        Schema.Field(
          "security", .text(.choice(ChannelSettings.MailSecurity.allCases.map(\.rawValue))), standard: "starttls",
          "`tls` from the first byte, `starttls` required before anything is said, or `plain` without encryption."),
        Schema.Field("username", .text(.line), "The account; goes with `password`."),
        Schema.Field(
          "password", .secret, "Its password. Never sent over an unencrypted connection, except to this machine."),
        Schema.Field("from", .text(.mailbox), required: true, "The sender's address."),
        Schema.Field("to", .oneOrMany(.text(.mailbox)), required: true, "The receiver's address, or a list of them."),
        duration("timeout", .seconds(30), .milliseconds(100)...hours(1), "How long the server may take."),
        caFile,
      ]),
    Schema.Variant("slack", "Posts to a channel of Slack through an incoming webhook.", [hook("Slack")] + connection),
    Schema.Variant("discord", "Posts to a channel of Discord through a webhook.", [hook("Discord")] + connection),
    Schema.Variant(
      "teams", "Posts to a channel or chat of Microsoft Teams through a workflow.",
      [hook("the workflow")] + connection),
    Schema.Variant(
      "mattermost", "Posts to a channel of Mattermost through an incoming webhook.",
      [
        hook("Mattermost"),
        Schema.Field("channel", .text(.line), "Another channel than the webhook's own, by its name in addresses."),
      ] + connection),
    Schema.Variant(
      "pagerduty", "Opens and closes incidents of PagerDuty (Events API v2).",
      [
        Schema.Field("routing_key", .secret, required: true, "The integration key of a service."),
        server(
          "https://events.pagerduty.com/v2/enqueue",
          "The European region has `https://events.eu.pagerduty.com/v2/enqueue`."),
      ] + connection),
    Schema.Variant(
      "telegram", "Writes to a chat of Telegram as a bot.",
      [
        Schema.Field("token", .secret, required: true, "The bot's token, from @BotFather."),
        Schema.Field(
          "chat", .text(.telegramChat), required: true,
          "The number of the chat, as a text, or `@name` of a public channel."
        ),
        Schema.Field("thread", .integer(1...Int.max), "A topic of the chat, by its number."),
        server("https://api.telegram.org", "The server of the Bot API."),
      ] + connection),
    Schema.Variant(
      "ntfy", "Publishes to a topic of ntfy.",
      [
        Schema.Field(
          "topic", .textOrSecret(.ntfyTopic), required: true,
          "The topic. Better a secret: who knows it can read it, unless the server asks for a token."),
        Schema.Field("token", .secret, "An access token, if the topic needs one."),
        server("https://ntfy.sh", "The server."),
      ] + [headers] + connection),
    Schema.Variant(
      "gotify", "Sends to a Gotify server.",
      [
        Schema.Field("url", .textOrSecret(.webURL), required: true, "The server."),
        Schema.Field("token", .secret, required: true, "The token of an application."), headers,
      ] + connection),
    Schema.Variant(
      "alertmanager", "Tells a Prometheus Alertmanager, which then tells people.",
      [
        Schema.Field(
          "url", .textOrSecret(.webURL), required: true, "The server, without `/api/v2/alerts`."),
        duration(
          "hold", .seconds(7 * 86_400), .seconds(60)...hours(8760),
          "How long it takes an alert for firing without hearing of it again. Longer than `alerts.repeat_after`, if that is set."
        ),
        duration(
          "event_hold", .seconds(3600), .seconds(60)...hours(168),
          "How long it shows what has merely happened, such as a failed job."),
        headers,
      ] + connection),
    Schema.Variant(
      "apprise", "Hands alerts to an Apprise API server, which passes them on.",
      [
        Schema.Field(
          "url", .textOrSecret(.webURL), required: true,
          "Where to, as `http://HOST:8000/notify/KEY`. Better a secret if the key opens the door."),
        Schema.Field("tag", .text(.line), "Only the services with this tag; several with commas between them."),
        headers,
      ] + connection),
    Schema.Variant(
      "command", "Runs a program, which gets the alert as JSON on its standard input.",
      [
        Schema.Field(
          "command", .list(.text(.line), atLeast: 1), required: true,
          "The program and its arguments, without a shell. Not for secrets: other users of this machine see them."),
        duration("timeout", .seconds(30), .milliseconds(100)...hours(1), "After this long it is killed."),
      ]),
  ]

  /// An address that is the key to a channel.
  private static func hook(_ service: String) -> Schema.Field {
    Schema.Field(
      "url", .textOrSecret(.webURL), required: true,
      "The address that \(service) gave you. Better a secret: whoever has it can post.")
  }

  private static func server(_ standard: String, _ meaning: String) -> Schema.Field {
    Schema.Field("url", .textOrSecret(.webURL), standard: .string(standard), meaning)
  }

  private static let headers = Schema.Field(
    "headers", .map(keys: .header, values: .textOrSecret(.line), sensitiveKeys: true), standard: .object([]),
    "Further headers. One that carries a token must be a secret.")

  private static let caFile = Schema.Field(
    "ca_file", .text(.path), "Certificates to trust instead of the system's, in PEM.")

  /// How any service is reached over HTTP.
  private static let connection = [
    duration("timeout", .seconds(15), .milliseconds(100)...hours(1), "How long the receiver may take."),
    Schema.Field(
      "allow_private", .boolean, standard: .bool(false),
      "Whether the address may lie in a private network or on this machine."), caFile,
  ]
}
