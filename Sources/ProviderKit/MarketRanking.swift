package import JobModel

/// Offers beside each other: what each costs per core and per GiB, how its price moved, and which ones are worth a look.
package struct MarketRanking: Sendable, Hashable {
  /// How far back prices are looked at.
  package static let span = Duration.seconds(7 * 86_400)

  /// An offer with what follows from it.
  package struct Entry: Sendable, Hashable {
    package var offer: MarketOffer
    package var statistics: PriceStatistics
    /// Dollars an hour for one vCPU.
    package var pricePerCore: Double
    /// Dollars an hour for one GiB of memory.
    package var pricePerGiB: Double
  }

  package enum Order: String, Sendable, Hashable, CaseIterable {
    case perCore = "per-core"
    case price
    /// By what a GiB costs.
    case memory
    /// The steadiest price first.
    case volatility
  }

  /// The window of time that the statistics and charts are about.
  package let start: Timestamp
  package let end: Timestamp
  /// By price per core.
  package let entries: [Entry]

  /// - Parameter now: when the prices were asked for.
  package init(_ offers: [MarketOffer], at now: Timestamp) {
    let start = now - Self.span
    self.start = start
    end = now
    let all = offers.compactMap { offer -> Entry? in
      guard offer.cores > 0, offer.memory > 0 else { return nil }
      // An offer that came without a history is worth what it costs now.
      let now = PriceSegment(from: now, price: offer.price)
      let past = PriceStatistics(offer.history, from: start, to: now.from)
      guard let statistics = past ?? PriceStatistics([now], from: start, to: now.from) else { return nil }
      return Entry(
        offer: offer, statistics: statistics, pricePerCore: offer.price.dollars / Double(offer.cores),
        pricePerGiB: offer.price.dollars * 1024 / Double(offer.memory))
    }
    entries = Self.sorted(all, by: .perCore)
  }

  package func sorted(by order: Order) -> [Entry] { Self.sorted(entries, by: order) }

  private static func sorted(_ entries: [Entry], by order: Order) -> [Entry] {
    entries.sorted { left, right in
      let (a, b) = (key(left, order), key(right, order))
      if a != b { return a < b }
      // Among equals the steadier one, then the cheaper one, then always the same.
      if left.statistics.volatility != right.statistics.volatility {
        return left.statistics.volatility < right.statistics.volatility
      }
      if left.pricePerCore != right.pricePerCore { return left.pricePerCore < right.pricePerCore }
      if left.offer.type != right.offer.type { return left.offer.type < right.offer.type }
      return (left.offer.provider.rawValue, left.offer.region, left.offer.zone)
        < (right.offer.provider.rawValue, right.offer.region, right.offer.zone)
    }
  }

  private static func key(_ entry: Entry, _ order: Order) -> Double {
    switch order {
    case .perCore: entry.pricePerCore
    case .price: entry.offer.price.dollars
    case .memory: entry.pricePerGiB
    case .volatility: entry.statistics.volatility
    }
  }

  // MARK: Choices

  /// At most three offers that are worth a look, the cheapest per core first. One that is two of them is there once.
  package var choices: [MarketChoice] {
    guard let perCore = entries.first, let cheapest = sorted(by: .price).first else { return [] }
    let roomy = sorted(by: .memory).first { $0.offer.memory >= 2 * cheapest.offer.memory }
    var choices: [MarketChoice] = []
    for (kind, entry) in [(MarketChoice.Kind.perCore, perCore), (.price, cheapest)]
      + (roomy.map { [(.memory, $0)] } ?? [])
    {
      if let known = choices.firstIndex(where: { $0.entry == entry }) {
        choices[known].kinds.append(kind)
      } else {
        choices.append(MarketChoice(kinds: [kind], entry: entry))
      }
    }
    return choices
  }
}

/// An offer that is proposed, and what for.
package struct MarketChoice: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case perCore = "per_core"
    case price
    /// The best price per GiB with at least twice the memory of the cheapest offer.
    case memory
  }

  package var kinds: [Kind]
  package var entry: MarketRanking.Entry

  /// Why it is proposed, in words: `cheapest per core, $0.0077 per vCPU`.
  package var reason: String {
    kinds.map { kind in
      switch kind {
      case .perCore: "cheapest per core, \(Self.dollars(entry.pricePerCore)) per vCPU"
      case .price: "cheapest at all"
      case .memory: "more memory, \(Self.dollars(entry.pricePerGiB)) per GiB"
      }
    }.joined(separator: "; ")
  }

  private static func dollars(_ value: Double) -> String {
    // Rounded up: half a microdollar is no reason to print zero.
    Money(microdollars: Int64((min(value, 1e9) * 1e6).rounded(.up))).formatted(decimals: 4)
  }
}
