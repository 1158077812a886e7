/// A text with fields of an alert in it: `{{job.name}} has cost {{job.cost}} of {{job.budget|no budget}}`.
///
/// There is nothing else: no conditions, no calls, nothing but the fields of `AlertField` and `tag.NAME`, each with an
/// optional default behind a `|`. Whatever a value holds is never read again as a template.
package struct AlertTemplate: Sendable, Hashable {
  package enum Piece: Sendable, Hashable {
    case text(String)
    case field(AlertField, otherwise: String?)
    /// One of the job's tags.
    case tag(String, otherwise: String?)
  }

  /// Why a text is none.
  package enum Flaw: Error, Sendable, Hashable {
    /// A `{{` without its `}}`.
    case open
    /// Nothing between the two.
    case empty
    /// What stands there is no field.
    case unknown(String)
  }

  package let pieces: [Piece]
  /// What stands for a field that has no value and no default.
  package static let nothing = "-"

  package init(pieces: [Piece]) { self.pieces = pieces }

  /// Blanks around a field's name and its default don't count. A `}}` without a `{{` is text, as JSON may have it.
  package init(_ text: String) throws(Flaw) {
    var pieces: [Piece] = []
    var rest = text[...]
    while let start = rest.firstRange(of: "{{") {
      if start.lowerBound > rest.startIndex { pieces.append(.text(String(rest[..<start.lowerBound]))) }
      rest = rest[start.upperBound...]
      guard let end = rest.firstRange(of: "}}"), !rest[..<end.lowerBound].contains("{{") else { throw .open }
      pieces.append(try Self.field(rest[..<end.lowerBound]))
      rest = rest[end.upperBound...]
    }
    if !rest.isEmpty { pieces.append(.text(String(rest))) }
    self.pieces = pieces
  }

  private static func field(_ text: Substring) throws(Flaw) -> Piece {
    let parts = text.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    let name = trimmed(parts[0])
    let otherwise = parts.count > 1 ? trimmed(parts[1]) : nil
    guard !name.isEmpty else { throw .empty }
    if let field = AlertField(rawValue: name) { return .field(field, otherwise: otherwise) }
    guard name.hasPrefix("tag."), name.utf8.count > 4 else { throw .unknown(name) }
    return .tag(String(name.dropFirst(4)), otherwise: otherwise)
  }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  /// The text for an alert.
  ///
  /// - Parameter value: what becomes of a value before it is put in: it may be any text.
  package func text(for alert: Alert, value: (String) -> String) -> String {
    pieces.map { piece in
      switch piece {
      case .text(let text): text
      case .field(let field, let otherwise): alert.value(field).map(value) ?? otherwise ?? Self.nothing
      case .tag(let name, let otherwise): alert.labels["tag.\(name)"].map(value) ?? otherwise ?? Self.nothing
      }
    }.joined()
  }
}
