package import JobModel

/// A place in a text; both numbers begin at 1, and a column is a Unicode scalar.
package struct TextPosition: Sendable, Hashable {
  package var line: Int
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

/// A JSON value that knows where it stands, keeps numbers as they were written and members in their order.
///
/// Numbers stay text because money must not pass through a floating-point number; members stay a list because a key
/// that is written twice is a mistake that has to be named, not silently resolved.
package struct JSONNode: Sendable, Hashable {
  package enum Value: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The literal, which is a valid JSON number with a finite value.
    case number(String)
    case string(String)
    case array([JSONNode])
    case object([Member])
  }

  package struct Member: Sendable, Hashable {
    package var key: String
    package var keyPosition: TextPosition?
    package var node: JSONNode
  }

  package var value: Value
  /// Nil for a value that was not written in a file.
  package var position: TextPosition?

  package init(_ value: Value, position: TextPosition? = nil) {
    self.value = value
    self.position = position
  }

  package static func string(_ text: String) -> JSONNode { JSONNode(.string(text)) }
  package static func integer(_ number: Int) -> JSONNode { JSONNode(.number(String(number))) }
  package static func bool(_ value: Bool) -> JSONNode { JSONNode(.bool(value)) }
  package static func array(_ items: [JSONNode]) -> JSONNode { JSONNode(.array(items)) }
  package static func strings(_ items: [String]) -> JSONNode { JSONNode(.array(items.map(JSONNode.string))) }
  package static func object(_ members: [(String, JSONNode)]) -> JSONNode {
    JSONNode(.object(members.map { Member(key: $0.0, keyPosition: nil, node: $0.1) }))
  }

  package var string: String? { if case .string(let text) = value { text } else { nil } }
  package var items: [JSONNode]? { if case .array(let items) = value { items } else { nil } }
  package var members: [Member]? { if case .object(let members) = value { members } else { nil } }

  /// The member with this key, or nil.
  package subscript(key: String) -> JSONNode? { members?.first { $0.key == key }?.node }

  /// The same value without positions.
  package var plain: JSONValue {
    switch value {
    case .null: .null
    case .bool(let value): .bool(value)
    case .number(let text): Int64(text).map(JSONValue.integer) ?? .number(Double(text) ?? 0)
    case .string(let text): .string(text)
    case .array(let items): .array(items.map(\.plain))
    case .object(let members):
      .object(Dictionary(members.map { ($0.key, $0.node.plain) }, uniquingKeysWith: { first, _ in first }))
    }
  }

  /// What kind of value it is, in the words of an error message.
  package var kind: String {
    switch value {
    case .null: "null"
    case .bool: "true or false"
    case .number: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

extension JSONNode {
  /// The JSON text: on one line, or, with `indent`, laid out over lines of two spaces a level.
  package func text(pretty: Bool = false) -> String {
    var out = ""
    write(to: &out, level: pretty ? 0 : nil)
    return out
  }

  private func write(to out: inout String, level: Int?) {
    switch value {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let text): out += text
    case .string(let text): out += Self.quoted(text)
    case .array(let items):
      // A list of scalars stays on one line, where people can read it.
      let short = !items.contains { $0.members != nil || $0.items != nil }
      Self.list("[", "]", items.count, &out, short ? nil : level, separator: level == nil ? "," : ", ") {
        index, inner, out in
        items[index].write(to: &out, level: inner)
      }
    case .object(let members):
      Self.list("{", "}", members.count, &out, level, separator: ",") { index, inner, out in
        out += Self.quoted(members[index].key) + (level == nil ? ":" : ": ")
        members[index].node.write(to: &out, level: inner)
      }
    }
  }

  private static func list(
    _ open: String, _ close: String, _ count: Int, _ out: inout String, _ level: Int?, separator: String,
    item: (Int, Int?, inout String) -> Void
  ) {
    out += open
    let inner = level.map { $0 + 1 }
    for index in 0..<count {
      if index > 0 { out += inner == nil ? separator : "," }
      if let inner { out += "\n" + String(repeating: "  ", count: inner) }
      item(index, inner, &out)
    }
    if let level, count > 0 { out += "\n" + String(repeating: "  ", count: level) }
    out += close
  }

  /// `text` as a JSON string literal.
  package static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          let hex = String(scalar.value, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}
