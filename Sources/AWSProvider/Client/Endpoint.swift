/// Where a service answers: the fixed part of its addresses.
package struct Endpoint: Sendable, Hashable {
  /// `https` or `http`.
  package let scheme: String
  /// As in the `Host` header: with the port if it is not the scheme's own.
  package let host: String
  /// Empty, or a path without a slash at its end.
  package let path: String

  package var origin: String { "\(scheme)://\(host)" }

  package init(scheme: String = "https", host: String, path: String = "") {
    self.scheme = scheme
    self.host = host
    self.path = path
  }

  /// From an address as people write it: `http://127.0.0.1:9000`. Nil if it is not a plain http or https address: a user
  /// name, a query or anything that would have to be encoded is refused.
  package init?(url text: String) {
    guard let mark = text.firstRange(of: "://") else { return nil }
    let scheme = text[..<mark.lowerBound].lowercased()
    guard scheme == "https" || scheme == "http" else { return nil }
    let rest = text[mark.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    guard let host = Self.host(rest[..<slash], defaultPort: scheme == "https" ? "443" : "80") else { return nil }
    var path = rest[slash...]
    while path.hasSuffix("/") { path.removeLast() }
    guard path.utf8.allSatisfy(Self.isPathByte) else { return nil }
    self.init(scheme: scheme, host: host, path: String(path))
  }

  /// The same place with `label` in front of its name: a bucket's own host.
  package func prefixed(_ label: String) -> Endpoint {
    Endpoint(scheme: scheme, host: label + "." + host, path: path)
  }

  /// Whether `host` is a number, before which no bucket's name can stand.
  package var isAddress: Bool {
    host.hasPrefix("[")
      || (host.split(separator: ":").first ?? "").utf8.allSatisfy { $0 == 46 || (48...57).contains($0) }
  }

  private static func host(_ text: Substring, defaultPort: String) -> String? {
    var name = text
    var port: Substring?
    let bracket = text.firstIndex(of: "]")
    if let colon = text.lastIndex(of: ":"), bracket.map({ $0 < colon }) ?? true {
      name = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    if let port {
      guard let number = Int(port), (1...65_535).contains(number), String(number) == port else { return nil }
    }
    let isIPv6 = name.hasPrefix("[") && name.hasSuffix("]")
    let isValid =
      isIPv6
      ? name.dropFirst().dropLast().utf8.allSatisfy { $0 == 58 || $0 == 46 || Self.isHexDigit($0) } && name.count > 2
      : !name.isEmpty && name.utf8.allSatisfy(isHostByte)
    guard isValid else { return nil }
    let suffix = port.map { $0 == defaultPort ? "" : ":" + $0 } ?? ""
    return name.lowercased() + suffix
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "-._".utf8.contains(byte)
    }
  }

  private static func isPathByte(_ byte: UInt8) -> Bool {
    isHostByte(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "~")
  }
}
