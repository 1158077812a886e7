import Transport

/// A mail address with an optional name, in ASCII, without anything that has a meaning in SMTP or in a header.
package struct MailAddress: Sendable, Hashable {
  package var name: String?
  /// `local@domain`
  package var address: String

  /// Reads `local@domain`, `Name <local@domain>` or `"Name" <local@domain>`; nil if it is none of them.
  ///
  /// Domains with other letters must be written in their `xn--` form, and local parts in ASCII: the other end might
  /// not know SMTPUTF8.
  package init?(_ text: String) {
    guard text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else { return nil }
    var name: Substring = ""
    var address = Substring(text)
    if let open = text.lastIndex(of: "<") {
      guard text.last == ">" else { return nil }
      name = text[..<open]
      address = text[text.index(after: open)...].dropLast()
    }
    guard SMTPRequest.isAddress(String(address)) else { return nil }
    var clean = Redactor.printable(String(name))
    if clean.count >= 2, clean.hasPrefix("\""), clean.hasSuffix("\"") { clean = String(clean.dropFirst().dropLast()) }
    self.name = clean.isEmpty ? nil : clean
    self.address = String(address)
  }

  package var domain: String { address.split(separator: "@").last.map(String.init) ?? "localhost" }
}
