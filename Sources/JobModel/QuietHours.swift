/// Hours in which people are not to be disturbed by what can wait.
package struct QuietHours: Sendable, Hashable {
  /// Minutes after midnight, 0 to 1439. Quiet begins then.
  package var from: Int
  /// Minutes after midnight at which it ends; earlier than `from` means on the next day.
  package var to: Int
  /// The weekdays on which it begins, 0 for Sunday.
  package var days: Set<Int>
  /// The name of a time zone such as `Europe/Berlin`; nil is that of this machine.
  package var zone: String?
  /// What is at least this severe is told all the same.
  package var except: Alert.Severity?

  package init(
    from: Int, to: Int, days: Set<Int> = Set(0...6), zone: String? = nil, except: Alert.Severity? = .critical
  ) {
    self.from = from
    self.to = to
    self.days = days
    self.zone = zone
    self.except = except
  }

  /// When the quiet that holds at `now` ends, or nil if there is none.
  ///
  /// - Parameter offset: seconds east of Greenwich of the zone at a moment.
  package func end(at now: Timestamp, offset: (String?, Timestamp) -> Int) -> Timestamp? {
    let shift = Int64(offset(zone, now))
    let local = now.seconds + shift
    let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    let minute = Int((local - day * 86_400) / 60)
    // 1970-01-01 was a Thursday.
    func begins(on day: Int64) -> Bool { days.contains(Int(((day + 4) % 7 + 7) % 7)) }
    let endDay: Int64
    if from <= to {
      // An empty span is a whole day.
      guard begins(on: day), from == to || (from..<to).contains(minute) else { return nil }
      endDay = from == to ? day + 1 : day
    } else if minute >= from, begins(on: day) {
      endDay = day + 1
    } else if minute < to, begins(on: day - 1) {
      endDay = day
    } else {
      return nil
    }
    let wall = endDay * 86_400 + Int64(from == to ? 0 : to) * 60
    // The clocks may change in between.
    let guess = Timestamp(seconds: wall - shift)
    let end = Timestamp(seconds: wall - Int64(offset(zone, guess)))
    return end > now ? end : now + .seconds(60)
  }
}

extension QuietHours {
  private static let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

  /// `22:00-07:00`, `Mon-Fri 22:00-07:00`, `Sat,Sun 00:00-24:00 Europe/Berlin`. Nil for anything else.
  package init?(_ text: String) {
    var words = text.split(separator: " ").map(String.init)
    var days = Set(0...6)
    if let first = words.first, first.first?.isLetter == true {
      guard let read = Self.days(first) else { return nil }
      days = read
      words.removeFirst()
    }
    guard (1...2).contains(words.count) else { return nil }
    let ends = words[0].split(separator: "-", omittingEmptySubsequences: false).map { Self.minutes(String($0)) }
    guard ends.count == 2, let from = ends[0], let to = ends[1], from < 1440 else { return nil }
    let zone = words.count == 2 ? words[1] : nil
    if let zone, !zone.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) || zone.contains("..") || zone.hasPrefix("/") {
      return nil
    }
    self.init(from: from, to: to % 1440, days: days, zone: zone)
  }

  private static func days(_ text: String) -> Set<Int>? {
    var days: Set<Int> = []
    for part in text.lowercased().split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { names.firstIndex(of: String($0)) }
      switch (ends.count, ends.first ?? nil, ends.last ?? nil) {
      case (1, let day?, _): days.insert(day)
      case (2, let first?, let last?):
        for step in 0...((last - first + 7) % 7) { days.insert((first + step) % 7) }
      default: return nil
      }
    }
    return days.isEmpty ? nil : days
  }

  private static func minutes(_ text: String) -> Int? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ (1...2).contains($0.count) && $0.allSatisfy(\.isNumber) }),
      let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour < 24 || (hour == 24 && minute == 0)
    else { return nil }
    return hour * 60 + minute
  }
}
