package import JobModel
internal import Transport

/// What a webhook posts in place of the ordinary JSON. Pure.
package indirect enum WebhookBody: Sendable, Hashable {
  case null
  case bool(Bool)
  /// The digits of a valid JSON number.
  case number(String)
  /// A text with fields in it; their values are escaped as JSON demands, so no value can end the text.
  case text(AlertTemplate)
  case array([WebhookBody])
  case object([Member])

  package struct Member: Sendable, Hashable {
    package var key: String
    package var value: WebhookBody

    package init(_ key: String, _ value: WebhookBody) {
      self.key = key
      self.value = value
    }
  }

  /// A body that is one text is sent as it is, anything else as JSON.
  var contentType: String {
    if case .text = self { "text/plain; charset=utf-8" } else { "application/json" }
  }

  func bytes(for alert: Alert) -> [UInt8] {
    if case .text(let template) = self { return Array(Self.text(template, alert).utf8) }
    return JSONText.bytes(json(for: alert))
  }

  private static func text(_ template: AlertTemplate, _ alert: Alert) -> String {
    template.text(for: alert, value: MessageTemplate.value)
  }

  private func json(for alert: Alert) -> JSONText.Value {
    switch self {
    case .null: .null
    case .bool(let value): .bool(value)
    case .number(let digits): .number(digits)
    case .text(let template): .string(Self.text(template, alert))
    case .array(let items): .array(items.map { $0.json(for: alert) })
    case .object(let members): .object(members.map { ($0.key, $0.value.json(for: alert)) })
    }
  }
}
