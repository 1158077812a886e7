import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

/// Random alerts made of everything that a chat could take for its own.
struct HostileAlerts {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  private static let pieces = [
    "@everyone", "@here", "@channel", "<!channel>", "<!here|here>", "<@U123>", "<#C123>", "<at>you</at>",
    "[x](https://evil.test)", "![x](https://evil.test/p.png)", "<https://evil.test|bank>", "https://evil.test",
    "www.evil.test", "evil.test", "mailto:a@evil.test", "`", "``", "```\n", "*", "**", "_", "__", "~", "~~", "|", "||",
    "&", "&amp;", "&lt;", "<", ">", "\"", "\\", "{{DATE(2017-02-14T06:08:39Z)}}", "${x}", "$", "$x$", "#tag", "# ",
    ":fire:", "\n", "\r\n", "\u{0}", "\u{1B}[31m", "\u{202E}", "\u{2028}", "\u{1F468}\u{200D}\u{1F469}", "🧪",
    "e\u{301}",
    "é", "日本語", "\u{FFFD}", "/cmd", " /start", "1. ", "- ", "> ", "+1", "\"}],\"x\":[{\"", "<b>", "</b>", "a", "water",
    "x1", " ", "  ", "0.5", "(k3v9x2ab)", "'", ";", "!", "%", "=",
  ]

  mutating func text(upTo limit: Int) -> String {
    var text = ""
    let length = Int.random(in: 0...limit, using: &generator)
    let repeated = Self.pieces.randomElement(using: &generator) ?? ""
    let isMonotonous = Int.random(in: 0..<5, using: &generator) == 0
    while text.utf8.count < length {
      text += isMonotonous ? repeated + "a" : Self.pieces.randomElement(using: &generator) ?? ""
    }
    return text
  }

  mutating func next() -> Alert {
    let status = Alert.Status.allCases.randomElement(using: &generator) ?? .event
    let rule = AlertRule.allCases.randomElement(using: &generator) ?? .test
    let length = [20, 200, 2000, 8000].randomElement(using: &generator) ?? 20
    var alert = Alert(
      id: text(upTo: 300), rule: rule, severity: Alert.Severity.allCases.randomElement(using: &generator) ?? .info,
      at: Samples.at, job: Bool.random(using: &generator) ? JobID("k3v9x2ab") : nil, title: text(upTo: length),
      facts: [],
      nextCommand: Bool.random(using: &generator) ? text(upTo: length) : nil, channels: [], status: status,
      labels: ["name": text(upTo: 300), "provider": text(upTo: 20), "tag.a-b": text(upTo: 20), "tag.é.\"": "x"])
    alert.facts = (0..<Int.random(in: 0...70, using: &generator)).map { number in
      let isOurs = Int.random(in: 0..<3, using: &generator) > 0
      return Alert.Fact(isOurs ? "Fact \(number)" : text(upTo: 300), text(upTo: length))
    }
    return alert
  }
}

@Suite("Hostile texts")
struct HostileTextTests {
  /// As `#expect`, which is too slow for some millions of questions.
  private func check(
    _ isRight: Bool, _ text: @autoclosure () -> String = "", _ place: SourceLocation = #_sourceLocation
  ) {
    if !isRight { Issue.record("\(text())", sourceLocation: place) }
  }

  private func each(_ service: Service, _ look: (Alert, Any, [UInt8]) throws -> Void) throws {
    var alerts = HostileAlerts(seed: UInt64(service.rawValue.utf8.reduce(0) { $0 * 31 + UInt64($1) }))
    for _ in 0..<100 {
      let alert = alerts.next()
      let body = try #require(service.channel().request(Samples.message(alert)).body)
      check(String(validating: body, as: UTF8.self) != nil)
      try look(alert, try JSONSerialization.jsonObject(with: Data(body)), body)
    }
  }

  /// What of `text` stands outside of code spans. Every span is closed.
  private func outside(_ text: String) -> String {
    let parts = text.split(separator: "`", omittingEmptySubsequences: false)
    check(parts.count % 2 == 1, "\(text)")
    return parts.enumerated().filter { $0.offset % 2 == 0 }.map { String($0.element) }.joined(separator: "`")
  }

  /// Nothing outside of code could be markup, a mention, a link or an emoji.
  private func expectTame(_ text: String, emphasis: String = "") {
    var rest = outside(text)
    if !emphasis.isEmpty { rest = rest.replacingOccurrences(of: emphasis, with: "") }
    for bad in ["@", "[", "]", "<", "|", "~", "_", "*", "#", "\\", "{", "://", "www.", "evil.test", ":fire:"] {
      check(!rest.contains(bad), "\(bad) in \(text)")
    }
    check(rest.filter { $0 == "$" }.count <= 1, "\(text)")
    for line in rest.split(separator: "\n") {
      check(
        !line.hasPrefix(">") && !line.hasPrefix("- ") && !line.hasPrefix("1. ") && !line.hasPrefix("/"), "\(text)")
    }
  }

