/// The values of all sources, one laid over the other: flag > environment > file > default.
struct Layers {
  struct Entry {
    var node: JSONNode
    var source: EffectiveValue.Source
  }

  /// What the file says; an empty object if there is no file.
  let document: JSONNode
  let file: String?
  private(set) var entries: [String: Entry] = [:]
  let leaves: [(path: String, field: Schema.Field)]

  init(document: JSONNode, file: String?) {
    self.document = document
    self.file = file
    leaves = ConfigurationSchema.root.leaves
    for (path, field) in leaves {
      if let node = Self.find(path, in: document) {
        entries[path] = Entry(node: node, source: .file(file ?? "config.json", node.position))
      } else if let node = field.standard {
        entries[path] = Entry(node: node, source: .standard)
      }
    }
  }

  private static func find(_ path: String, in document: JSONNode) -> JSONNode? {
    var node = document
    for key in path.split(separator: ".") {
      guard let next = node[String(key)] else { return nil }
      node = next
    }
    return node
  }

  /// Lays the variables over the file, and reports those that mean nothing.
  mutating func apply(environment: [String: String], knownVariables: Set<String>, check: inout SchemaCheck) {
    var known = knownVariables.union(Settings.variables)
    for (path, field) in leaves {
      let variable = Schema.variable(for: path)
      known.insert(variable)
      // An empty variable is what a shell leaves of one that was meant to be unset.
      guard let text = environment[variable], !text.isEmpty else { continue }
      apply(text, path, field, .environment(variable), &check)
    }
    if let text = environment["CLOUDJOBS_DB"], !text.isEmpty, let leaf = leaf("store.path") {
      apply(text, leaf.path, leaf.field, .environment("CLOUDJOBS_DB"), &check)
      if let long = environment["CLOUDJOBS_STORE_PATH"], !long.isEmpty, long != text {
        check.warn("CLOUDJOBS_STORE_PATH", "is overruled by CLOUDJOBS_DB; unset one of them", at: nil)
      }
    }
    for name in environment.keys.sorted() where name.hasPrefix("CLOUDJOBS_") && !known.contains(name) {
      if Settings.foreignPrefixes.contains(where: { name.hasPrefix($0) }) { continue }
      let near = Wording.nearest(to: name, in: known.sorted())
      check.warn(
        Wording.bare(name), "is not a known variable and was ignored" + (near.map { "; did you mean \($0)?" } ?? ""),
        at: nil)
    }
  }

  mutating func apply(flags: [Settings.Flag], check: inout SchemaCheck) {
    for flag in flags {
      guard let leaf = leaf(flag.path) else {
        check.add(flag.name, "sets \(flag.path), which is not a key of the configuration", at: nil)
        continue
      }
      apply(flag.text, leaf.path, leaf.field, .flag(flag.name), &check)
    }
  }

  private mutating func apply(
    _ text: String, _ path: String, _ field: Schema.Field, _ source: EffectiveValue.Source, _ check: inout SchemaCheck
  ) {
    let node = field.schema.node(from: text)
    check.check(node, field.schema, source.description)
    entries[path] = Entry(node: node, source: source)
  }

  private func leaf(_ path: String) -> (path: String, field: Schema.Field)? { leaves.first { $0.path == path } }

  // MARK: What is in force, for people

  var values: [EffectiveValue] {
    var all = leaves.compactMap { path, field -> EffectiveValue? in
      entries[path].map { EffectiveValue(path: path, text: Self.shown($0.node, field.schema), source: $0.source) }
    }
    for rule in document["alerts"]?["templates"]?.members ?? [] {
      for text in rule.node.members ?? [] {
        let path = Wording.step(Wording.step("alerts.templates", rule.key), text.key)
        all.append(EffectiveValue(path: path, text: text.node.text(), source: source(text.node)))
      }
    }
    for member in document["notifiers"]?.members ?? [] {
      let here = Wording.step("notifiers", member.key)
      guard let variant = ConfigurationSchema.notifiers.first(where: { $0.type == member.node["type"]?.string }) else {
        continue
      }
      all.append(
        EffectiveValue(path: here + ".type", text: JSONNode.quoted(variant.type), source: source(member.node["type"])))
      for field in variant.fields.fields {
        let written = member.node[field.key]
        guard let node = written ?? field.standard else { continue }
        all.append(
          EffectiveValue(path: "\(here).\(field.key)", text: Self.shown(node, field.schema), source: source(written)))
      }
    }
    return all
  }

  private func source(_ node: JSONNode?) -> EffectiveValue.Source {
    node.map { .file(file ?? "config.json", $0.position) } ?? .standard
  }

  /// The value on one line; what may be secret is masked.
  private static func shown(_ node: JSONNode, _ schema: Schema) -> String { masked(node, schema).text() }

  private static func masked(_ node: JSONNode, _ schema: Schema) -> JSONNode {
    switch schema {
    case .secret, .textOrSecret:
      if let text = node.string { return .string(WebAddress.masked(text)) }
      // The arguments of a command may tell too much.
      if let program = node["command"]?.items?.first {
        return .object([("command", .array([program, .string("•••")]))])
      }
      return node
    case .text(let rule) where rule.sensitive:
      return node.string.map { .string(WebAddress.masked($0)) } ?? node
    case .list(let element, _), .oneOrMany(let element):
      return node.items.map { .array($0.map { masked($0, element) }) } ?? node
    case .map(_, let values, _):
      return node.members.map { .object($0.map { ($0.key, masked($0.node, values)) }) } ?? node
    default: return node
    }
  }
}
