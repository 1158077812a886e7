package import JobModel

/// A small picture of a price over a time, one character for each equal part of it.
package enum PriceChart {
  package enum Style: Sendable, Hashable {
    /// `▁▂▃▄▅▆▇█`.
    case blocks
    /// For terminals that can't show them.
    case ascii

    var levels: [Character] {
      switch self {
      case .blocks: Array("▁▂▃▄▅▆▇█")
      case .ascii: Array("_.,-=+*#")
      }
    }
  }

  /// From the lowest price to the highest; but a price that moves by less than a tenth is no mountain.
  private static let smallestRange = 0.1

  /// - Returns: `width` characters. A part of which no price is known is a blank.
  package static func text(
    _ segments: [PriceSegment], from start: Timestamp, to end: Timestamp, width: Int = 16, style: Style
  ) -> String {
    let length = (end - start).milliseconds
    guard width > 0, length > 0 else { return "" }
    let spans = PriceSpan.all(segments, from: start, to: end)
    let means = (0..<width).map { cell -> Double? in
      let from = start + .milliseconds(length * Int64(cell) / Int64(width))
      let to = start + .milliseconds(length * Int64(cell + 1) / Int64(width))
      return mean(spans, from: from, to: to)
    }
    let known = means.compactMap(\.self)
    guard let low = known.min(), let high = known.max() else { return String(repeating: " ", count: width) }
    let levels = style.levels
    let range = max(high - low, high * smallestRange)
    return String(
      means.map { mean -> Character in
        guard let mean else { return " " }
        guard range > 0 else { return levels[0] }
        let level = ((mean - low) / range * Double(levels.count - 1)).rounded()
        return levels[min(max(Int(level), 0), levels.count - 1)]
      })
  }

  private static func mean(_ spans: [PriceSpan], from start: Timestamp, to end: Timestamp) -> Double? {
    var seconds = 0.0
    var sum = 0.0
    for span in spans where span.from < end && span.to > start {
      let part = Double((min(span.to, end) - max(span.from, start)).milliseconds) / 1000
      seconds += part
      sum += part * span.price.dollars
    }
    return seconds > 0 ? sum / seconds : nil
  }
}