  private func string(_ value: Any?, _ keys: String...) throws -> String {
    var value = value
    for key in keys { value = (value as? [String: Any])?[key] }
    return try #require(value as? String)
  }

  @Test("Slack: nothing is read as its own, and all limits are kept")
  func slack() throws {
    try each(.slack) { _, json, _ in
      let message = try #require(json as? [String: Any])
      check(try string(message, "text").count <= 4000)
      let blocks = try #require(message["blocks"] as? [[String: Any]])
      check(blocks.count <= 50)
      var total = 0
      func look(_ value: Any?, _ limit: Int, isTame: Bool = true) throws {
        let object = try #require(value as? [String: Any])
        check(object["type"] as? String == "mrkdwn" && object["verbatim"] as? Bool == true)
        let text = try string(object, "text")
        check((1...limit).contains(text.utf16.count))
        total += text.utf16.count
        check(!text.contains("<") && !text.contains(">"))
        check(isEscaped(text), "\(text)")
        if isTame { expectTame(text, emphasis: "*") }
      }
      for block in blocks {
        switch block["type"] as? String {
        case "section":
          if let text = block["text"] { try look(text, 3000) }
          let fields = block["fields"] as? [Any] ?? []
          check(fields.count <= 10)
          for field in fields { try look(field, 2000) }
        // Of ours alone.
        case "context": for element in block["elements"] as? [Any] ?? [] { try look(element, 3000, isTame: false) }
        default: Issue.record("an unknown block")
        }
      }
      check(total <= 13_000)
      check(isEscaped(try string(message, "text")))
      expectTame(try string(message, "text"))
    }
  }

  /// Each `&` begins one of the three escapes.
  private func isEscaped(_ text: String) -> Bool {
    text.split(separator: "&", omittingEmptySubsequences: false).dropFirst().allSatisfy {
      $0.hasPrefix("amp;") || $0.hasPrefix("lt;") || $0.hasPrefix("gt;")
    }
  }

  @Test("Discord: nobody is mentioned, and all limits are kept")
  func discord() throws {
    try each(.discord) { _, json, _ in
      let message = try #require(json as? [String: Any])
      check((message["allowed_mentions"] as? [String: [String]]) == ["parse": []])
      let embeds = try #require(message["embeds"] as? [[String: Any]])
      let embed = try #require(embeds.first)
      var total = 0
      func count(_ text: String, _ limit: Int) {
        check((1...limit).contains(text.utf16.count))
        total += text.utf16.count
      }
      let title = try string(embed, "title")
      count(title, 256)
      expectTame(title)
      if let description = embed["description"] as? String {
        count(description, 4096)
        expectTame(description)
      }
      let fields = embed["fields"] as? [[String: Any]] ?? []
      check(fields.count <= 25)
      for field in fields {
        count(try string(field, "name"), 256)
        count(try string(field, "value"), 1024)
        expectTame(try string(field, "name"))
        expectTame(try string(field, "value"))
      }
      count(try string(embed, "footer", "text"), 2048)
      check(total <= 6000)
    }
  }

  @Test("Teams: all texts are runs without markup, and it is small enough")
  func teams() throws {
    try each(.teams) { _, json, body in
      check(body.count <= 21_000)
      let attachments = (json as? [String: Any])?["attachments"] as? [[String: Any]]
      let card = try #require(attachments?.first?["content"] as? [String: Any])
      // Other texts of a card may be Markdown.
      check(Set(card.keys) == ["$schema", "type", "version", "body", "msteams"])
      for block in card["body"] as? [[String: Any]] ?? [] {
        check(Set(block.keys) == ["type", "spacing", "inlines"])
        check(block["type"] as? String == "RichTextBlock")
        for run in block["inlines"] as? [[String: Any]] ?? [] { check(run["type"] as? String == "TextRun") }
      }
    }
  }

