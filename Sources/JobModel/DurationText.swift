/// Durations as people write and read them.
package enum DurationText {
  /// `2h 15m`, `15m`, `42s`, `3d 4h`: the two largest units.
  package static func short(_ duration: Duration) -> String {
    let seconds = max(0, duration.components.seconds)
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
    if days > 0 { return hours > 0 ? "\(days)d \(hours)h" : "\(days)d" }
    if hours > 0 { return minutes > 0 ? "\(hours)h \(minutes)m" : "\(hours)h" }
    if minutes > 0 { return minutes < 10 && rest > 0 ? "\(minutes)m \(rest)s" : "\(minutes)m" }
    return "\(rest)s"
  }

  /// Reads `90`, `90s`, `15m`, `1.5h`, `2h30m`, `1d 4h`; a bare number is seconds. Nil if it is not a duration.
  package static func parse(_ text: String) -> Duration? {
    var total = 0.0
    var number = ""
    var sawUnit = false
    var sawNumber = false
    for character in text.lowercased() where character != " " {
      if character.isASCII, character.isNumber || character == "." {
        number.append(character)
        continue
      }
      guard let value = Double(number), value.isFinite else { return nil }
      let scale: Double
      switch character {
      case "s": scale = 1
      case "m": scale = 60
      case "h": scale = 3600
      case "d": scale = 86_400
      case "w": scale = 604_800
      default: return nil
      }
      total += value * scale
      number = ""
      sawUnit = true
      sawNumber = true
    }
    if !number.isEmpty {
      guard !sawUnit, let value = Double(number), value.isFinite else { return nil }
      total += value
      sawNumber = true
    }
    // A hundred years is more than any calculation.
    guard sawNumber, total <= 3.2e9 else { return nil }
    return .milliseconds(Int64((total * 1000).rounded()))
  }
}
