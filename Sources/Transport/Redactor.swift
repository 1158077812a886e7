/// Makes texts from outside fit to be shown: known secrets and whatever in a URL could be one are masked, control
/// characters go, and the length is bounded.
package struct Redactor: Sendable {
  /// Longest first, so that a secret which contains another one is masked whole.
  private let secrets: [String]

  package init(_ secrets: [Secret] = []) {
    var texts: Set<String> = []
    for secret in secrets where !secret.isEmpty {
      let text = secret.reveal()
      texts.insert(text)
      // `Bearer` and the token, of which only the token may come back.
      for word in text.split(separator: " ") where word.utf8.count >= 8 { texts.insert(String(word)) }
      guard let parts = URLParts(text) else { continue }
      // A server or libcurl may repeat only a part of an address.
      if let userinfo = parts.userinfo {
        texts.insert(String(userinfo))
        if let colon = userinfo.firstIndex(of: ":") { texts.insert(String(userinfo[userinfo.index(after: colon)...])) }
      }
      if parts.path.utf8.count > 4 { texts.insert(String(parts.path)) }
      if parts.rest.utf8.count > 4 { texts.insert(String(parts.rest.dropFirst())) }
      for segment in parts.path.split(separator: "/") where segment.utf8.count >= 8 { texts.insert(String(segment)) }
      for pair in parts.rest.dropFirst().split(whereSeparator: { "&#".contains($0) }) {
        if let equals = pair.firstIndex(of: "=") {
          let value = pair[pair.index(after: equals)...]
          if value.utf8.count >= 4 { texts.insert(String(value)) }
        }
      }
    }
    // Shorter ones could not be told from ordinary text.
    self.secrets = texts.filter { $0.utf8.count >= 4 }.sorted { ($0.utf8.count, $0) > ($1.utf8.count, $1) }
  }

  /// `text` with every known secret and every URL's userinfo, query and token-like path segments masked.
  package func mask(_ text: String) -> String {
    var result = text
    for secret in secrets { result = Self.replace(secret, in: result) }
    return Self.maskURLs(in: result)
  }

  /// One line of at most `limit` bytes, masked, with control characters as blanks and broken UTF-8 replaced.
  package func line(_ bytes: some Collection<UInt8>, limit: Int = 512) -> String {
    // Masked before it is cut, so that no half of a secret is left at the end.
    line(String(decoding: bytes.prefix(max(limit, 64 * 1024)), as: UTF8.self), limit: limit)
  }

  package func line(_ text: String, limit: Int = 512) -> String {
    Self.bounded(Self.printable(mask(text)), limit: limit)
  }

  /// Blanks in place of control characters and line separators, runs of blanks joined.
  package static func printable(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var blank = true
    for scalar in text.unicodeScalars {
      let isBlank: Bool =
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .spaceSeparator, .format, .surrogate: true
        default: false
        }
      if isBlank {
        if !blank { result.append(" ") }
      } else {
        result.append(scalar)
      }
      blank = isBlank
    }
    if result.last == " " { result.removeLast() }
    return String(result)
  }

  /// At most `limit` bytes of UTF-8, whole characters, with an ellipsis if something was cut.
  package static func bounded(_ text: String, limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var result = String.UnicodeScalarView()
    var count = 0
    for scalar in text.unicodeScalars {
      count += UTF8.width(scalar)
      if count > limit - 3 { break }
      result.append(scalar)
    }
    return String(result) + "…"
  }

  private static func replace(_ secret: String, in text: String) -> String {
    let needle = Array(secret.utf8)
    let bytes = Array(text.utf8)
    guard bytes.count >= needle.count, let first = needle.first else { return text }
    var result: [UInt8] = []
    var position = 0
    var found = false
    while position < bytes.count {
      if bytes[position] == first, bytes[position...].starts(with: needle) {
        result.append(contentsOf: Secret.mask.utf8)
        position += needle.count
        found = true
      } else {
        result.append(bytes[position])
        position += 1
      }
    }
    return found ? String(decoding: result, as: UTF8.self) : text
  }

  // MARK: - URLs

  /// Scheme, host and port of a URL; everything after them is masked, and userinfo is left out.
  package static func origin(of url: String) -> String {
    guard let parts = URLParts(url) else { return Secret.mask }
    let tail = parts.path.utf8.count > 1 || !parts.rest.isEmpty ? "/" + Secret.mask : ""
    return "\(parts.scheme)://\(parts.host)\(tail)"
  }

  private static func maskURLs(in text: String) -> String {
    guard text.contains("://") else { return text }
    // Words are cut at what can't stand in a URL, and put back together with their separators.
    var result = ""
    var word = ""
    func flush() {
      result += word.contains("://") ? maskURL(word) : word
      word = ""
    }
    for character in text {
      if character.isWhitespace || "\"'<>`()[]{}|\\^".contains(character) {
        // Brackets of an IPv6 host belong to the URL.
        let opensHost = character == "[" && (word.hasSuffix("://") || word.hasSuffix("@"))
        let closesHost = character == "]" && word.contains("[")
        if opensHost || closesHost {
          word.append(character)
          continue
        }
        flush()
        result.append(character)
      } else {
        word.append(character)
      }
    }
    flush()
    return result
  }

  private static func maskURL(_ word: String) -> String {
    guard let parts = URLParts(word) else { return Secret.mask }
    var result = "\(parts.prefix)\(parts.scheme)://"
    if parts.userinfo != nil { result += Secret.mask + "@" }
    result += parts.host
    let segments = parts.path.split(separator: "/", omittingEmptySubsequences: false)
    result += segments.map { looksLikeToken($0) ? Secret.mask : String($0) }.joined(separator: "/")
    if let mark = parts.rest.first { result += String(mark) + Secret.mask }
    return result
  }

  /// Long, or a mixture of letters and digits that nobody would choose as a name.
  private static func looksLikeToken(_ segment: Substring) -> Bool {
    let count = segment.utf8.count
    guard count >= 8 else { return false }
    let digits = segment.utf8.contains { (48...57).contains($0) }
    let letters = segment.utf8.contains { (65...90).contains($0 & 0xDF) }
    let upper = segment.utf8.contains { (65...90).contains($0) }
    let lower = segment.utf8.contains { (97...122).contains($0) }
    return count >= 24 || (digits && letters) || (upper && lower) || (digits && segment.contains(":"))
  }
}

