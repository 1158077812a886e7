/// How far a copy is, from rclone's samples, for people: it never goes backwards, and 100 % is said only at the end.
package struct SyncProgress: Sendable, Hashable {
  /// One `stats` of rclone's log. After a failed attempt rclone counts anew, so samples may go backwards.
  package struct Sample: Sendable, Hashable {
    package var bytes: Int64
    package var total: Int64
    package var files: Int
    package var totalFiles: Int
    /// Bytes a second.
    package var speed: Double

    package init(bytes: Int64, total: Int64, files: Int, totalFiles: Int, speed: Double) {
      self.bytes = bytes
      self.total = total
      self.files = files
      self.totalFiles = totalFiles
      self.speed = speed
    }
  }

  package private(set) var percent = 0
  package private(set) var latest: Sample?

  package init() {}

  package mutating func take(_ sample: Sample) {
    latest = sample
    guard sample.total > 0 else { return }
    percent = max(percent, min(99, Int(Double(sample.bytes) / Double(sample.total) * 100)))
  }

  /// `[########............]  42 %  12.3 MB of 29.0 MB, 3 of 9 files  3.1 MB/s  5 s left`, at most `width` columns.
  package func bar(width: Int) -> String {
    guard let latest else { return "preparing" }
    var text = "\(percent) %  \(ByteText.short(latest.bytes)) of \(ByteText.short(latest.total))"
    // What takes long with many small files is not their bytes.
    if latest.totalFiles > 1 { text += ", \(latest.files) of \(latest.totalFiles) files" }
    if latest.bytes >= latest.total, latest.total > 0 {
      text += "  finishing"
    } else if latest.speed > 0 {
      text += "  \(ByteText.short(Int64(latest.speed)))/s"
      let left = Double(latest.total - latest.bytes) / latest.speed
      if left < 360_000 { text += "  \(Int(left.rounded(.up))) s left" }
    }
    let room = width - text.count - 4
    guard room >= 10 else { return String(text.prefix(max(0, width))) }
    let length = min(30, room)
    let done = length * percent / 100
    let bar = String(repeating: "#", count: done) + String(repeating: ".", count: length - done)
    return "[\(bar)]  \(text)"
  }
}

/// Bytes for people, in powers of 1000.
package enum ByteText {
  package static func short(_ bytes: Int64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 999.95, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    guard unit > 0 else { return "\(bytes) B" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }
}
