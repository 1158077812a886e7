import Transport

/// A mail address with an optional name, in ASCII, without anything that has a meaning in SMTP or in a header.
package struct MailAddress: Sendable, Hashable {
  package var name: String?
  /// `local@domain`
  package var address: String

  /// Reads `local@domain`, `Name <local@domain>` or `"Name" <local@domain>`; nil if it is none of them.
  ///
  /// A domain with other letters gets its `xn--` form. Local parts must be in ASCII and without quotes: the other end
  /// might not know SMTPUTF8, and nobody has agreed on how quotes are written.
  package init?(_ text: String) {
    guard text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else { return nil }
    var name: Substring = ""
    var address = Substring(text)
    if let open = text.lastIndex(of: "<") {
      guard text.last == ">" else { return nil }
      name = text[..<open]
      address = text[text.index(after: open)...].dropLast()
    }
    guard let at = address.lastIndex(of: "@"), let domain = DomainName.ascii(address[address.index(after: at)...])
    else { return nil }
    let whole = address[...at] + domain
    guard SMTPRequest.isAddress(String(whole)) else { return nil }
    let clean = Redactor.printable(Self.unquoted(Redactor.printable(String(name))))
    self.name = clean.isEmpty ? nil : clean
    self.address = String(whole)
  }

  /// The content of a quoted string (RFC 5322, section 3.2.4), or the text itself if it is none.
  private static func unquoted(_ text: String) -> String {
    guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return text }
    var result = ""
    var isEscaped = false
    for character in text.unicodeScalars.dropFirst().dropLast() {
      if character == "\\", !isEscaped {
        isEscaped = true
        continue
      }
      result.unicodeScalars.append(character)
      isEscaped = false
    }
    return result
  }

  package var domain: String { address.split(separator: "@").last.map(String.init) ?? "localhost" }
}
