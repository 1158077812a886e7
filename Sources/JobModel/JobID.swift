/// The name of a job: eight characters of `a-z0-9`, short enough to type and to say aloud.
package struct JobID: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// How many characters an id has.
  package static let length = 8

  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")

  package let rawValue: String

  /// Takes an id as it was written, or nil if it is not one.
  ///
  /// Ids of the earlier Python tool may contain `-` and upper case; they are accepted up to 64 characters.
  package init?(_ text: String) {
    guard (1...64).contains(text.utf8.count), Self.isPrefix(text) else { return nil }
    rawValue = text
  }

  /// Whether `text` could be the beginning of an id: letters, digits, `-` and `_` only.
  package static func isPrefix(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  private init(unchecked text: String) { rawValue = text }

  /// A new id out of 36^8 (2.8 × 10^12); the store refuses the rare double and the caller draws again.
  package static func random(using generator: inout some RandomNumberGenerator) -> JobID {
    JobID(unchecked: String((0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }))
  }

  package var description: String { rawValue }

  package static func < (left: JobID, right: JobID) -> Bool { left.rawValue < right.rawValue }
}
