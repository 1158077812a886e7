internal import Foundation
internal import JobModel

/// The zone of this machine, from the C library: cheaper than ICU, and right for every moment.
enum LocalZone {
  /// Seconds east of Greenwich at a moment.
  static func offset(at moment: Timestamp) -> Int {
    var seconds = time_t(moment.seconds)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return 0 }
    return Int(parts.tm_gmtoff)
  }

  /// Seconds east of Greenwich of a named zone, or of this machine's if there is no such zone.
  static func offset(of zone: String?, at moment: Timestamp) -> Int {
    guard let zone = zone.flatMap(TimeZone.init(identifier:)) else { return offset(at: moment) }
    return zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment.seconds)))
  }

  /// Seconds east of Greenwich when the clocks here show `time`.
  static func offset(at time: CalendarTime) -> Int {
    var parts = tm()
    parts.tm_year = Int32(clamping: time.year - 1900)
    parts.tm_mon = Int32(clamping: time.month - 1)
    parts.tm_mday = Int32(clamping: time.day)
    parts.tm_hour = Int32(clamping: time.hour)
    parts.tm_min = Int32(clamping: time.minute)
    parts.tm_sec = Int32(clamping: time.second)
    parts.tm_isdst = -1
    guard mktime(&parts) != -1 else { return 0 }
    return Int(parts.tm_gmtoff)
  }

  /// The moment in ISO 8601 with the zone of this machine.
  static func text(_ moment: Timestamp) -> String { moment.iso8601(offset: offset(at: moment)) }
}
