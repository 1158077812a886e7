/// The public key of an instance's ssh server, as it stands in `/etc/ssh/ssh_host_ed25519_key.pub`: type and key, without
/// the comment. Anything else is refused, since the text comes from the instance and goes into a known_hosts file.
package struct HostKey: Sendable, Hashable, CustomStringConvertible {
  package let text: String

  /// Nil if the text is not a key of a kind that OpenSSH offers by default.
  package init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: true)
    guard words.count >= 2, text.utf8.count < 4096, text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }),
      Self.kinds.contains(String(words[0])), words[1].utf8.count >= 32,
      words[1].utf8.allSatisfy(Self.isBase64)
    else { return nil }
    self.text = "\(words[0]) \(words[1])"
  }

  package var description: String { text }

  private static let kinds: Set = [
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
  ]

  private static func isBase64(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
      true
    default: false
    }
  }
}
