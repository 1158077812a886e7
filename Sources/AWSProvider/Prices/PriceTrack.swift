package import JobModel

/// The prices that running instances are charged by, region by region. What is known is not asked again.
package actor PriceTrack {
  private let prices: SpotPrices
  private let freshness: Duration
  private let options: CallOptions
  private let now: @Sendable () -> Timestamp
  private var known: [String: Region] = [:]

  private struct Region {
    /// Since when the prices of each type are known.
    var since: [String: Timestamp]
    var askedAt: Timestamp
    var prices: Set<SpotPrice>
  }

  /// A change may be told some time after it has come into force, so this much of what is known is asked again.
  private static let overlap = Duration.seconds(3600)
  /// EC2 keeps no more.
  private static let longest = Duration.seconds(90 * 86_400)

  package init(
    prices: SpotPrices, freshness: Duration = .seconds(300), options: CallOptions = .idempotent,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.prices = prices
    self.freshness = freshness
    self.options = options
    self.now = now
  }

  /// The prices of types in a region, each at least since its moment.
  package func history(region: String, since wanted: [String: Timestamp]) async throws(AWSError) -> PriceHistory {
    let moment = now()
    let entry = known[region]
    let covered = wanted.filter { type, since in entry?.since[type].map { $0 <= since } ?? false }
    if let entry, covered.count == wanted.count, entry.askedAt <= moment, moment - entry.askedAt < freshness {
      return PriceHistory(Array(entry.prices))
    }
    let last = entry.map { min($0.askedAt, moment) - Self.overlap }
    let starts = wanted.map { type, since in covered[type] == nil ? since : max(since, last ?? since) }
    let start = max(starts.min() ?? moment, moment - Self.longest)
    let found = try await prices.history(
      types: wanted.keys.sorted(), region: region, from: start, options: options)
    // Types that no instance has any more are forgotten.
    let kept = (known[region]?.prices ?? []).filter { wanted[$0.type] != nil }
    let since = wanted.map { type, _ in (type, min(known[region]?.since[type] ?? start, start)) }
    let all = kept.union(found)
    known[region] = Region(
      since: Dictionary(uniqueKeysWithValues: since), askedAt: moment, prices: Self.cut(all, before: wanted))
    return PriceHistory(Array(all))
  }

  /// Without what is older than anybody asks for; of each offer the price that held then stays.
  private static func cut(_ prices: Set<SpotPrice>, before wanted: [String: Timestamp]) -> Set<SpotPrice> {
    var latestBefore: [SpotPrice.Offer: SpotPrice] = [:]
    var kept: Set<SpotPrice> = []
    for price in prices {
      guard let since = wanted[price.type] else { continue }
      if price.from > since {
        kept.insert(price)
      } else if latestBefore[price.offer].map({ $0.from < price.from }) ?? true {
        latestBefore[price.offer] = price
      }
    }
    return kept.union(latestBefore.values)
  }
}