  @Test("Mattermost: nothing outside of code is markup, and all limits are kept")
  func mattermost() throws {
    try each(.mattermost) { _, json, _ in
      let message = try #require(json as? [String: Any])
      let text = try string(message, "text")
      check(text.utf16.count <= 16_383)
      expectTame(text, emphasis: "**")
      let attachments = try #require(message["attachments"] as? [[String: Any]])
      check(try JSONSerialization.data(withJSONObject: attachments).count <= 16_000)
      let attachment = try #require(attachments.first)
      if let command = attachment["text"] as? String { expectTame(command) }
      for field in attachment["fields"] as? [[String: Any]] ?? [] {
        expectTame(try string(field, "title"))
        expectTame(try string(field, "value"))
      }
    }
  }

  @Test("PagerDuty: all limits are kept")
  func pagerduty() throws {
    try each(.pagerduty) { alert, json, body in
      check(body.count <= 512_000)
      check(try (1...255).contains(string(json, "dedup_key").utf8.count) || alert.incident.isEmpty)
      guard alert.status != .resolved, alert.status != .acknowledged else { return }
      check(try (1...1024).contains(string(json, "payload", "summary").utf16.count))
      let severity = try string(json, "payload", "severity")
      check(["critical", "error", "warning", "info"].contains(severity))
      check(try !string(json, "payload", "source").isEmpty)
    }
  }

  @Test("Telegram: what it could make a link of is code, and all limits are kept")
  func telegram() throws {
    try each(.telegram) { _, json, _ in
      let text = try string(json, "text")
      let units = Array(text.utf16)
      check((1...4096).contains(units.count))
      let entities = try #require((json as? [String: Any])?["entities"] as? [[String: Any]])
      check(entities.count <= 100)
      var end = 0
      var plain: [UInt16] = []
      for entity in entities {
        let offset = try #require(entity["offset"] as? Int)
        let length = try #require(entity["length"] as? Int)
        check(offset >= end && length > 0 && offset + length <= units.count)
        // Never in the middle of a character.
        for place in [offset, offset + length] where place < units.count {
          check(!UTF16.isTrailSurrogate(units[place]))
        }
        plain += units[end..<offset]
        if entity["type"] as? String != "code" { plain += units[offset..<offset + length] }
        end = offset + length
      }
      plain += units[end...]
      let seen = String(decoding: plain, as: UTF16.self)
      for bad in ["@", "evil.test", "#tag", "://", " /", "\n/"] { check(!seen.contains(bad), "\(bad) in \(seen)") }
      check(text.first?.isWhitespace == false && text.last?.isWhitespace == false)
    }
  }

  @Test("ntfy, Gotify, Apprise: all limits are kept, and Apprise finds nobody to mention")
  func plain() throws {
    try each(.ntfy) { _, json, _ in
      check(try (1..<4096).contains(string(json, "message").utf8.count))
      check(try (1...250).contains(string(json, "title").utf16.count))
      let sequence = try string(json, "sequence_id")
      check(
        (1...64).contains(sequence.utf8.count)
          && sequence.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) })
    }
    try each(.gotify) { _, json, _ in
      let message = try string(json, "message")
      check((1...8000).contains(message.utf8.count))
    }
    try each(.apprise) { _, json, _ in
      for key in ["title", "body"] {
        let scalars = Array(try string(json, key).unicodeScalars)
        check(!scalars.isEmpty)
        for (scalar, next) in zip(scalars, scalars.dropFirst()) where scalar == "@" || scalar == "<" {
          check(next == "\u{200B}")
        }
      }
    }
  }

  @Test("Alertmanager: labels are labels, and no alert ends before it begins")
  func alertmanager() throws {
    try each(.alertmanager) { alert, json, _ in
      let alerts = try #require(json as? [[String: Any]])
      let one = try #require(alerts.first)
      let labels = try #require(one["labels"] as? [String: String])
      for name in labels.keys { check(name.wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil, "\(name)") }
      let end = try string(one, "endsAt")
      if alert.status == .resolved {
        check(one["startsAt"] == nil && end <= Samples.at.iso8601(milliseconds: true))
      } else {
        check(try string(one, "startsAt") < end)
      }
    }
  }

  @Test("what is cut ends with an ellipsis, and what is left out is counted", arguments: Service.allCases)
  func cutting(_ service: Service) throws {
    var alert = Samples.alert
    alert.title = String(repeating: "🧪", count: 4000)
    alert.facts = (0..<100).map { .init("Fact \($0)", String(repeating: "x", count: 5000)) }
    let body = String(decoding: try #require(service.channel().request(Samples.message(alert)).body), as: UTF8.self)
    check(body.contains("🧪…") && !body.contains("\u{FFFD}"))
    check(body.contains("x…") && body.contains("left out"))
    let whole = String(decoding: try #require(service.channel().request(Samples.message).body), as: UTF8.self)
    check(!whole.contains("…") && !whole.contains("left out"))
  }
}
