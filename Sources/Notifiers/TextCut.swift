/// Cuts texts to what a service takes, at a character's end, and lets that be seen.
enum TextCut {
  /// What stands where something was left out.
  static let mark = "…"

  /// `text` with each of its Unicode scalars written as `escape` says, in at most `limit` UTF-16 units, at least 1.
  ///
  /// UTF-16 units are what Telegram counts, and never fewer than the characters that other services count. What a scalar
  /// was escaped to is there whole or not at all.
  static func units(_ text: String, _ limit: Int, escape: ((Unicode.Scalar) -> String)? = nil) -> String {
    if escape == nil, text.utf8.count <= limit || text.utf16.count <= limit { return text }
    var result = String.UnicodeScalarView()
    var (units, scalars) = (0, 0)
    // So many scalars leave room for the mark.
    var kept = 0
    for scalar in text.unicodeScalars {
      if let escape {
        let piece = escape(scalar)
        units += piece.utf16.count
        scalars += piece.unicodeScalars.count
        if units <= limit { result.append(contentsOf: piece.unicodeScalars) }
      } else {
        units += UTF16.width(scalar)
        scalars += 1
        if units <= limit { result.append(scalar) }
      }
      if units > limit { return String(String.UnicodeScalarView(result.prefix(kept))) + mark }
      if units < limit { kept = scalars }
    }
    return String(result)
  }
}
