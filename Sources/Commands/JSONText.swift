internal import JobModel

/// JSON with sorted keys: the same data gives the same text, so that outputs can be compared.
enum JSONText {
  static func line(_ value: JSONValue) -> String {
    var text = ""
    write(value, to: &text, indent: nil)
    return text
  }

  static func pretty(_ value: JSONValue) -> String {
    var text = ""
    write(value, to: &text, indent: 0)
    return text
  }

  private static func write(_ value: JSONValue, to text: inout String, indent: Int?) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value): text += value.isFinite ? number(value) : "null"
    case .string(let value): quote(value, to: &text)
    case .array(let items):
      list(items, open: "[", close: "]", to: &text, indent: indent) { item, text, inner in
        write(item, to: &text, indent: inner)
      }
    case .object(let members):
      list(members.sorted { $0.key < $1.key }, open: "{", close: "}", to: &text, indent: indent) {
        member, text, inner in
        quote(member.key, to: &text)
        text += inner == nil ? ":" : ": "
        write(member.value, to: &text, indent: inner)
      }
    }
  }

  private static func list<Item>(
    _ items: [Item], open: String, close: String, to text: inout String, indent: Int?,
    _ body: (Item, inout String, Int?) -> Void
  ) {
    text += open
    let inner = indent.map { $0 + 2 }
    for (index, item) in items.enumerated() {
      if index > 0 { text += "," }
      if let inner { text += "\n" + String(repeating: " ", count: inner) }
      body(item, &text, inner)
    }
    if let indent, !items.isEmpty { text += "\n" + String(repeating: " ", count: indent) }
    text += close
  }

  /// Whole numbers without a fraction, others in the shortest form that reads back the same.
  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
  }

  private static func quote(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case let scalar where scalar.value < 0x20 || scalar.value == 0x7F:
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
