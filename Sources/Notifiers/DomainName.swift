/// Domain names with letters outside of ASCII as mail servers know them: `bücher.example` is `xn--bcher-kva.example`.
enum DomainName {
  /// `text` with each label in ASCII, or nil if one can't be a label.
  ///
  /// Of IDNA 2008 (RFC 5891) it takes what can be told without its tables: letters, digits and marks, in lower case. A
  /// letter with its accent as a character of its own is refused, since both are one letter there.
  static func ascii(_ text: some StringProtocol) -> String? {
    var labels: [String] = []
    for label in text.split(separator: ".", omittingEmptySubsequences: false) {
      guard let ascii = self.label(String(label)) else { return nil }
      labels.append(ascii)
    }
    return labels.joined(separator: ".")
  }

  private static func label(_ text: String) -> String? {
    if text.utf8.allSatisfy({ $0 < 128 }) { return text }
    let scalars = Array(text.lowercased().unicodeScalars)
    guard scalars.allSatisfy(isAllowed), scalars.first != "-", scalars.last != "-",
      scalars.dropFirst(2).prefix(2) != ["-", "-"], let code = punycode(scalars)
    else { return nil }
    return "xn--" + code
  }

  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII {
      return scalar == "-" || (48...57).contains(scalar.value) || (97...122).contains(scalar.value)
    }
    if (0x300...0x36F).contains(scalar.value) { return false }
    switch scalar.properties.generalCategory {
    case .lowercaseLetter, .otherLetter, .modifierLetter, .decimalNumber, .nonspacingMark, .spacingMark: return true
    default: return false
    }
  }

  // MARK: - Punycode (RFC 3492)

  private static let (base, least, most, skew, damp) = (36, 1, 26, 38, 700)

  /// Nil only for what is far too long for a label.
  static func punycode(_ scalars: [Unicode.Scalar]) -> String? {
    guard scalars.count <= 255 else { return nil }
    var result = scalars.filter(\.isASCII).map(Character.init)
    let basic = result.count
    if basic > 0 { result.append("-") }
    var (code, delta, bias, handled) = (128, 0, 72, basic)
    while handled < scalars.count {
      guard let next = scalars.map({ Int($0.value) }).filter({ $0 >= code }).min() else { return nil }
      delta += (next - code) * (handled + 1)
      code = next
      for scalar in scalars {
        let value = Int(scalar.value)
        if value < code { delta += 1 }
        guard value == code else { continue }
        var rest = delta
        var step = base
        while true {
          let threshold = min(max(step - bias, least), most)
          if rest < threshold { break }
          result.append(digit(threshold + (rest - threshold) % (base - threshold)))
          rest = (rest - threshold) / (base - threshold)
          step += base
        }
        result.append(digit(rest))
        bias = adapted(delta, points: handled + 1, isFirst: handled == basic)
        delta = 0
        handled += 1
      }
      delta += 1
      code += 1
    }
    return String(result)
  }

  private static func digit(_ number: Int) -> Character {
    Character(Unicode.Scalar(UInt8(number < 26 ? 97 + number : 22 + number)))
  }

  private static func adapted(_ delta: Int, points: Int, isFirst: Bool) -> Int {
    var delta = isFirst ? delta / damp : delta / 2
    delta += delta / points
    var step = 0
    while delta > (base - least) * most / 2 {
      delta /= base - least
      step += base
    }
    return step + (base - least + 1) * delta / (delta + skew)
  }
}
