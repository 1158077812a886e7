/// Text from outside within the markup of a chat.
///
/// Markdown has too many dialects to escape it rightly in each. All of them leave alone what stands in a code span: no
/// formatting, no mention, no link, no emoji. So a text in which nothing could be markup in any of them stands as it is,
/// and any other one stands in a code span.
enum ChatMarkup {
  /// `text` in at most `limit` UTF-16 units, including what `escape` and the code span add.
  ///
  /// - Parameters:
  ///   - text: one line.
  ///   - emphasis: what is put around a text that needs no code span, `**` for instance.
  ///   - escape: what the chat demands of single characters, in code spans too.
  static func inline(
    _ text: String, _ limit: Int, emphasis: String = "", escape: (Unicode.Scalar) -> String = { String(Character($0)) }
  ) -> String {
    isPlain(text)
      ? emphasis + TextCut.units(text, limit - 2 * emphasis.utf16.count, escape: escape) + emphasis
      : code(text, limit, escape: escape)
  }

  /// A code span. A backtick, which would end it, becomes a modifier letter that looks the same.
  static func code(
    _ text: String, _ limit: Int, escape: (Unicode.Scalar) -> String = { String(Character($0)) }
  ) -> String {
    // A chat would take blanks at the ends for part of the span's marks.
    let inner = TextCut.units(text, limit - 2) { $0 == "`" ? "\u{2CB}" : escape($0) }
    return "`\(inner.isEmpty ? "-" : inner)`"
  }

  /// Whether no chat could read markup, a mention, a link, an emoji or a command in `text`.
  static func isPlain(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    guard let first = scalars.first, isWordy(first) || first == "$" || first == "(" || first == "\"" else {
      return false
    }
    for (index, scalar) in scalars.enumerated() {
      let previous: Unicode.Scalar = index > 0 ? scalars[index - 1] : " "
      let next: Unicode.Scalar = index + 1 < scalars.count ? scalars[index + 1] : " "
      let isFine: Bool =
        switch scalar {
        case " ": next != " "
        case ",", ";", "%", "'", "?", "\"", "…", "·": true
        // `[text](address)` has brackets, which are not among these.
        case "(", ")": !(scalar == ")" && isNumber(scalars[..<index]))
        // Neither the domain of a link, nor a numbered list.
        case ".": !next.properties.isAlphabetic && !isNumber(scalars[..<index]) || isDigit(previous) && isDigit(next)
        // Neither a scheme, nor an emoji's name.
        case ":": next == " " || isDigit(next) && isDigit(previous)
        // A path or a rate, no command.
        case "/": isWordy(previous) && isWordy(next)
        case "-": isWordy(previous) && isWordy(next)
        case "+", "=", "!": next == " " || isDigit(next)
        // Two of them would be a formula in Mattermost, and letters after one a share's name in Telegram.
        case "$": isDigit(next) && !scalars[..<index].contains("$")
        default: isWordy(scalar)
        }
      if !isFine { return false }
    }
    return true
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { (48...57).contains(scalar.value) }

  /// Whether `scalars` are a number that could begin an item of a list.
  private static func isNumber(_ scalars: ArraySlice<Unicode.Scalar>) -> Bool {
    !scalars.isEmpty && scalars.allSatisfy(isDigit)
  }

  /// A letter or a digit of any script. Emoji and invisible characters are none.
  private static func isWordy(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .otherLetter, .decimalNumber: true
    default: false
    }
  }
}
