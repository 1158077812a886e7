/// Text from outside within the markup of a chat.
///
/// Markdown has too many dialects to escape it rightly in each. All of them leave alone what stands in a code span: no
/// formatting, no mention, no link, no emoji. So words in which nothing could be markup in any of them stand as they are,
/// and any others stand in a code span.
enum ChatMarkup {
  /// Some words of a text, which stood between blanks.
  struct Piece: Equatable {
    var text: String
    var isCode: Bool
  }

  /// `text`, one line, in at most `limit` UTF-16 units, including what `escape` and the code spans add.
  ///
  /// - Parameters:
  ///   - emphasis: what is put around a text that neither begins nor ends with a code span, `**` for instance.
  ///   - escape: what the chat demands of single characters, in code spans too.
  static func inline(
    _ text: String, _ limit: Int, emphasis: String = "", escape: ((Unicode.Scalar) -> String)? = nil
  ) -> String {
    func written(_ text: String) -> String {
      let pieces = pieces(text)
      let result = pieces.map { piece in
        piece.isCode ? code(piece.text, .max, escape: escape) : TextCut.units(piece.text, .max, escape: escape)
      }.joined(separator: " ")
      return pieces.first?.isCode == false && pieces.last?.isCode == false ? emphasis + result + emphasis : result
    }
    var cut = text
    var result = written(cut)
    while result.utf16.count > limit, cut.utf16.count > 1 {
      let units = cut.utf16.count
      cut = TextCut.units(cut, max(1, min(units - 1, units * limit / result.utf16.count)))
      result = written(cut)
    }
    return result
  }

  /// The words of `text`, neighbours of one kind together.
  static func pieces(_ text: String) -> [Piece] {
    var pieces: [Piece] = []
    // Two of them would be a formula in Mattermost, even if the second one stands in a code span.
    let isAmountPlain = text.utf8.count { $0 == UInt8(ascii: "$") } < 2
    for word in text.split(separator: " ") {
      let isCode = !isPlain(word, isFirst: pieces.isEmpty) || word.contains("$") && !isAmountPlain
      if let last = pieces.indices.last, pieces[last].isCode == isCode {
        pieces[last].text += " " + word
      } else {
        pieces.append(Piece(text: String(word), isCode: isCode))
      }
    }
    // A patchwork would only be hard to read.
    return pieces.isEmpty || pieces.count > 7 ? [Piece(text: text, isCode: true)] : pieces
  }

  /// A code span. A backtick, which would end it, becomes a modifier letter that looks the same.
  static func code(
    _ text: String, _ limit: Int, escape: ((Unicode.Scalar) -> String)? = nil
  ) -> String {
    let inner = TextCut.units(text.replacing("`", with: "\u{2CB}"), limit - 2, escape: escape)
    return "`\(inner.isEmpty ? "-" : inner)`"
  }

  /// Whether no chat could read markup, a mention, a link, an emoji or a command in `word`.
  ///
  /// - Parameter isFirst: whether a line begins with it, where a list or a heading could.
  static func isPlain(_ word: some StringProtocol, isFirst: Bool) -> Bool {
    let scalars = Array(word.unicodeScalars)
    guard let first = scalars.first, !isFirst || isWordy(first) || "$(\"".unicodeScalars.contains(first) else {
      return false
    }
    for (index, scalar) in scalars.enumerated() {
      let previous: Unicode.Scalar = index > 0 ? scalars[index - 1] : " "
      let next: Unicode.Scalar = index + 1 < scalars.count ? scalars[index + 1] : " "
      let isFine: Bool =
        switch scalar {
        case ",", ";", "%", "'", "?", "\"", "…", "·": true
        // `[text](address)` has brackets, which are not among these.
        case "(", ")": !(scalar == ")" && isNumber(scalars[..<index]))
        // Neither the domain of a link, nor a numbered list.
        case ".":
          isDigit(previous) && isDigit(next) || "\"'),; ".unicodeScalars.contains(next) && !isNumber(scalars[..<index])
        // Neither a scheme, nor an emoji's name.
        case ":": next == " " || isDigit(next) && isDigit(previous)
        // A path or a rate, no command.
        case "/": isWordy(previous) && isWordy(next)
        case "-": isWordy(previous) && isWordy(next)
        case "+", "=", "!": next == " " || isDigit(next)
        // Letters after it would be a share's name in Telegram.
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
