internal import JobModel

/// What a text of the configuration may be.
package struct TextRule: Sendable {
  /// Names the kind in messages and in documentation: `a path`.
  package var kind: String
  /// All allowed texts, if they are few.
  package var choices: [String]?
  /// The same rule as a regular expression for the JSON Schema; nil if there is none that says it.
  package var pattern: String?
  /// Whether the text may hold something secret, so that it is never shown.
  package var sensitive: Bool
  /// What is wrong with a text, or nil. The answer does not repeat the text.
  package var problem: @Sendable (String) -> String?

  package init(
    kind: String, choices: [String]? = nil, pattern: String? = nil, sensitive: Bool = false,
    problem: @escaping @Sendable (String) -> String? = { _ in nil }
  ) {
    self.kind = kind
    self.choices = choices
    self.pattern = pattern
    self.sensitive = sensitive
    self.problem = problem
  }
}

extension TextRule {
  /// Any text that is not empty and has no control characters.
  package static let line = TextRule(kind: "text", pattern: #"^[^\u0000-\u001f\u007f]+$"#) { plainLine($0) }

  package static func choice(_ choices: [String]) -> TextRule {
    TextRule(kind: choices.joined(separator: ", "), choices: choices)
  }

  package static let path = TextRule(kind: "path", pattern: #"^[^\u0000-\u001f\u007f]+$"#) { plainLine($0) }

  /// A span of hours of the week, for `QuietHours`.
  package static let quietHours = TextRule(
    kind: "span of hours", pattern: #"^([A-Za-z,-]+ )?[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}( [!-~]+)?$"#
  ) { text in
    QuietHours(text) == nil
      ? "is no span of hours; write it like 22:00-07:00 or Mon-Fri 22:00-07:00 Europe/Berlin" : nil
  }

  /// The name of a notifier: it appears in the database, on the command line, and in paths.
  package static let name = TextRule(kind: "name", pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$") { text in
    let good =
      (1...64).contains(text.utf8.count) && text.utf8.first.map(isAlphanumeric) == true
      && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    return good ? nil : "is not a name; use letters, digits, _ and -, at most 64"
  }

  /// The name of an environment variable (POSIX 8.1).
  package static let variable = TextRule(kind: "variable name", pattern: "^[A-Za-z_][A-Za-z0-9_]*$") { text in
    let good =
      !text.isEmpty && text.utf8.count <= 255 && text.utf8.first.map { !(48...57).contains($0) } == true
      && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
    return good ? nil : "is not the name of an environment variable"
  }

  /// The name of an HTTP header field: a token of RFC 9110.
  package static let header = TextRule(kind: "header name", pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") { text in
    let extra = Array("!#$%&'*+-.^_`|~".utf8)
    let good = (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { isAlphanumeric($0) || extra.contains($0) }
    return good ? nil : "is not the name of a header"
  }

  package static let host = TextRule(kind: "host name or address", pattern: #"^[A-Za-z0-9.:_\[\]-]+$"#) { text in
    let extra = Array(".:_-[]".utf8)
    let good = (1...253).contains(text.utf8.count) && text.utf8.allSatisfy { isAlphanumeric($0) || extra.contains($0) }
    return good ? nil : "is not a host name or address; write it without a scheme, a port, or spaces"
  }

  /// An address as it stands in an SMTP envelope: without a display name, quotes, or anything that could end the command.
  package static let mailbox = TextRule(kind: "e-mail address", pattern: #"^[^\s<>@,;"\\]+@[^\s<>@,;"\\]+$"#) { text in
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    let bad = Array(#"<>,;"\()"#.utf8)
    let good =
      parts.count == 2 && (1...64).contains(parts[0].utf8.count) && (1...253).contains(parts[1].utf8.count)
      && plainLine(text) == nil && text.utf8.allSatisfy { $0 != 32 && !bad.contains($0) }
    return good ? nil : "is not an e-mail address; write it as name@example.org"
  }

  /// An http or https address. Many services put their secret into the path, so it is never shown whole.
  package static let webURL = TextRule(
    kind: "http or https address", pattern: "^https?://[^/?#@\\s]+([/?#]\\S*)?$", sensitive: true
  ) {
    text in
    guard let authority = WebAddress.authority(of: text) else {
      return "is not an http or https address, as https://example.org/hook"
    }
    if authority.contains("@") {
      return
        #"has a user name or password in it; write the whole address as a secret: {"env": "NAME"} or {"file": "PATH"}"#
    }
    return nil
  }

  /// What the Bot API calls `chat_id` (https://core.telegram.org/bots/api#sendmessage).
  package static let telegramChat = TextRule(kind: "chat", pattern: "^(-?[0-9]{1,18}|@[A-Za-z][A-Za-z0-9_]{3,63})$") {
    text in
    let isName =
      text.first == "@" && (5...65).contains(text.utf8.count)
      && text.utf8.dropFirst().allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
      && text.utf8.dropFirst().first.map { !(48...57).contains($0) && $0 != UInt8(ascii: "_") } == true
    let digits = text.first == "-" ? text.utf8.dropFirst() : text.utf8[...]
    let isNumber = (1...18).contains(digits.count) && digits.allSatisfy { (48...57).contains($0) }
    return isName || isNumber ? nil : "is not a chat; write its number as a text, or @name of a public channel"
  }

  /// The name of a topic (https://docs.ntfy.sh/publish/). It may be all that keeps others out, so it is never shown.
  package static let ntfyTopic = TextRule(kind: "topic", pattern: "^[A-Za-z0-9_-]{1,64}$", sensitive: true) { text in
    let good =
      (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    return good ? nil : "is not a topic; use letters, digits, _ and -, at most 64"
  }

  private static func plainLine(_ text: String) -> String? {
    if text.isEmpty { return "must not be empty" }
    if text.utf8.count > 4096 { return "is too long" }
    return text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
      ? "must not contain control characters" : nil
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte & 0xDF) && byte < 128
  }
}

/// The parts of a web address that messages and checks need.
package enum WebAddress {
  /// What stands between `://` and the path, or nil if `text` is no http or https address.
  package static func authority(of text: String) -> Substring? {
    guard text.utf8.count <= 4096, text.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else { return nil }
    let lower = text.lowercased()
    guard let scheme = ["https://", "http://"].first(where: { lower.hasPrefix($0) }) else { return nil }
    let authority = text.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != "\\" }
    return authority.isEmpty || authority.first == ":" ? nil : authority
  }

  /// `https://example.org/•••`: enough to recognise it, nothing that opens it.
  package static func masked(_ text: String) -> String {
    guard let authority = authority(of: text), !authority.contains("@") else { return "•••" }
    let scheme = text.lowercased().hasPrefix("https") ? "https" : "http"
    return "\(scheme)://\(authority)/•••"
  }
}
