package import JobModel

/// What an instance type cost in a zone from a moment on, as DescribeSpotPriceHistory says it.
package struct SpotPrice: Sendable, Hashable {
  package var type: String
  package var region: String
  package var zone: String
  package var price: HourlyPrice
  package var from: Timestamp

  package init(type: String, region: String, zone: String, price: HourlyPrice, from: Timestamp) {
    self.type = type
    self.region = region
    self.zone = zone
    self.price = price
    self.from = from
  }

  package init?(_ node: XMLNode, region: String) {
    guard let type = node.text("instanceType"), let zone = node.text("availabilityZone"),
      let price = node.text("spotPrice").flatMap({ HourlyPrice($0) }), let from = node.date("timestamp")
    else { return nil }
    self.init(type: type, region: region, zone: zone, price: price, from: from)
  }

  /// What tells the offers apart.
  package struct Offer: Sendable, Hashable {
    package var type: String
    package var zone: String
    package init(type: String, zone: String) {
      self.type = type
      self.zone = zone
    }
  }

  package var offer: Offer { Offer(type: type, zone: zone) }
}

/// The prices of many offers over a time.
package struct PriceHistory: Sendable, Hashable {
  /// Ascending by time, each price once.
  package private(set) var segments: [SpotPrice.Offer: [PriceSegment]] = [:]
  package private(set) var regions: [SpotPrice.Offer: String] = [:]

  package init(_ prices: [SpotPrice]) {
    for price in prices.sorted(by: { $0.from < $1.from }) {
      regions[price.offer] = price.region
      // The history repeats prices every day; only changes are news.
      if segments[price.offer]?.last?.price == price.price { continue }
      segments[price.offer, default: []].append(PriceSegment(from: price.from, price: price.price))
    }
  }

  /// The price of an offer at a moment, or nil if it is not known that far back.
  package func price(of offer: SpotPrice.Offer, at moment: Timestamp) -> HourlyPrice? {
    segments[offer]?.last { $0.from <= moment }?.price
  }

  /// What an instance was charged from `start` on: the price that held then, and each later one.
  package func segments(of offer: SpotPrice.Offer, from start: Timestamp) -> [PriceSegment] {
    guard let all = segments[offer] else { return [] }
    let first = all.last { $0.from <= start }.map { PriceSegment(from: start, price: $0.price) }
    return [first].compactMap(\.self) + all.filter { $0.from > start }
  }
}
