import Crypto

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Ids for services that allow less in them than we do: the same text always makes the same id, and two texts two.
enum StableID {
  /// `text` if it has at most `limit` bytes, else its beginning with a part of its SHA-256. `limit` is at least 40.
  static func text(_ text: String, limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var start = String.UnicodeScalarView()
    var bytes = 33
    for scalar in text.unicodeScalars {
      bytes += UTF8.width(scalar)
      if bytes > limit { break }
      start.append(scalar)
    }
    return String(start) + "-" + digest(text)
  }

  /// The same of letters, digits, `-` and `_` only.
  static func word(_ text: String, limit: Int) -> String {
    let isWord = text.utf8.allSatisfy {
      switch $0 {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"): true
      default: false
      }
    }
    return isWord && !text.isEmpty && text.utf8.count <= limit ? text : digest(text)
  }

  /// 128 bits as 32 hexadecimal digits.
  private static func digest(_ text: String) -> String {
    let hex = Array("0123456789abcdef")
    return String(SHA256.hash(data: Data(text.utf8)).prefix(16).flatMap { [hex[Int($0 >> 4)], hex[Int($0 & 15)]] })
  }
}
