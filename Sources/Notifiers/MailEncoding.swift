import Transport

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Turns any text into what may stand in a mail: ASCII, short lines, no line that a server could misread.
enum MailEncoding {
  private static let hex = Array("0123456789ABCDEF".utf8)

  // MARK: - Bodies

  /// `text` as quoted-printable (RFC 2045, section 6.7) with CRLF line ends, ending with one.
  ///
  /// A `.` at the start of a line is encoded too, so that nobody on the way has to stuff or unstuff it, and so is the F
  /// of a `From ` that mailboxes would change. Control characters become U+FFFD, since NUL and bare CR break mail.
  static func quotedPrintable(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    for line in lines(of: text) {
      encode(line, to: &result)
      result += [13, 10]
    }
    return result
  }

  /// The lines of `text`, whichever line ends it uses, without control characters except tabs.
  private static func lines(of text: String) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var line: [UInt8] = []
    var previous: Unicode.Scalar = " "
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n" where previous == "\r": break
      case "\n", "\r":
        lines.append(line)
        line = []
      case "\t": line.append(9)
      case _ where scalar.value < 32 || scalar.value == 127: line += "\u{FFFD}".utf8
      default: line += UTF8.encode(scalar).map(Array.init) ?? []
      }
      previous = scalar
    }
    if !line.isEmpty || lines.isEmpty { lines.append(line) }
    return lines
  }

  private static func encode(_ line: [UInt8], to result: inout [UInt8]) {
    var column = 0
    for (position, byte) in line.enumerated() {
      let isLast = position == line.count - 1
      let isPlain =
        switch byte {
        case 61: false
        case 9, 32: !isLast
        case 46: column > 0
        case 70: column > 0 || !line[position...].starts(with: "From ".utf8)
        case 33...126: true
        default: false
        }
      let width = isPlain ? 1 : 3
      // 76 characters with the `=` of the soft line break; the last one on a line needs no such room.
      if column + width > (isLast ? 76 : 75) {
        result += [61, 13, 10]
        column = 0
        // What comes to stand at the start of a line is looked at again.
        if byte == 46 || (byte == 70 && line[position...].starts(with: "From ".utf8)) {
          result += [61, hex[Int(byte >> 4)], hex[Int(byte & 15)]]
          column = 3
          continue
        }
      }
      if isPlain {
        result.append(byte)
      } else {
        result += [61, hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      }
      column += width
    }
  }

  // MARK: - Headers

  /// `Name: value` folded to lines of at most 78 characters, ending with CRLF.
  ///
  /// Text that is not plain ASCII, or has a word that can't be folded, becomes encoded words (RFC 2047) of at most 75
  /// characters that never split a character.
  static func header(_ name: String, text: String) -> [UInt8] {
    let clean = Redactor.printable(text)
    let words = clean.split(separator: " ").map(String.init)
    let isPlain =
      clean.utf8.allSatisfy { (32...126).contains($0) } && !clean.contains("=?")
      && words.allSatisfy { $0.utf8.count <= 64 }
    return header(name, words: isPlain ? words : encodedWords(clean))
  }

  /// The same for words that are already encoded; they are only separated by folds or blanks.
  static func header(_ name: String, words: [String]) -> [UInt8] {
    var result = Array("\(name):".utf8)
    var column = result.count
    for (number, word) in words.enumerated() {
      if number > 0, column + 1 + word.utf8.count > 78 {
        result += [13, 10]
        column = 0
      }
      result.append(32)
      result += word.utf8
      column += 1 + word.utf8.count
    }
    return result + [13, 10]
  }

  /// 39 bytes become 64 characters, so that the first one fits on a line beside the header's name.
  private static let chunk = 39

  static func encodedWords(_ text: String) -> [String] {
    var words: [String] = []
    var bytes: [UInt8] = []
    func flush() {
      if !bytes.isEmpty { words.append("=?utf-8?B?\(Data(bytes).base64EncodedString())?=") }
      bytes = []
    }
    for scalar in text.unicodeScalars {
      let encoded = UTF8.encode(scalar).map(Array.init) ?? []
      if bytes.count + encoded.count > chunk { flush() }
      bytes += encoded
    }
    flush()
    return words
  }

  /// An address header; names that are not plain atoms are quoted or encoded.
  static func addressHeader(_ name: String, _ addresses: [MailAddress]) -> [UInt8] {
    var words: [String] = []
    for (number, address) in addresses.enumerated() {
      let comma = number < addresses.count - 1 ? "," : ""
      guard let display = address.name else {
        words.append(address.address + comma)
        continue
      }
      words += phrase(Redactor.printable(display))
      words.append("<\(address.address)>" + comma)
    }
    return header(name, words: words)
  }

  private static func phrase(_ name: String) -> [String] {
    let words = name.split(separator: " ").map(String.init)
    let isPlain = words.allSatisfy { word in
      word.utf8.count <= 64
        && word.utf8.allSatisfy { byte in
          switch byte {
          case 48...57, 65...90, 97...122: true
          default: "!#$%&'*+-/^_`{|}~".utf8.contains(byte)
          }
        }
    }
    return isPlain ? words : encodedWords(name)
  }

  // MARK: - Values

  /// `text` for HTML: everything that has a meaning there is escaped.
  static func html(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
