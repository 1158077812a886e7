/// A moment in milliseconds since 1970-01-01T00:00:00Z, as it stands in the database.
package struct Timestamp: Sendable, Hashable, Comparable, RawRepresentable, Codable {
  package let rawValue: Int64

  package init(rawValue: Int64) { self.rawValue = rawValue }
  package init(milliseconds: Int64) { rawValue = milliseconds }
  package init(seconds: Int64) { rawValue = seconds * 1000 }

  /// Whole seconds since 1970, rounded down.
  package var seconds: Int64 { Int64((Double(rawValue) / 1000).rounded(.down)) }

  package static func < (left: Timestamp, right: Timestamp) -> Bool { left.rawValue < right.rawValue }
  package static func + (moment: Timestamp, duration: Duration) -> Timestamp {
    let (sum, overflow) = moment.rawValue.addingReportingOverflow(duration.milliseconds)
    return Timestamp(rawValue: overflow ? .max : sum)
  }
  package static func - (moment: Timestamp, duration: Duration) -> Timestamp {
    Timestamp(rawValue: moment.rawValue - duration.milliseconds)
  }
  package static func - (left: Timestamp, right: Timestamp) -> Duration {
    .milliseconds(left.rawValue - right.rawValue)
  }
}

extension Duration {
  /// Whole milliseconds, rounded towards zero.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    return overflow ? (seconds < 0 ? .min : .max) : product + attoseconds / 1_000_000_000_000_000
  }

  /// Seconds as a real number, for display and for time-outs of C functions.
  package var inSeconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}

// MARK: - ISO 8601

extension Timestamp {
  /// The calendar date and time of day of this moment, `offset` seconds east of Greenwich.
  ///
  /// Days to civil date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (public domain).
  package func calendar(offset: Int = 0) -> CalendarTime {
    let shifted = rawValue + Int64(offset) * 1000
    let dayLength: Int64 = 86_400_000
    var days = shifted / dayLength
    var rest = shifted % dayLength
    if rest < 0 {
      rest += dayLength
      days -= 1
    }
    let z = days + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return CalendarTime(
      year: Int(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)),
      month: Int(month),
      day: Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1),
      hour: Int(rest / 3_600_000), minute: Int(rest / 60_000 % 60), second: Int(rest / 1000 % 60),
      millisecond: Int(rest % 1000),
      weekday: Int(((days % 7) + 11) % 7))
  }

  /// `2026-11-23T00:45:06Z`, or `2026-11-23T01:45:06+01:00` with an offset; milliseconds only if asked for.
  package func iso8601(offset: Int = 0, milliseconds: Bool = false) -> String {
    let c = calendar(offset: offset)
    var text = "\(padded(c.year, 4))-\(padded(c.month, 2))-\(padded(c.day, 2))"
    text += "T\(padded(c.hour, 2)):\(padded(c.minute, 2)):\(padded(c.second, 2))"
    if milliseconds { text += ".\(padded(c.millisecond, 3))" }
    if offset == 0 { return text + "Z" }
    let minutes = abs(offset) / 60
    return text + (offset < 0 ? "-" : "+") + "\(padded(minutes / 60, 2)):\(padded(minutes % 60, 2))"
  }

  /// Reads ISO 8601: `YYYY-MM-DD`, optionally with `T` or a blank, the time, a fraction and a zone.
  ///
  /// A text without a zone is taken `offsetIfMissing` east of Greenwich; nil stands for anything that is not a date.
  package init?(iso8601 text: String, offsetIfMissing: (CalendarTime) -> Int = { _ in 0 }) {
    var scanner = DigitScanner(text)
    guard let year = scanner.digits(4), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
      let day = scanner.digits(2), (1...12).contains(month),
      (1...CalendarTime.daysIn(month: month, year: year)).contains(day)
    else { return nil }
    var time = CalendarTime(
      year: year, month: month, day: day, hour: 0, minute: 0, second: 0, millisecond: 0, weekday: 0)
    var offset: Int?
    if !scanner.atEnd {
      guard scanner.take("T") || scanner.take("t") || scanner.take(" "), let hour = scanner.digits(2),
        scanner.take(":"), let minute = scanner.digits(2), hour < 24, minute < 60
      else { return nil }
      time.hour = hour
      time.minute = minute
      if scanner.take(":") {
        guard let second = scanner.digits(2), second <= 60 else { return nil }
        time.second = min(second, 59)
        if scanner.take(".") || scanner.take(",") {
          guard let fraction = scanner.fraction() else { return nil }
          time.millisecond = fraction
        }
      }
      if scanner.take("Z") || scanner.take("z") {
        offset = 0
      } else if let sign = scanner.take("+") ? 1 : scanner.take("-") ? -1 : nil {
        guard let hours = scanner.digits(2), hours < 24 else { return nil }
        _ = scanner.take(":")
        let minutes = scanner.digits(2) ?? 0
        guard minutes < 60 else { return nil }
        offset = sign * (hours * 3600 + minutes * 60)
      }
      guard scanner.atEnd else { return nil }
    }
    self.init(rawValue: time.millisecondsSince1970 - Int64(offset ?? offsetIfMissing(time)) * 1000)
  }
}

/// A date and a time of day without a zone.
package struct CalendarTime: Sendable, Equatable {
  package var year: Int
  package var month: Int
  package var day: Int
  package var hour: Int
  package var minute: Int
  package var second: Int
  package var millisecond: Int
  /// 0 is Sunday.
  package var weekday: Int

  package static func daysIn(month: Int, year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Milliseconds since 1970 if this is taken as UTC.
  package var millisecondsSince1970: Int64 {
    let y = Int64(month <= 2 ? year - 1 : year)
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    let seconds = Int64(hour * 3600 + minute * 60 + second)
    return (days * 86_400 + seconds) * 1000 + Int64(millisecond)
  }
}

private func padded(_ number: Int, _ width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// Reads fixed-width numbers from the front of a text.
private struct DigitScanner {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = text[...].utf8 }

  var atEnd: Bool { rest.isEmpty }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard let first = rest.first, UInt32(first) == character.value else { return false }
    rest.removeFirst()
    return true
  }

  mutating func digits(_ count: Int) -> Int? {
    guard rest.count >= count else { return nil }
    var value = 0
    for byte in rest.prefix(count) {
      guard (48...57).contains(byte) else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    rest = rest.dropFirst(count)
    return value
  }

  /// One or more digits after a decimal point, as milliseconds.
  mutating func fraction() -> Int? {
    let digits = rest.prefix { (48...57).contains($0) }
    guard !digits.isEmpty else { return nil }
    var value = 0
    for position in 0..<3 {
      let byte = digits.dropFirst(position).first
      value = value * 10 + Int((byte ?? 48) - 48)
    }
    rest = rest.dropFirst(digits.count)
    return value
  }
}
