package import JobModel

/// An ability of providers whose spot prices can be compared.
package protocol SpotMarket: Provider {
  /// What the needs of the configuration can be met with now, with the prices of the past days.
  ///
  /// Asked again within a few minutes it may answer from memory. A region that does not answer is named in the answer;
  /// only if none does the call fails.
  ///
  /// - Parameters:
  ///   - wish: a type and regions that were named; otherwise those of the configuration.
  ///   - progress: told how many regions have answered. It must return at once.
  func market(
    _ wish: MarketWish, progress: @escaping @Sendable (MarketProgress) -> Void
  ) async throws(ProviderError) -> Market
}

extension SpotMarket {
  package func market(_ wish: MarketWish) async throws(ProviderError) -> Market {
    try await market(wish, progress: { _ in })
  }
}

/// How far the question for prices has come.
package struct MarketProgress: Sendable, Hashable {
  package var answered: Int
  package var regions: Int

  package init(answered: Int, regions: Int) {
    self.answered = answered
    self.regions = regions
  }
}

/// An ability of providers whose prices change while an instance runs.
package protocol PriceTracking: Provider {
  /// The price changes of instances since they were launched, by token, oldest first. A token that is missing is not known.
  func priceChanges(of instances: [(reference: InstanceReference, since: Timestamp)]) async -> [String: [PriceSegment]]
}

package struct MarketWish: Sendable, Hashable {
  package var instanceType: String?
  /// Empty for those of the configuration.
  package var regions: [String]

  package init(instanceType: String? = nil, regions: [String] = []) {
    self.instanceType = instanceType
    self.regions = regions
  }
}

package struct Market: Sendable, Hashable {
  package var offers: [MarketOffer]
  /// Regions that did not answer, with what went wrong.
  package var failures: [String: String]
  /// When the oldest of the answers was given; nil if nothing was asked.
  package var askedAt: Timestamp?
  /// How many instance types meet the needs too, but are so dear that their history was not asked for.
  package var leftOut: Int

  package init(
    offers: [MarketOffer], failures: [String: String] = [:], askedAt: Timestamp? = nil, leftOut: Int = 0
  ) {
    self.offers = offers
    self.failures = failures
    self.askedAt = askedAt
    self.leftOut = leftOut
  }
}

/// An instance type in a zone: what it is, what it costs now, and what it has cost.
package struct MarketOffer: Sendable, Hashable {
  package var provider: ProviderName
  package var type: String
  package var region: String
  package var zone: String
  package var cores: Int
  /// In MiB.
  package var memory: Int64
  package var gpus: Int
  package var price: HourlyPrice
  /// The price and its changes over the past days, oldest first.
  package var history: [PriceSegment]

  package init(
    provider: ProviderName, type: String, region: String, zone: String, cores: Int, memory: Int64, gpus: Int,
    price: HourlyPrice, history: [PriceSegment]
  ) {
    self.provider = provider
    self.type = type
    self.region = region
    self.zone = zone
    self.cores = cores
    self.memory = memory
    self.gpus = gpus
    self.price = price
    self.history = history
  }
}
