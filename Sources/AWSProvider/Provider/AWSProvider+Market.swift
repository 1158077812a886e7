internal import JobModel
internal import Logging
package import ProviderKit

/// What the needs of the configuration can be met with, in all its regions side by side.
extension AWSProvider: SpotMarket {
  package func market(
    _ wish: MarketWish, progress: @escaping @Sendable (MarketProgress) -> Void
  ) async throws(ProviderError) -> Market {
    let regions = try Self.regions(wish, settings)
    progress(MarketProgress(answered: 0, regions: regions.count))
    // One child a region; the configuration and the command line name a few dozen of them at most.
    let results = await withTaskGroup(of: (String, Result<Market, AWSError>).self) { group in
      for region in regions {
        group.addTask { (region, await self.answer(wish, region: region)) }
      }
      var results: [(region: String, result: Result<Market, AWSError>)] = []
      for await result in group {
        results.append(result)
        progress(MarketProgress(answered: results.count, regions: regions.count))
      }
      return results
    }
    var market = Market(offers: [])
    var failure: AWSError?
    for (region, result) in results.sorted(by: { $0.region < $1.region }) {
      switch result {
      case .success(let part):
        market.offers += part.offers
        market.leftOut = max(market.leftOut, part.leftOut)
        market.askedAt = [market.askedAt, part.askedAt].compactMap(\.self).min()
      case .failure(let error):
        market.failures[region] = error.description
        failure = error
      }
    }
    if let failure, market.failures.count == regions.count { throw ProviderError(failure) }
    return market
  }

  /// At most this many regions; AWS has fewer.
  private static let mostRegions = 64

  /// The regions to ask, each once. A name becomes a part of a host's name, so it must look like one.
  static func regions(_ wish: MarketWish, _ settings: AWSProviderSettings) throws(ProviderError) -> [String] {
    var regions: [String] = []
    for region in wish.regions.isEmpty ? settings.regions : wish.regions where !regions.contains(region) {
      guard isRegion(region) else {
        throw ProviderError(
          .invalid, "'\(region.prefix(40))' is no region of AWS", remedy: "Regions are written as in us-east-1")
      }
      regions.append(region)
    }
    guard regions.count <= mostRegions else {
      throw ProviderError(.invalid, "\(regions.count) regions are more than AWS has", remedy: "Name fewer regions")
    }
    return regions
  }

  /// As in `us-east-1` or `us-gov-west-1`.
  static func isRegion(_ text: String) -> Bool {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard (3...5).contains(parts.count), text.utf8.count <= 32, let number = parts.last else { return false }
    return parts.dropLast().allSatisfy { part in !part.isEmpty && part.utf8.allSatisfy { (97...122).contains($0) } }
      && (1...2).contains(number.utf8.count) && number.utf8.allSatisfy { (48...57).contains($0) }
  }

  private func answer(_ wish: MarketWish, region: String) async -> Result<Market, AWSError> {
    let question = question(wish, region: region)
    if let known = await marketCache.market(question) { return .success(known) }
    do throws(AWSError) {
      let market = try await ask(wish, region: region)
      await marketCache.keep(market, for: question)
      return .success(market)
    } catch {
      logger.debug("No spot prices of a region", metadata: ["region": "\(region)", "error": "\(error)"])
      return .failure(error)
    }
  }

  /// The types of the region, what they cost now, and of the best of them what they have cost.
  private func ask(_ wish: MarketWish, region: String) async throws(AWSError) -> Market {
    let askedAt = now()
    let types = try await types(wish, region: region)
    guard !types.isEmpty else { return Market(offers: [], askedAt: askedAt) }
    var names = types.map(\.name)
    var leftOut = 0
    if types.count > TypeSelection.limit {
      let current = try await prices.history(types: names.sorted(), region: region, from: askedAt)
      names = TypeSelection.best(types, prices: current)
      leftOut = Set(current.map(\.type)).count - names.count
    }
    let found = try await prices.history(types: names.sorted(), region: region, from: askedAt - MarketRanking.span)
    let facts = Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
    let history = PriceHistory(found)
    let offers = history.segments.compactMap { offer, segments -> MarketOffer? in
      guard let type = facts[offer.type], let price = segments.last?.price,
        settings.maximumPrice.map({ price <= $0 }) ?? true
      else { return nil }
      return MarketOffer(
        provider: name, type: type.name, region: region, zone: offer.zone, cores: type.cores, memory: type.memory,
        gpus: type.gpus, price: price, history: segments)
    }
    return Market(
      offers: offers.sorted { ($0.type, $0.zone) < ($1.type, $1.zone) }, askedAt: askedAt, leftOut: max(0, leftOut))
  }

  /// Types that were named are taken as they are; others must meet the needs.
  private func types(_ wish: MarketWish, region: String) async throws(AWSError) -> [InstanceType] {
    let named = wish.instanceType.map { [$0] } ?? settings.instanceTypes
    guard !named.isEmpty else { return try await ec2.types(settings.hardware, region: region) }
    return try await ec2.types(named: named, region: region).filter(\.isSpotOffered)
  }

  /// Everything that the answer of a region depends on, but the account.
  private func question(_ wish: MarketWish, region: String) -> MarketCache.Question {
    let needs = settings.hardware
    let endpoint = ec2.client.settings.endpoints.endpoint(.ec2, region: region)
    let types = wish.instanceType.map { [$0] } ?? settings.instanceTypes
    let bounds: [Int64?] = [
      Int64(needs.minimumCores), needs.maximumCores.map { Int64($0) }, needs.minimumMemory, needs.maximumMemory,
      Int64(needs.minimumGPUs), settings.maximumPrice?.microdollars,
    ]
    var details = [endpoint.origin + endpoint.path, needs.architecture, types.joined(separator: ",")]
    details += bounds.map { $0.map { String($0) } ?? "" }
    return MarketCache.Question(region: region, details: details.joined(separator: "|"))
  }
}
