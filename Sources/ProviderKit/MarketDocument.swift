package import JobModel

/// Prices as JSON: what `prices --json` prints, `prices --save` keeps, and `run --from-spot-prices` reads again.
///
/// Its keys are those of docs/json.md. What follows from the prices (the statistics) is written for others, and computed
/// anew when the document is read.
package struct MarketDocument: Sendable, Hashable {
  /// Of this form. A document of another one is refused.
  package static let version: Int64 = 1

  /// Why a document can't be used; for people.
  package struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String
  }

  /// A region that did not answer.
  package struct Silence: Sendable, Hashable {
    package var provider: ProviderName
    package var region: String
    package var message: String

    package init(provider: ProviderName, region: String, message: String) {
      self.provider = provider
      self.region = region
      self.message = message
    }
  }

  package var askedAt: Timestamp
  package var offers: [MarketOffer]
  package var failures: [Silence]
  package var leftOut: Int

  package init(askedAt: Timestamp, offers: [MarketOffer], failures: [Silence] = [], leftOut: Int = 0) {
    self.askedAt = askedAt
    self.offers = offers
    self.failures = failures
    self.leftOut = leftOut
  }

  // MARK: Writing

  package var json: JSONValue { json(MarketRanking(offers, at: askedAt).entries) }

  /// The document with these of its offers, in this order.
  package func json(_ entries: [MarketRanking.Entry]) -> JSONValue {
    .object([
      "version": .integer(Self.version), "asked_at": Self.time(askedAt),
      "offers": .array(entries.map(Self.json)), "left_out": .integer(Int64(leftOut)),
      "failures": .array(
        failures.sorted { ($0.provider.rawValue, $0.region) < ($1.provider.rawValue, $1.region) }.map {
          .object([
            "provider": .string($0.provider.rawValue), "region": .string($0.region), "message": .string($0.message),
          ])
        }),
    ])
  }

  private static func json(_ entry: MarketRanking.Entry) -> JSONValue {
    let (offer, statistics) = (entry.offer, entry.statistics)
    return .object([
      "provider": .string(offer.provider.rawValue), "instance_type": .string(offer.type),
      "region": .string(offer.region), "zone": .string(offer.zone), "vcpus": .integer(Int64(offer.cores)),
      "memory_mib": .integer(offer.memory), "gpus": .integer(Int64(offer.gpus)),
      "price_per_hour": .number(offer.price.dollars), "price_per_vcpu_hour": rounded(entry.pricePerCore),
      "price_per_gib_hour": rounded(entry.pricePerGiB), "low": .number(statistics.low.dollars),
      "high": .number(statistics.high.dollars), "mean": rounded(statistics.mean),
      "volatility": rounded(statistics.volatility), "changes": .integer(Int64(statistics.changes)),
      "history": .array(
        offer.history.map { .object(["from": time($0.from), "price_per_hour": .number($0.price.dollars)]) }),
    ])
  }

  private static func time(_ moment: Timestamp) -> JSONValue { .string(moment.iso8601(milliseconds: true)) }

  /// Six decimals, as all of our JSON has.
  private static func rounded(_ value: Double) -> JSONValue { .number((value * 1e6).rounded() / 1e6) }

  // MARK: Reading

  /// Reads a document that lay on a disk: it may be damaged, or written by somebody else.
  package init(_ value: JSONValue) throws(Failure) {
    guard let version = value["version"], case .integer(let number) = version else {
      throw Failure(description: "it is no list of spot prices")
    }
    guard number == Self.version else {
      throw Failure(description: "it has the form \(number); this version of cloudjobs knows \(Self.version)")
    }
    askedAt = try Self.moment(value, "asked_at")
    guard let items = value["offers"]?.array, items.count <= 100_000 else {
      throw Failure(description: "offers is no list, or longer than any market")
    }
    var offers: [MarketOffer] = []
    for item in items { offers.append(try Self.offer(item)) }
    self.offers = offers
    failures = (value["failures"]?.array ?? []).compactMap { item in
      guard let provider = item["provider"]?.string, let region = item["region"]?.string else { return nil }
      return Silence(
        provider: ProviderName(rawValue: provider), region: region, message: item["message"]?.string ?? "")
    }
    leftOut = try Self.integer(value, "left_out", 0...1_000_000)
  }

  private static func offer(_ item: JSONValue) throws(Failure) -> MarketOffer {
    guard let changes = item["history"]?.array, changes.count <= 100_000 else {
      throw Failure(description: "history is no list, or longer than any")
    }
    var history: [PriceSegment] = []
    for change in changes {
      let segment = PriceSegment(from: try moment(change, "from"), price: try price(change))
      guard history.last.map({ $0.from <= segment.from }) ?? true else {
        throw Failure(description: "a history is not in the order of time")
      }
      history.append(segment)
    }
    return MarketOffer(
      provider: ProviderName(rawValue: try name(item, "provider")), type: try name(item, "instance_type"),
      region: try name(item, "region"), zone: try name(item, "zone"),
      cores: try integer(item, "vcpus", 1...1_000_000),
      memory: Int64(try integer(item, "memory_mib", 1...1_000_000_000)),
      gpus: try integer(item, "gpus", 0...1_000_000), price: try price(item), history: history)
  }

  /// A name that goes into requests: letters, digits, and what stands between them.
  private static func name(_ item: JSONValue, _ key: String) throws(Failure) -> String {
    guard let text = item[key]?.string, (1...100).contains(text.utf8.count),
      text.utf8.allSatisfy({ byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || [45, 46, 95].contains(byte)
      })
    else { throw Failure(description: "\(key) is no name") }
    return text
  }

  private static func moment(_ item: JSONValue, _ key: String) throws(Failure) -> Timestamp {
    guard let moment = item[key]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
      throw Failure(description: "\(key) is no time")
    }
    return moment
  }

  private static func price(_ item: JSONValue) throws(Failure) -> HourlyPrice {
    guard let price = item["price_per_hour"]?.double.flatMap({ HourlyPrice(dollars: $0) }) else {
      throw Failure(description: "price_per_hour is no price")
    }
    return price
  }

  private static func integer(_ item: JSONValue, _ key: String, _ range: ClosedRange<Int>) throws(Failure) -> Int {
    guard case .integer(let number)? = item[key], let value = Int(exactly: number), range.contains(value) else {
      throw Failure(description: "\(key) is no number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