/// The pieces of `scheme://userinfo@host:port/path?query#fragment`, without any judgement of their validity.
struct URLParts {
  /// What stood before the scheme in the same word.
  var prefix: Substring
  var scheme: Substring
  var userinfo: Substring?
  /// Host and port.
  var host: Substring
  var path: Substring
  /// From the first `?` or `#` on.
  var rest: Substring

  init?(_ text: String) {
    var mark: String.Index?
    var position = text.startIndex
    while position < text.endIndex {
      if text[position...].hasPrefix("://") {
        mark = position
        break
      }
      position = text.index(after: position)
    }
    guard let mark else { return nil }
    let before = text[..<mark]
    let schemeStart =
      before.lastIndex { !($0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0))) }
      .map { before.index(after: $0) } ?? before.startIndex
    prefix = before[..<schemeStart]
    scheme = before[schemeStart...]
    guard !scheme.isEmpty else { return nil }
    let body = text[text.index(mark, offsetBy: 3)...]
    let authorityEnd = body.firstIndex { "/?#".contains($0) } ?? body.endIndex
    let authority = body[..<authorityEnd]
    if let at = authority.lastIndex(of: "@") {
      userinfo = authority[..<at]
      host = authority[authority.index(after: at)...]
    } else {
      userinfo = nil
      host = authority
    }
    let tail = body[authorityEnd...]
    let pathEnd = tail.firstIndex { "?#".contains($0) } ?? tail.endIndex
    path = tail[..<pathEnd]
    rest = tail[pathEnd...]
  }
}
