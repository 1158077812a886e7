/// Writes JSON with its keys in the order they are given, so that the same alert makes the same bytes in every try:
/// a signature covers bytes, and people read from the top.
enum JSONText {
  indirect enum Value {
    case null
    case bool(Bool)
    case integer(Int64)
    /// The digits of a valid JSON number.
    case number(String)
    case string(String)
    case array([Value])
    case object([(key: String, value: Value)])
  }

  static func bytes(_ value: Value) -> [UInt8] {
    var result: [UInt8] = []
    write(value, to: &result)
    return result
  }

  private static func write(_ value: Value, to result: inout [UInt8]) {
    switch value {
    case .null: result += "null".utf8
    case .bool(let value): result += (value ? "true" : "false").utf8
    case .integer(let number): result += String(number).utf8
    case .number(let digits): result += digits.utf8
    case .string(let text): write(text, to: &result)
    case .array(let items):
      result.append(UInt8(ascii: "["))
      for (number, item) in items.enumerated() {
        if number > 0 { result.append(UInt8(ascii: ",")) }
        write(item, to: &result)
      }
      result.append(UInt8(ascii: "]"))
    case .object(let members):
      result.append(UInt8(ascii: "{"))
      for (number, member) in members.enumerated() {
        if number > 0 { result.append(UInt8(ascii: ",")) }
        write(member.key, to: &result)
        result.append(UInt8(ascii: ":"))
        write(member.value, to: &result)
      }
      result.append(UInt8(ascii: "}"))
    }
  }

  private static let hex = Array("0123456789abcdef".utf8)

  private static func write(_ text: String, to result: inout [UInt8]) {
    result.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), byte]
      case 10: result += "\\n".utf8
      case 13: result += "\\r".utf8
      case 9: result += "\\t".utf8
      case 0..<32, 127: result += "\\u00".utf8 + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      default: result.append(byte)
      }
    }
    result.append(UInt8(ascii: "\""))
  }
}
