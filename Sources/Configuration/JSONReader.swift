/// Why a text is not a JSON document, and where.
package struct JSONSyntaxError: Error, Sendable, Hashable {
  package var message: String
  package var position: TextPosition
}

/// Reads one JSON document (RFC 8259, strictly) with positions.
///
/// Depth, size and the range of numbers are bounded, so a hostile text costs no more than reading it once.
package struct JSONReader {
  /// The deepest nesting that is read.
  package static let maximumDepth = 64
  /// The largest text that is read, in bytes.
  package static let maximumBytes = 1 << 20

  private let bytes: [UInt8]
  private var index = 0

  private init(bytes: [UInt8]) { self.bytes = bytes }

  package static func read(_ text: String) throws(JSONSyntaxError) -> JSONNode { try read(Array(text.utf8)) }

  package static func read(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSONNode {
    var reader = JSONReader(bytes: bytes)
    guard bytes.count <= maximumBytes else {
      throw reader.error("is larger than \(maximumBytes) bytes, which is more than any configuration")
    }
    // Some editors put a byte order mark first. It says nothing that matters here.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.index = 3 }
    reader.skipSpace()
    guard reader.peek != nil else { throw reader.error("there is no value; the smallest configuration is {}") }
    let node = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.peek == nil else { throw reader.error("nothing may follow the value that ended here") }
    return node
  }

  // MARK: Values

  private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONNode {
    guard depth < Self.maximumDepth else { throw error("is nested deeper than \(Self.maximumDepth) levels") }
    let start = position
    guard let byte = peek else { throw error("the text ends where a value is expected") }
    switch byte {
    case UInt8(ascii: "{"): return JSONNode(.object(try object(depth: depth)), position: start)
    case UInt8(ascii: "["): return JSONNode(.array(try array(depth: depth)), position: start)
    case UInt8(ascii: "\""): return JSONNode(.string(try string()), position: start)
    case UInt8(ascii: "-"), 48...57: return JSONNode(.number(try number()), position: start)
    default: return JSONNode(try word(), position: start)
    }
  }

  private mutating func object(depth: Int) throws(JSONSyntaxError) -> [JSONNode.Member] {
    index += 1
    var members: [JSONNode.Member] = []
    skipSpace()
    if take("}") { return members }
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else {
        if peek == UInt8(ascii: "}") { throw error("a comma stands before }; remove it") }
        throw unexpected("a key in double quotes")
      }
      let keyPosition = position
      let key = try string()
      skipSpace()
      guard take(":") else { throw unexpected("a colon after the key") }
      skipSpace()
      members.append(JSONNode.Member(key: key, keyPosition: keyPosition, node: try value(depth: depth + 1)))
      skipSpace()
      if take("}") { return members }
      guard take(",") else { throw unexpected("a comma or }") }
    }
  }

  private mutating func array(depth: Int) throws(JSONSyntaxError) -> [JSONNode] {
    index += 1
    var items: [JSONNode] = []
    skipSpace()
    if take("]") { return items }
    while true {
      skipSpace()
      if peek == UInt8(ascii: "]") { throw error("a comma stands before ]; remove it") }
      items.append(try value(depth: depth + 1))
      skipSpace()
      if take("]") { return items }
      guard take(",") else { throw unexpected("a comma or ]") }
    }
  }

  private mutating func word() throws(JSONSyntaxError) -> JSONNode.Value {
    let start = index
    while let byte = peek, byte < 128, isLetter(byte) { index += 1 }
    let word = String(decoding: bytes[start..<index], as: UTF8.self)
    switch word {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null": return .null
    default: break
    }
    index = start
    switch word.lowercased() {
    case "true", "yes", "on": throw error("write true")
    case "false", "no", "off": throw error("write false")
    case "null", "none", "nil": throw error("write null")
    case "nan", "infinity", "inf": throw error("a number must be finite")
    default: throw unexpected("a value")
    }
  }

  private mutating func number() throws(JSONSyntaxError) -> String {
    let start = index
    _ = take("-")
    let first = index
    guard takeDigits() > 0 else { throw unexpected("a digit") }
    if bytes[first] == 48, index - first > 1 {
      index = first
      throw error("a number must not begin with 0")
    }
    if take(".") {
      guard takeDigits() > 0 else { throw unexpected("a digit after the point") }
    }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      guard takeDigits() > 0 else { throw unexpected("a digit of the exponent") }
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    guard text.utf8.count <= 64, let value = Double(text), value.isFinite else {
      index = start
      throw error("this number is too large")
    }
    return text
  }

  // MARK: Strings

  private mutating func string() throws(JSONSyntaxError) -> String {
    let open = index
    index += 1
    var out: [UInt8] = []
    while true {
      guard let byte = peek else {
        index = open
        throw error("this text has no closing double quote")
      }
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return String(decoding: out, as: UTF8.self)
      case UInt8(ascii: "\\"):
        out.append(contentsOf: Array(String(try escape()).utf8))
      case 0..<32:
        if byte == 10 || byte == 13 { throw error("a text must end on its line; the double quote is missing here") }
        throw error(
          "a control character must be written as \\u00\(byte < 16 ? "0" : "1")\(String(byte % 16, radix: 16))")
      case 128...:
        let length = scalarLength()
        guard length > 0 else { throw error("this is not UTF-8; save the file as UTF-8") }
        out.append(contentsOf: bytes[index..<index + length])
        index += length
      default:
        out.append(byte)
        index += 1
      }
    }
  }

  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
    let start = index
    index += 1
    guard let byte = peek else { throw error("the text ends inside an escape") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default:
      index = start
      throw error("this escape is unknown; a backslash is written as \\\\")
    }
    let high = hex()
    if let high, (0xD800..<0xDC00).contains(high), take("\\"), take("u"), let low = hex(),
      (0xDC00..<0xE000).contains(low),
      let scalar = Unicode.Scalar(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    {
      return scalar
    }
    guard let high, let scalar = Unicode.Scalar(high) else {
      index = start
      throw error("this \\u escape is not a character")
    }
    return scalar
  }

  private mutating func hex() -> UInt32? {
    guard index + 4 <= bytes.count else { return nil }
    let digits = bytes[index..<index + 4]
    guard digits.allSatisfy({ (48...57).contains($0) || (65...70).contains($0) || (97...102).contains($0) }) else {
      return nil
    }
    index += 4
    return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  /// The length of the well-formed UTF-8 sequence that begins here, or 0.
  private func scalarLength() -> Int {
    let length: Int
    switch bytes[index] {
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF: length = 3
    case 0xF0...0xF4: length = 4
    default: return 0
    }
    guard index + length <= bytes.count else { return 0 }
    return String(validating: bytes[index..<index + length], as: UTF8.self) == nil ? 0 : length
  }

  // MARK: Bytes

  private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while let byte = peek, byte == 32 || byte == 10 || byte == 13 || byte == 9 { index += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard let byte = peek, UInt32(byte) == character.value else { return false }
    index += 1
    return true
  }

  private mutating func takeDigits() -> Int {
    let start = index
    while let byte = peek, (48...57).contains(byte) { index += 1 }
    return index - start
  }

  private func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte & 0xDF) }

  // MARK: Errors

  /// How far positions have been counted; they are asked for in ascending order, so the text is counted once.
  private var counted = 0
  private var line = 1
  private var column = 1

  private var position: TextPosition {
    mutating get {
      if index < counted { (counted, line, column) = (0, 1, 1) }
      while counted < index {
        let byte = bytes[counted]
        if byte == 10 {
          line += 1
          column = 1
        } else if byte & 0xC0 != 0x80 {
          column += 1
        }
        counted += 1
      }
      return TextPosition(line: line, column: column)
    }
  }

  private mutating func error(_ message: String) -> JSONSyntaxError {
    JSONSyntaxError(message: message, position: position)
  }

  private mutating func unexpected(_ expected: String) -> JSONSyntaxError {
    guard let byte = peek else { return error("the text ends where \(expected) is expected") }
    switch byte {
    case UInt8(ascii: "/"), UInt8(ascii: "#"): return error("JSON has no comments; expected \(expected)")
    case UInt8(ascii: "'"): return error("single quotes are not JSON; write double quotes")
    case 33..<127: return error("expected \(expected), not \(Character(Unicode.Scalar(byte)))")
    default: return error("expected \(expected)")
    }
  }
}
