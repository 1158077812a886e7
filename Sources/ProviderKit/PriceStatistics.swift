package import JobModel

/// What a spot price has been over a time: its bounds, and how much it moves.
package struct PriceStatistics: Sendable, Hashable {
  package let low: HourlyPrice
  package let high: HourlyPrice
  /// In dollars an hour; each price counts by how long it held.
  package let mean: Double
  /// The standard deviation over the mean, both weighted by time: 0 for a price that never moved, 0.1 for one that swings
  /// by a tenth.
  package let volatility: Double
  /// How often the price became another one.
  package let changes: Int

  /// - Parameter segments: oldest first; each price holds until the next one. Before the first one nothing is known, and
  ///   nothing counts.
  /// - Returns: nil if no price held before `end`.
  package init?(_ segments: [PriceSegment], from start: Timestamp, to end: Timestamp) {
    let spans = PriceSpan.all(segments, from: start, to: end)
    guard let last = spans.last else { return nil }
    low = spans.map(\.price).min() ?? last.price
    high = spans.map(\.price).max() ?? last.price
    changes = zip(spans, spans.dropFirst()).count { $0.price != $1.price }
    let total = spans.reduce(0) { $0 + $1.seconds }
    guard total > 0, low != high else {
      mean = last.price.dollars
      volatility = 0
      return
    }
    let mean = spans.reduce(0) { $0 + $1.price.dollars * $1.seconds } / total
    let variance =
      spans.reduce(0) { sum, span in
        let distance = span.price.dollars - mean
        return sum + distance * distance * span.seconds
      } / total
    self.mean = mean
    volatility = mean > 0 ? variance.squareRoot() / mean : 0
  }
}

/// A price that held from one moment to another, within a window of time.
struct PriceSpan: Sendable, Hashable {
  var from: Timestamp
  var to: Timestamp
  var price: HourlyPrice

  var seconds: Double { Double((to - from).milliseconds) / 1000 }

  /// The window's spans. The price that holds at its end is always there, if need be as a span without length.
  static func all(_ segments: [PriceSegment], from start: Timestamp, to end: Timestamp) -> [PriceSpan] {
    let known = segments.filter { $0.from <= end }
    return known.indices.compactMap { index in
      let next = index + 1 < known.count ? known[index + 1].from : end
      let span = PriceSpan(from: max(known[index].from, start), to: max(next, start), price: known[index].price)
      return span.to > span.from || index == known.count - 1 ? span : nil
    }
  }
}
