package import JobModel
package import ProviderKit

/// Prices as the test says.
extension ScriptedProvider: SpotMarket, PriceTracking {
  package func answerMarket(_ answer: Result<Market, ProviderError>) { marketAnswer = answer }

  package func setPrices(_ segments: [PriceSegment], of token: String) { priceChanges[token] = segments }

  package func market(
    _ wish: MarketWish, progress: @escaping @Sendable (MarketProgress) -> Void
  ) async throws(ProviderError) -> Market {
    marketWishes.append(wish)
    for answered in 0...2 { progress(MarketProgress(answered: answered, regions: 2)) }
    return try marketAnswer.get()
  }

  package func priceChanges(
    of instances: [(reference: InstanceReference, since: Timestamp)]
  ) async -> [String: [PriceSegment]] {
    priceQuestions.append(Dictionary(instances.map { ($0.reference.token, $0.since) }, uniquingKeysWith: min))
    return priceChanges.filter { token, _ in instances.contains { $0.reference.token == token } }
  }
}
