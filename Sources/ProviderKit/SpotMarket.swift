package import JobModel

/// An ability of providers whose spot prices can be compared.
package protocol SpotMarket: Provider {
  /// What the needs of the configuration can be met with now, with the prices of the past days.
  ///
  /// - Parameter wish: a type and regions that were named; otherwise those of the configuration.
  func market(_ wish: MarketWish) async throws(ProviderError) -> Market
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

  package init(offers: [MarketOffer], failures: [String: String] = [:]) {
    self.offers = offers
    self.failures = failures
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
