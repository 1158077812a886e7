/// What a value of the configuration may be.
///
/// One value of this type describes the whole of config.json. It checks a document (`SchemaCheck`), is printed as a
/// JSON Schema (`JSONSchemaPrinter`), gives the tables of docs/configuration.md, names the environment variables, and
/// holds the defaults, so none of them can say something else than the others.
package indirect enum Schema: Sendable {
  case boolean
  case integer(ClosedRange<Int>)
  /// A number that is no amount of money.
  case number(ClosedRange<Double>)
  case text(TextRule)
  /// `"90s"`, `"1h30m"`, or a number of seconds.
  case duration(ClosedRange<Duration>)
  /// Dollars, as a number or a text, exact to six places.
  case money
  /// Dollars an hour, exact to six places.
  case price
  case secret
  /// A plain text or a secret.
  case textOrSecret(TextRule)
  case list(Schema, atLeast: Int)
  /// One value, or a list of them.
  case oneOrMany(Schema)
  case object(Fields)
  /// Any keys that the rule allows, all with values of one kind.
  case map(keys: TextRule, values: Schema, sensitiveKeys: Bool)
  /// Any JSON; its texts are templates.
  case document
  /// An object whose key `type` says which other keys it has.
  case variants([Variant])

  /// The keys of an object.
  package struct Fields: Sendable {
    package var fields: [Field]
    /// Whether a key that is like no known one is only worth a warning, because other tools share the section.
    package var shared: Bool

    package init(shared: Bool = false, _ fields: [Field]) {
      self.shared = shared
      self.fields = fields
    }

    package subscript(key: String) -> Field? { fields.first { $0.key == key } }
  }

  package struct Field: Sendable {
    package var key: String
    package var schema: Schema
    /// Nil if there is no value unless one is written.
    package var standard: JSONNode?
    package var required: Bool
    /// What it is for, as a sentence of the documentation.
    package var meaning: String

    package init(_ key: String, _ schema: Schema, standard: JSONNode? = nil, required: Bool = false, _ meaning: String)
    {
      self.key = key
      self.schema = schema
      self.standard = standard
      self.required = required
      self.meaning = meaning
    }
  }

  package struct Variant: Sendable {
    package var type: String
    package var meaning: String
    /// All keys but `type`.
    package var fields: Fields

    package init(_ type: String, _ meaning: String, _ fields: [Field]) {
      self.type = type
      self.meaning = meaning
      self.fields = Fields(fields)
    }
  }
}

extension Schema {
  /// Each value that has a fixed path: what is between the sections and the maps.
  ///
  /// These are the values that can come from the environment and from flags.
  package var leaves: [(path: String, field: Field)] {
    guard case .object(let fields) = self else { return [] }
    return Self.leaves(fields, under: "")
  }

  private static func leaves(_ fields: Fields, under path: String) -> [(path: String, field: Field)] {
    fields.fields.flatMap { field -> [(path: String, field: Field)] in
      let here = path.isEmpty ? field.key : "\(path).\(field.key)"
      switch field.schema {
      case .object(let inner): return leaves(inner, under: here)
      case .map, .variants: return []
      default: return [(here, field)]
      }
    }
  }

  /// `CLOUDJOBS_WATCH_POLL_INTERVAL` for `watch.poll_interval`.
  package static func variable(for path: String) -> String {
    "CLOUDJOBS_" + String(path.uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 })
  }

  /// What a text from the environment or from a flag means here, in the form in which a file would have it.
  ///
  /// A text that does not fit stays a text, so that the check names what is wrong with it.
  func node(from text: String) -> JSONNode {
    switch self {
    case .boolean:
      switch text.lowercased() {
      case "true", "1", "yes", "on": return .bool(true)
      case "false", "0", "no", "off": return .bool(false)
      default: return .string(text)
      }
    case .integer, .number:
      if let node = try? JSONReader.read(text), case .number = node.value { return JSONNode(node.value) }
      return .string(text)
    case .list(let element, _), .oneOrMany(let element):
      // A list is written as JSON, or as texts between commas.
      if text.first == "[", let node = try? JSONReader.read(text), node.items != nil { return JSONNode(node.value) }
      let items = text.split(separator: ",").map { element.node(from: String($0.trimmed)) }
      return .array(items)
    case .secret, .textOrSecret, .object, .map, .document, .variants:
      if text.first == "{", let node = try? JSONReader.read(text), node.members != nil { return JSONNode(node.value) }
      return .string(text)
    case .text, .duration, .money, .price: return .string(text)
    }
  }
}

extension StringProtocol {
  var trimmed: SubSequence {
    var rest = self[...]
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest
  }
}
