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

  /// The bar with what stands beside it, at most `width` columns.
  package func bar(width: Int) -> String {
    guard let latest else { return "preparing" }
    return ProgressBar(
      percent: percent, bytes: latest.bytes, totalBytes: latest.total, rate: latest.speed > 0 ? latest.speed : nil,
      // What takes long with many small files is not their bytes.
      files: latest.totalFiles > 1 ? ProgressBar.Files(done: latest.files, total: latest.totalFiles) : nil
    ).line(width: width)
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
