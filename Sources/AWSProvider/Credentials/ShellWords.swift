/// Splits a line into words as a POSIX shell does, with quotes and backslashes and nothing else: no variables, no tilde,
/// no patterns.
enum ShellWords {
  /// Nil if a quote or a backslash is left open.
  static func split(_ line: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var rest = line.makeIterator()
    while let character = rest.next() {
      switch (quote, character) {
      case (nil, _) where character.isWhitespace:
        if let done = word { words.append(done) }
        word = nil
      case (nil, "'"), (nil, "\""):
        quote = character
        word = word ?? ""
      case (nil, "\\"):
        guard let next = rest.next() else { return nil }
        word = (word ?? "") + String(next)
      case ("'", "'"), ("\"", "\""): quote = nil
      case ("\"", "\\"):
        guard let next = rest.next() else { return nil }
        // Within double quotes a backslash is one, except before these.
        word = (word ?? "") + (next == "\"" || next == "\\" ? "" : "\\") + String(next)
      default: word = (word ?? "") + String(character)
      }
    }
    guard quote == nil else { return nil }
    if let word { words.append(word) }
    return words
  }
}
