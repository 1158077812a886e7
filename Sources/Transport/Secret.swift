/// A text that must not be seen: a password, a token, an address that is itself the key.
///
/// It prints as `•••` everywhere, reflection and string interpolation included, and is deliberately not `Codable`, so
/// that it can't slip into a database or a JSON document. Only `reveal()` gives the text, right where it is put on the wire.
package struct Secret: Sendable, Hashable {
  /// What is shown in place of a secret.
  package static let mask = "•••"

  private let text: String

  package init(_ text: String) { self.text = text }

  /// The text itself. Never put it into a log, an error or an argument list.
  package func reveal() -> String { text }

  package var isEmpty: Bool { text.isEmpty }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { Self.mask }
  package var debugDescription: String { Self.mask }
  package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>(), displayStyle: .struct) }
}
