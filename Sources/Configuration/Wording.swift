/// How foreign text is shown in a message: bounded, and without anything that a terminal would obey.
enum Wording {
  /// `text` in double quotes.
  static func quoted(_ text: String) -> String { "\"\(bare(text))\"" }

  static func bare(_ text: String) -> String {
    var out = ""
    for (index, scalar) in text.unicodeScalars.enumerated() {
      if index == 60 { return out + "…" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        out += "\u{FFFD}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  /// A key as a part of a path.
  static func step(_ path: String, _ key: String) -> String {
    let plain =
      !key.isEmpty && key.utf8.count <= 60
      && key.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte & 0xDF) || byte == UInt8(ascii: "_")
          || byte == UInt8(ascii: "-")
      }
    let shown = plain ? key : quoted(key)
    return path.isEmpty ? shown : "\(path).\(shown)"
  }

  /// The candidate that `word` most likely means, or nil if none is near.
  static func nearest(to word: String, in candidates: [String]) -> String? {
    guard (1...60).contains(word.utf8.count) else { return nil }
    let wanted = normal(word)
    var best: (distance: Int, candidate: String)?
    for candidate in candidates {
      let other = normal(candidate)
      var distance = distance(wanted, other)
      // `poll` for `poll_interval`.
      if wanted.count >= 4, other.starts(with: wanted) { distance = min(distance, 1) }
      if distance <= max(1, other.count / 3), distance < (best?.distance ?? .max) { best = (distance, candidate) }
    }
    return best?.candidate
  }

  /// Without case and separators, so `pollInterval` finds `poll_interval`.
  private static func normal(_ word: String) -> [UInt8] {
    word.lowercased().utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: " ") }
  }

  /// Edits between two words, a swap of neighbours counting once (optimal string alignment).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var before: [Int] = []
    var previous = Array(0...right.count)
    for row in 0..<left.count {
      var current = [row + 1]
      for column in 0..<right.count {
        let same = left[row] == right[column]
        var cost = min(previous[column] + (same ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, before[column - 1] + 1)
        }
        current.append(cost)
      }
      before = previous
      previous = current
    }
    return previous[right.count]
  }
}
