/// Checks a document against a schema and names every mistake.
struct SchemaCheck {
  private(set) var mistakes = MistakeList()
  /// What is suspicious, but harmless.
  private(set) var warnings = MistakeList()

  mutating func check(_ node: JSONNode, _ schema: Schema, _ path: String) {
    switch schema {
    case .boolean: note(ValueReader.boolean(node), node, path)
    case .integer(let range): note(ValueReader.integer(node, range), node, path)
    case .number(let range): note(ValueReader.number(node, range), node, path)
    case .duration(let range): note(ValueReader.duration(node, range), node, path)
    case .money: note(ValueReader.money(node), node, path)
    case .price: note(ValueReader.price(node), node, path)
    case .text(let rule): note(ValueReader.text(node, rule), node, path)
    case .secret: note(ValueReader.secret(node), node, path)
    case .textOrSecret(let rule): note(ValueReader.textOrSecret(node, rule), node, path)
    case .list(let element, let least): list(node, element, least, path)
    case .oneOrMany(let element):
      if node.items != nil { list(node, element, 1, path) } else { check(node, element, path) }
    case .object(let fields): object(node, fields, path, known: [])
    case .map(let keys, let values, let sensitive): map(node, keys, values, sensitive, path)
    case .document: document(node, path)
    case .variants(let variants): variant(node, variants, path)
    }
  }

  mutating func add(_ path: String, _ message: String, at position: TextPosition?) {
    mistakes.add(path, message, at: position)
  }

  mutating func warn(_ path: String, _ message: String, at position: TextPosition?) {
    warnings.add(path, message, at: position)
  }

  private mutating func note<Value>(_ reading: Reading<Value>, _ node: JSONNode, _ path: String) {
    if case .problem(let message) = reading { mistakes.add(path, message, at: node.position) }
  }

  private mutating func list(_ node: JSONNode, _ element: Schema, _ least: Int, _ path: String) {
    guard let items = node.items else {
      mistakes.add(path, "must be a list, not \(node.kind)", at: node.position)
      return
    }
    if items.count < least { mistakes.add(path, "needs at least \(least) of them", at: node.position) }
    for (index, item) in items.enumerated() { check(item, element, "\(path)[\(index)]") }
  }

  /// `known` are keys that were already looked at.
  private mutating func object(_ node: JSONNode, _ fields: Schema.Fields, _ path: String, known: [String]) {
    guard let members = node.members else {
      mistakes.add(path, "must be an object, not \(node.kind)", at: node.position)
      return
    }
    duplicates(members, path)
    for member in members where !known.contains(member.key) {
      let here = Wording.step(path, member.key)
      if let field = fields[member.key] {
        check(member.node, field.schema, here)
      } else {
        unknown(member, fields, here, known: known)
      }
    }
    for field in fields.fields where field.required && node[field.key] == nil {
      mistakes.add(Wording.step(path, field.key), "is missing: \(field.meaning)", at: node.position)
    }
  }

  private mutating func unknown(_ member: JSONNode.Member, _ fields: Schema.Fields, _ path: String, known: [String]) {
    // A comment, as people write it into JSON, and the pointer that editors use to find the schema.
    if member.key.hasPrefix("_") || (member.key == "$schema" && !path.contains(".")) { return }
    let keys = fields.fields.map(\.key) + known
    let near = Wording.nearest(to: member.key, in: keys)
    if fields.shared {
      if Sensitive.isName(member.key), member.node.string != nil {
        mistakes.add(
          path, "is a secret, which must not stand here; remove it: each provider's own tools keep its credentials",
          at: member.keyPosition)
        return
      }
      if near == nil {
        warnings.add(path, "is not used by cloudjobs", at: member.keyPosition)
        return
      }
    }
    let hint = near.map { "did you mean \($0)?" } ?? "allowed are \(keys.sorted().joined(separator: ", "))"
    mistakes.add(path, "is not a known key; \(hint)", at: member.keyPosition)
  }

  private mutating func duplicates(_ members: [JSONNode.Member], _ path: String) {
    var seen: Set<String> = []
    for member in members where !seen.insert(member.key).inserted {
      mistakes.add(Wording.step(path, member.key), "is written twice; keep one of them", at: member.keyPosition)
    }
  }

  private mutating func map(_ node: JSONNode, _ keys: TextRule, _ values: Schema, _ sensitive: Bool, _ path: String) {
    guard let members = node.members else {
      mistakes.add(path, "must be an object, not \(node.kind)", at: node.position)
      return
    }
    duplicates(members, path)
    for member in members {
      let here = Wording.step(path, member.key)
      if let problem = keys.problem(member.key) { mistakes.add(here, problem, at: member.keyPosition) }
      if sensitive, Sensitive.isName(member.key), member.node.string != nil {
        note(ValueReader.secret(member.node), member.node, here)
      } else {
        check(member.node, values, here)
      }
    }
  }

  private mutating func document(_ node: JSONNode, _ path: String) {
    switch node.value {
    case .null, .bool, .number: break
    case .string(let text):
      if let problem = TextRule.templateProblem(text) { mistakes.add(path, problem, at: node.position) }
    case .array(let items):
      for (index, item) in items.enumerated() { document(item, "\(path)[\(index)]") }
    case .object(let members):
      duplicates(members, path)
      for member in members { document(member.node, Wording.step(path, member.key)) }
    }
  }

  private mutating func variant(_ node: JSONNode, _ variants: [Schema.Variant], _ path: String) {
    guard node.members != nil else {
      mistakes.add(path, "must be an object, not \(node.kind)", at: node.position)
      return
    }
    let types = variants.map(\.type)
    guard let type = node["type"] else {
      mistakes.add(Wording.step(path, "type"), "is missing; one of \(types.joined(separator: ", "))", at: node.position)
      return
    }
    guard let variant = variants.first(where: { $0.type == type.string }) else {
      note(ValueReader.text(type, .choice(types)), type, Wording.step(path, "type"))
      return
    }
    object(node, variant.fields, path, known: ["type"])
  }
}

/// Which names promise a secret.
enum Sensitive {
  static func isName(_ name: String) -> Bool {
    let lower = name.lowercased()
    return [
      "token", "secret", "password", "passwd", "authorization", "cookie", "signature", "credential", "access_key",
      "api-key", "api_key", "apikey", "private_key", "auth-key", "account_key",
    ].contains { lower.contains($0) }
  }
}
