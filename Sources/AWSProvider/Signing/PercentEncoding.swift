/// Percent-encoding as AWS signs it (AWS General Reference, "Create a canonical request"): everything but `A-Z a-z 0-9
/// - . _ ~` is `%XX` with capital digits.
package enum PercentEncoding {
  /// For one name or value of a query.
  package static func encode(_ text: String) -> String { encode(text.utf8) { _ in false } }

  /// For a path, whose slashes stay.
  package static func encodePath(_ text: String) -> String { encode(text.utf8) { $0 == UInt8(ascii: "/") } }

  /// What `text` stands for, or nil if an escape is broken or the bytes are not UTF-8. A plus sign is a plus sign.
  package static func decode(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func encode(_ bytes: String.UTF8View, stays: (UInt8) -> Bool) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + bytes.count / 4)
    for byte in bytes {
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.append(byte)
      case _ where stays(byte): result.append(byte)
      default: result += [UInt8(ascii: "%"), capital[Int(byte >> 4)], capital[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static let capital = Array("0123456789ABCDEF".utf8)

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }
}
