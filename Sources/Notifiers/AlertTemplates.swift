package import JobModel
internal import Transport

/// What an alert says in place of its own title and facts. Pure.
///
/// It is applied before an alert is laid out for its channel, so whatever a value or the template holds is escaped there
/// like any other text.
package struct MessageTemplate: Sendable, Hashable {
  /// A line of the text: what stands behind its label.
  package struct Line: Sendable, Hashable {
    /// What people read in front of it; nil continues the line before.
    package var label: String?
    package var template: AlertTemplate
  }

  package var title: AlertTemplate?
  package var lines: [Line]?

  package init(title: AlertTemplate? = nil, lines: [Line]? = nil) {
    self.title = title
    self.lines = lines
  }

  /// - Parameter text: a line each; one that begins with a label, `Cost: …`, is a fact with this label. The label must
  ///   be text, so that no value can make one.
  package init(title: String?, text: String?) throws(AlertTemplate.Flaw) {
    if let title { self.title = try AlertTemplate(title) }
    guard let text else { return }
    var lines: [Line] = []
    for line in text.split(whereSeparator: \.isNewline) { lines.append(try Self.line(String(line))) }
    self.lines = lines
  }

  private static func line(_ text: String) throws(AlertTemplate.Flaw) -> Line {
    let template = try AlertTemplate(text)
    guard case .text(let first) = template.pieces.first, let colon = first.firstRange(of: ": "),
      (1...60).contains(first[..<colon.lowerBound].utf8.count)
    else { return Line(label: nil, template: template) }
    let rest = String(first[colon.upperBound...])
    let pieces = (rest.isEmpty ? [] : [.text(rest)]) + template.pieces.dropFirst()
    return Line(label: String(first[..<colon.lowerBound]), template: AlertTemplate(pieces: pieces))
  }

  /// One printable line, since a value may be a whole log.
  static func value(_ text: String) -> String { Redactor.printable(Redactor.bounded(text, limit: 4096)) }

  package func applied(to alert: Alert) -> Alert {
    var result = alert
    if let title { result.title = title.text(for: alert, value: Self.value) }
    if let lines {
      var facts: [Alert.Fact] = []
      for line in lines {
        let text = line.template.text(for: alert, value: Self.value)
        if let label = line.label {
          facts.append(Alert.Fact(label, text))
        } else if facts.isEmpty {
          facts.append(Alert.Fact("What", text))
        } else {
          facts[facts.count - 1].value += " " + text
        }
      }
      result.facts = facts
    }
    return result
  }
}

/// The templates that hold on one channel. What is not said more closely is said for all.
package struct AlertTemplates: Sendable, Hashable {
  package var all = MessageTemplate()
  package var rules: [AlertRule: MessageTemplate] = [:]
  /// The channel's own; it goes before the others.
  package var channel = MessageTemplate()

  package init() {}

  package var isEmpty: Bool {
    ([all, channel] + rules.values).allSatisfy { $0.title == nil && $0.lines == nil }
  }

  /// The alert with its own id, links and state, in other words.
  package func applied(to alert: Alert) -> Alert {
    // A digest names others: what fits one alert would hide them.
    if alert.rule == .digest { return (rules[.digest] ?? MessageTemplate()).applied(to: alert) }
    let rule = rules[alert.rule] ?? MessageTemplate()
    return MessageTemplate(
      title: channel.title ?? rule.title ?? all.title, lines: channel.lines ?? rule.lines ?? all.lines
    ).applied(to: alert)
  }
}

/// A channel whose alerts are put into other words first.
package actor TemplatedNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind: String
  package nonisolated let destination: String
  package nonisolated let limit: TokenBucket.Limit?
  package nonisolated let takesDigests: Bool
  package nonisolated let takesAcknowledgements: Bool

  private let inner: any Notifier
  private let templates: AlertTemplates

  package init(_ inner: any Notifier, templates: AlertTemplates) {
    self.inner = inner
    self.templates = templates
    name = inner.name
    kind = inner.kind
    destination = inner.destination
    limit = inner.limit
    takesDigests = inner.takesDigests
    takesAcknowledgements = inner.takesAcknowledgements
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    var message = message
    message.alert = templates.applied(to: message.alert)
    return await inner.deliver(message)
  }
}
