/// The `Retry-After` header of HTTP (RFC 9110, section 10.2.3), and the forms that servers really send.
package enum RetryAfter {
  /// What a server may ask for. A longer wait than six hours is not believed: an alert would be useless by then.
  package static let range: ClosedRange<Duration> = .seconds(1) ... .seconds(6 * 3600)

  /// Seconds as an integer or a decimal fraction, or an HTTP date, relative to `now` in seconds since 1970.
  ///
  /// A moment that has passed, or zero, is one second. Nil stands for anything else, negative numbers too.
  package static func parse(_ text: String, now: Int64) -> Duration? {
    let trimmed = text.trimmingBlanks
    guard let first = trimmed.utf8.first else { return nil }
    if (48...57).contains(first) {
      guard trimmed.utf8.allSatisfy({ (48...57).contains($0) || $0 == UInt8(ascii: ".") }),
        let seconds = Double(trimmed), seconds.isFinite
      else { return nil }
      // Compared before it becomes a Duration, which can't hold what a server may write.
      guard seconds < range.upperBound.inWholeSeconds else { return range.upperBound }
      return clamp(.milliseconds(Int64((seconds * 1000).rounded(.up))))
    }
    guard let moment = HTTPDate.parse(trimmed) else { return nil }
    let (seconds, overflow) = moment.subtractingReportingOverflow(now)
    guard !overflow, Double(seconds) < range.upperBound.inWholeSeconds else { return range.upperBound }
    return clamp(.seconds(seconds))
  }

  package static func clamp(_ duration: Duration) -> Duration { min(max(duration, range.lowerBound), range.upperBound) }
}

/// The three date forms of RFC 9110, section 5.6.7.
package enum HTTPDate {
  /// Seconds since 1970, or nil if `text` is not a date.
  package static func parse(_ text: String) -> Int64? {
    // `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`
    let words = text.split { " ,-".contains($0) }.map(String.init)
    if words.count == 6, words[5] == "GMT" || words[5] == "UTC" {
      return seconds(day: words[1], month: words[2], year: words[3], time: words[4])
    }
    if words.count == 5 { return seconds(day: words[2], month: words[1], year: words[4], time: words[3]) }
    return nil
  }

  private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

  private static func seconds(day: String, month: String, year: String, time: String) -> Int64? {
    let clock = time.split(separator: ":").map { number(String($0)) }
    guard let day = number(day), (1...31).contains(day), var year = number(year),
      let month = months.firstIndex(of: month.lowercased()), clock.count == 3,
      let hour = clock[0], let minute = clock[1], let second = clock[2], hour < 24, minute < 60, second <= 60
    else { return nil }
    if year < 100 { year += year < 70 ? 2000 : 1900 }
    // Days from civil date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (public domain).
    let y = month < 2 ? year - 1 : year
    let era = y / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * ((month + 10) % 12) + 2) / 5 + day - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    return Int64(days) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
  }

  private static func number(_ text: String) -> Int? {
    guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }
}

extension String {
  var trimmingBlanks: String {
    var rest = Substring(self)
    while let first = rest.first, first.isWhitespace { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return String(rest)
  }
}

extension Duration {
  var inWholeSeconds: Double { Double(components.seconds) }

  /// Whole milliseconds, at least 1 for anything longer than nothing, and small enough for a C `long` anywhere.
  var curlMilliseconds: Int {
    let (seconds, attoseconds) = components
    guard seconds < 2_000_000 else { return 2_000_000_000 }
    let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
    return max(1, Int(milliseconds))
  }
}
