internal import JobModel

/// A line for people that shows how far a copy is: a bar, and beside it what the terminal has room for.
package struct ProgressBar: Sendable, Hashable {
  /// From 0 to 100.
  package var percent: Int
  package var bytes: Int64
  package var totalBytes: Int64
  /// Bytes a second; nil while that can't be said.
  package var rate: Double?
  /// How many files are done, and of how many; nil leaves them out.
  package var files: Files?

  package struct Files: Sendable, Hashable {
    package var done: Int
    package var total: Int

    package init(done: Int, total: Int) {
      self.done = done
      self.total = total
    }
  }

  package init(percent: Int, bytes: Int64, totalBytes: Int64, rate: Double? = nil, files: Files? = nil) {
    self.percent = min(100, max(0, percent))
    self.bytes = bytes
    self.totalBytes = totalBytes
    self.rate = rate
    self.files = files
  }

  /// `[########............]  42 %  12.3 MB of 29.0 MB  3.1 MB/s  6s left  3 of 12 files`, at most `width` columns.
  ///
  /// Where that is too long the least telling goes first: the files, the rate, the bar, the time left, the bytes.
  ///
  /// - Parameter paint: colours the part of the bar that is done; it may add nothing but escape sequences.
  package func line(width: Int, paint: (String) -> String = { $0 }) -> String {
    var kept: Set<Part> = [.percent]
    for part in Part.byWorth where has(part) {
      guard columns(kept.union([part])) <= width else { break }
      kept.insert(part)
    }
    let text = text(kept)
    guard kept.contains(.bar) else { return String(text.prefix(max(0, width))) }
    // Of few lengths, so that it does not jump with every digit beside it.
    let length = Self.lengths.last { $0 + Self.frame + text.count <= width } ?? Self.lengths[0]
    let done = length * percent / 100
    let bar = paint(String(repeating: "#", count: done)) + String(repeating: ".", count: length - done)
    return "[\(bar)]  \(text)"
  }

  /// Everything but the bar, for a log.
  package var text: String { text(Set(Part.allCases)) }

  // MARK: Parts

  /// What the line has, from left to right.
  private enum Part: CaseIterable {
    case bar, percent, bytes, rate, left, files

    static let byWorth: [Part] = [.bytes, .left, .bar, .rate, .files]
  }

  private static let lengths = [10, 20, 30]
  /// The brackets of the bar, and the gap behind it.
  private static let frame = 4

  private func has(_ part: Part) -> Bool { part == .bar || words(part) != nil }

  private func columns(_ parts: Set<Part>) -> Int {
    text(parts).count + (parts.contains(.bar) ? Self.lengths[0] + Self.frame : 0)
  }

  private func text(_ parts: Set<Part>) -> String {
    Part.allCases.filter(parts.contains).compactMap(words).joined(separator: "  ")
  }

  private func words(_ part: Part) -> String? {
    switch part {
    case .bar: nil
    case .percent: "\(percent) %"
    case .bytes: "\(ByteText.short(bytes)) of \(ByteText.short(totalBytes))"
    case .rate: isFinishing ? nil : rate.map { "\(ByteText.short(Self.whole($0)))/s" }
    case .left: isFinishing ? "finishing" : left.map { "\(DurationText.short($0)) left" }
    case .files: files.map { "\($0.done) of \($0.total) \($0.total == 1 ? "file" : "files")" }
    }
  }

  /// Whether all bytes are on their way, and only the end is waited for.
  private var isFinishing: Bool { totalBytes > 0 && bytes >= totalBytes }

  /// Nil while it can't be said, or would be more than a hundred hours: then the rate is that of a pause.
  private var left: Duration? {
    guard let rate, rate > 0 else { return nil }
    let seconds = (Double(totalBytes - bytes) / rate).rounded(.up)
    return seconds < 360_000 ? .seconds(max(0, seconds)) : nil
  }

  private static func whole(_ rate: Double) -> Int64 { Int64(exactly: max(0, rate).rounded()) ?? .max }
}
