package import JobModel

/// An element of a service's reply. Attributes and namespaces are not kept: no reply that is read here needs them.
package struct XMLNode: Sendable, Hashable {
  /// Without a prefix.
  package var name: String
  /// The element's own text; empty if it has children and only blanks between them.
  package var text: String
  package var children: [XMLNode]

  package init(_ name: String, text: String = "", children: [XMLNode] = []) {
    self.name = name
    self.text = text
    self.children = children
  }

  /// The first element at `path`, as in `instanceState/name`, or nil.
  package subscript(path: String) -> XMLNode? {
    var node = self
    for step in path.split(separator: "/") {
      guard let next = node.children.first(where: { $0.name == step }) else { return nil }
      node = next
    }
    return node
  }

  /// All children of that name, as S3 repeats them: `Contents`.
  package func all(_ name: String) -> [XMLNode] { children.filter { $0.name == name } }

  /// The members of a list at `path`, as EC2 (`item`) and the other Query services (`member`) write it. None if there is no list.
  package func items(_ path: String) -> [XMLNode] {
    self[path]?.children.filter { $0.name == "item" || $0.name == "member" } ?? []
  }

  /// The text at `path`; nil if there is no such element or it is empty.
  package func text(_ path: String) -> String? {
    guard let text = self[path]?.text, !text.isEmpty else { return nil }
    return text
  }

  package func bool(_ path: String) -> Bool? {
    switch text(path) {
    case "true", "1": true
    case "false", "0": false
    default: nil
    }
  }

  package func integer(_ path: String) -> Int64? { text(path).flatMap { Int64($0) } }

  package func date(_ path: String) -> Timestamp? { text(path).flatMap { Timestamp(iso8601: $0) } }
}
