extension ConfigurationSchema {
  /// The schema as a JSON Schema (draft 2020-12), for editors and for `config schema`.
  ///
  /// It says what a schema language can say; the rules between keys are left to `config check`.
  package static func jsonSchema() -> String {
    let document: [(String, JSONNode)] = [
      ("$schema", "https://json-schema.org/draft/2020-12/schema"),
      ("title", "cloudjobs configuration"),
      ("description", "config.json of cloudjobs; docs/configuration.md explains every key."),
    ]
    var printer = JSONSchemaPrinter()
    var root = printer.node(Self.root).members ?? []
    if let index = root.firstIndex(where: { $0.key == "properties" }) {
      // The pointer by which an editor finds this schema.
      let pointer = JSONNode.object([("type", "string")])
      let properties = root[index].node.members ?? []
      root[index].node = JSONNode(
        .object([JSONNode.Member(key: "$schema", keyPosition: nil, node: pointer)] + properties))
    }
    root.append(JSONNode.Member(key: "$defs", keyPosition: nil, node: JSONSchemaPrinter.definitions))
    let head = document.map { JSONNode.Member(key: $0.0, keyPosition: nil, node: $0.1) }
    return JSONNode(.object(head + root)).text(pretty: true) + "\n"
  }
}

/// Turns the schema into JSON Schema.
private struct JSONSchemaPrinter {
  static let definitions = JSONNode.object([
    (
      "duration",
      .object([
        ("description", "A text as 90s, 15m, 1h30m, or a number of seconds."),
        (
          "anyOf",
          .array([
            .object([
              ("type", "string"),
              ("pattern", #"^ *[0-9]*\.?[0-9]+ *$|^( *([0-9]+\.?[0-9]*|\.[0-9]+) *[smhdwSMHDW])+ *$"#),
            ]),
            .object([("type", "number"), ("minimum", .integer(0))]),
          ])
        ),
      ])
    ),
    (
      "dollars",
      .object([
        ("description", "An amount of US dollars, exact to six decimals."),
        (
          "anyOf",
          .array([
            .object([("type", "string"), ("pattern", #"^\$?([0-9]+\.?[0-9]*|\.[0-9]+)$"#)]),
            .object([("type", "number"), ("minimum", .integer(0))]),
          ])
        ),
      ])
    ),
    (
      "secret",
      .object([
        ("description", "Where a secret is kept; never the secret itself."),
        (
          "oneOf",
          .array([
            reference("env", .object([("type", "string"), ("pattern", "^[A-Za-z_][A-Za-z0-9_]*$")])),
            reference("file", .object([("type", "string"), ("minLength", .integer(1))])),
            reference(
              "command",
              .object([
                ("type", "array"), ("items", .object([("type", "string")])), ("minItems", .integer(1)),
                ("maxItems", .integer(64)),
              ])),
          ])
        ),
      ])
    ),
  ])

  private static func reference(_ key: String, _ value: JSONNode) -> JSONNode {
    .object([
      ("type", "object"), ("properties", .object([(key, value)])), ("required", .strings([key])),
      ("additionalProperties", .bool(false)),
    ])
  }

  mutating func node(_ schema: Schema) -> JSONNode {
    switch schema {
    case .boolean: .object([("type", "boolean")])
    case .integer(let range):
      .object([
        ("type", "integer"), ("minimum", .integer(range.lowerBound)), ("maximum", .integer(range.upperBound)),
      ])
    case .number(let range):
      .object([
        ("type", "number"), ("minimum", JSONNode(.number(ValueReader.plain(range.lowerBound)))),
        ("maximum", JSONNode(.number(ValueReader.plain(range.upperBound)))),
      ])
    case .text(let rule): text(rule)
    case .duration: .object([("$ref", "#/$defs/duration")])
    case .money, .price: .object([("$ref", "#/$defs/dollars")])
    case .secret: .object([("$ref", "#/$defs/secret")])
    case .textOrSecret(let rule): .object([("anyOf", .array([text(rule), .object([("$ref", "#/$defs/secret")])]))])
    case .list(let element, let least):
      .object([("type", "array"), ("items", node(element))] + (least > 0 ? [("minItems", .integer(least))] : []))
    case .oneOrMany(let element):
      .object([("anyOf", .array([node(element), node(.list(element, atLeast: 1))]))])
    case .object(let fields): object(fields, constant: nil)
    case .map(let keys, let values, _):
      .object([
        ("type", "object"), ("propertyNames", text(keys)), ("additionalProperties", node(values)),
      ])
    case .document: .object([])
    case .variants(let variants):
      .object([("oneOf", .array(variants.map { object($0.fields, constant: $0) }))])
    }
  }

  private func text(_ rule: TextRule) -> JSONNode {
    if let choices = rule.choices { return .object([("enum", .strings(choices))]) }
    return .object([("type", "string")] + (rule.pattern.map { [("pattern", .string($0))] } ?? []))
  }

  private mutating func object(_ fields: Schema.Fields, constant: Schema.Variant?) -> JSONNode {
    var properties: [(String, JSONNode)] = []
    var members: [(String, JSONNode)] = [("type", "object")]
    if let constant {
      members.append(("description", .string(constant.meaning)))
      properties.append(("type", .object([("const", .string(constant.type))])))
    }
    for field in fields.fields {
      var described = node(field.schema).members ?? []
      described.insert(JSONNode.Member(key: "description", keyPosition: nil, node: .string(field.meaning)), at: 0)
      if let standard = field.standard {
        described.append(JSONNode.Member(key: "default", keyPosition: nil, node: standard))
      }
      properties.append((field.key, JSONNode(.object(described))))
    }
    members.append(("properties", .object(properties)))
    // Keys that begin with an underscore are comments.
    members.append(("patternProperties", .object([("^_", .object([]))])))
    members.append(("additionalProperties", .bool(fields.shared)))
    let required = (constant == nil ? [] : ["type"]) + fields.fields.filter(\.required).map(\.key)
    if !required.isEmpty { members.append(("required", .strings(required))) }
    return .object(members)
  }
}
