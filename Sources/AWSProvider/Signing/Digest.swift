internal import Crypto
internal import Foundation

/// SHA-256 in the spellings that AWS wants.
package struct SHA256Digest: Sendable, Hashable {
  /// 32 bytes.
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }

  package init(of content: [UInt8]) { bytes = Array(SHA256.hash(data: content)) }

  package init(of text: String) { self.init(of: Array(text.utf8)) }

  /// From 64 hexadecimal digits, or nil.
  package init?(hex: String) {
    guard hex.utf8.count == 64 else { return nil }
    var bytes: [UInt8] = []
    var half: UInt8?
    for character in hex {
      guard character.isASCII, let digit = character.hexDigitValue else { return nil }
      if let high = half {
        bytes.append(high << 4 | UInt8(digit))
        half = nil
      } else {
        half = UInt8(digit)
      }
    }
    self.bytes = bytes
  }

  /// As in `x-amz-content-sha256`.
  package var hex: String { Hex.text(bytes) }

  /// As in `x-amz-checksum-sha256`.
  package var base64: String { Data(bytes).base64EncodedString() }
}

enum Hex {
  private static let digits = Array("0123456789abcdef".utf8)

  static func text(_ bytes: some Sequence<UInt8>) -> String {
    var result: [UInt8] = []
    for byte in bytes { result += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: result, as: UTF8.self)
  }
}
