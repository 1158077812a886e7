/// Cuts texts to what a service takes, at a character's end, and lets that be seen.
enum TextCut {
  /// What stands where something was left out.
  static let mark = "…"

  /// `text` with each of its Unicode scalars written as `escape` says, in at most `limit` UTF-16 units, at least 1.
  ///
  /// UTF-16 units are what Telegram counts, and never fewer than the characters that other services count. What a scalar
  /// was escaped to is there whole or not at all.
  static func units(
    _ text: String, _ limit: Int, escape: (Unicode.Scalar) -> String = { String(Character($0)) }
  ) -> String {
    var result = String.UnicodeScalarView()
    var (units, scalars) = (0, 0)
    // So many scalars leave room for the mark.
    var kept = 0
    for scalar in text.unicodeScalars {
      let piece = escape(scalar)
      units += piece.utf16.count
      if units > limit { return String(String.UnicodeScalarView(result.prefix(kept))) + mark }
      result.append(contentsOf: piece.unicodeScalars)
      scalars += piece.unicodeScalars.count
      if units < limit { kept = scalars }
    }
    return String(result)
  }
}
