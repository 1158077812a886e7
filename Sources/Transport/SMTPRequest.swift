/// One message to one recipient.
package struct SMTPRequest: Sendable, Hashable {
  package enum Security: String, Sendable, Hashable, CaseIterable {
    /// TLS from the first byte, usually port 465.
    case tls
    /// STARTTLS, required, usually port 587.
    case startTLS = "starttls"
    /// No encryption: for a mail server on this machine or behind a tunnel.
    case plain
  }

  package struct Credentials: Sendable, Hashable {
    package var username: String
    package var password: Secret
    package init(username: String, password: Secret) {
      self.username = username
      self.password = password
    }
  }

  package var host: String
  package var port: Int
  package var security: Security
  /// If set, the message is only sent once the server has accepted them.
  package var credentials: Credentials?
  package var sender: String
  package var recipient: String
  /// The message as it goes over the wire: ASCII, CRLF line ends.
  package var message: [UInt8]
  /// Connecting, TLS, the greeting and EHLO; some servers let strangers wait on purpose.
  package var connectTimeout: Duration = .seconds(20)
  /// Everything from connecting to the server's last word.
  package var timeout: Duration = .seconds(30)
  /// Certificates (PEM) that are trusted in place of the system's bundle file.
  package var caFile: String?

  package init(
    host: String, port: Int, security: Security, credentials: Credentials? = nil, sender: String, recipient: String,
    message: [UInt8]
  ) {
    self.host = host
    self.port = port
    self.security = security
    self.credentials = credentials
    self.sender = sender
    self.recipient = recipient
    self.message = message
  }

  var redactor: Redactor { Redactor(credentials.map { [$0.password] } ?? []) }

  /// `host:port`, for texts.
  package var place: String { "\(Redactor.printable(host)):\(port)" }

  /// Refuses whatever could become a command or a second message on the wire.
  ///
  /// libcurl up to 8.21 passes line breaks in addresses on as commands, and bare line feeds in a message through to
  /// servers that take them for its end ("SMTP smuggling").
  package func check() throws(TransportError) {
    guard !host.isEmpty, host.utf8.allSatisfy(Self.isHostByte), (1...65_535).contains(port) else {
      throw TransportError(
        .invalidRequest, "\"\(Redactor.bounded(place, limit: 128))\" is not a mail server",
        remedy: "Give a host name or an address, and a port from 1 to 65535.")
    }
    for address in [sender, recipient] where !Self.isAddress(address) {
      throw TransportError(
        .invalidRequest, "\"\(Redactor.bounded(Redactor.printable(address), limit: 128))\" is not a mail address",
        remedy: "Write it as name@host in ASCII.")
    }
    if let credentials {
      let texts = [credentials.username, credentials.password.reveal()]
      guard texts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else {
        throw TransportError(
          .invalidRequest, "The user name or password for \(place) is empty or contains a control character",
          remedy: "Check for a newline at the end of a secret's file.")
      }
      guard security != .plain || Self.isThisMachine(host) else {
        throw TransportError(
          .invalidRequest, "A password is not sent to \(place) without encryption",
          remedy: "Use STARTTLS or TLS; only 127.0.0.1, ::1 and localhost may do without.")
      }
    }
    if let flaw = Self.flaw(in: message) {
      throw TransportError(.invalidRequest, "The message for \(place) \(flaw)")
    }
  }

  private static func isThisMachine(_ host: String) -> Bool {
    ["127.0.0.1", "::1", "localhost"].contains(host.lowercased())
  }

  /// Letters, digits and what stands in IPv6 addresses.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "-._:".utf8.contains(byte)
    }
  }

  /// Whether `text` is `local@domain` in printable ASCII without anything that has a meaning in SMTP's commands.
  package static func isAddress(_ text: String) -> Bool {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2, (1...64).contains(parts[0].utf8.count), (1...255).contains(parts[1].utf8.count) else {
      return false
    }
    return parts[0].utf8.allSatisfy(isLocalByte) && !parts[0].hasPrefix(".") && !parts[0].hasSuffix(".")
      && parts[1].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.utf8.allSatisfy { isHostByte($0) && $0 != UInt8(ascii: ":") }
      }
  }

  /// `atext` of RFC 5322 and the dot.
  private static func isLocalByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "!#$%&'*+-/=?^_`{|}~.".utf8.contains(byte)
    }
  }

  /// What is wrong with a message's bytes, if anything.
  private static func flaw(in message: [UInt8]) -> String? {
    // libcurl never finishes an empty message.
    guard message.count > 2, message.suffix(2) == [13, 10] else { return "does not end with a line break" }
    var length = 0
    var previous: UInt8 = 0
    for byte in message {
      switch byte {
      case 0: return "contains a NUL"
      case 0x80...: return "is not ASCII"
      case 10 where previous != 13: return "contains a bare line feed"
      case 10: length = 0
      default:
        if previous == 13 { return "contains a bare carriage return" }
        if byte != 13 { length += 1 }
        // RFC 5322, section 2.1.1.
        if length > 998 { return "has a line of more than 998 characters" }
      }
      previous = byte
    }
    return nil
  }
}

/// What the server said when it took a message.
package struct SMTPReceipt: Sendable, Hashable {
  package var status: Int
  /// One line, bounded, without secrets.
  package var text: String

  package init(status: Int, text: String) {
    self.status = status
    self.text = text
  }
}
