internal import JobModel

/// Which of many instance types are worth asking for a history of prices. Pure: what holds now in, names out.
package enum TypeSelection {
  /// More would take minutes of requests, and nobody reads them.
  package static let limit = 40

  /// The types that are cheap now: by turns the next cheapest per core, at all, and per GiB of memory, each by the best of its zones.
  ///
  /// - Parameter prices: those that hold now, of one region.
  /// - Returns: at most `limit` names; all types that have a price if they are no more.
  package static func best(_ types: [InstanceType], prices: [SpotPrice], limit: Int = limit) -> [String] {
    var latest: [SpotPrice.Offer: SpotPrice] = [:]
    for price in prices where latest[price.offer].map({ $0.from < price.from }) ?? true { latest[price.offer] = price }
    let lowest = Dictionary(latest.values.map { ($0.type, $0.price.microdollars) }, uniquingKeysWith: min)
    let offered = types.filter { lowest[$0.name] != nil && $0.cores > 0 && $0.memory > 0 }
    func sorted(_ share: (InstanceType) -> Double) -> [String] {
      offered.map { (name: $0.name, cost: Double(lowest[$0.name] ?? 0) / share($0)) }
        .sorted { ($0.cost, $0.name) < ($1.cost, $1.name) }.map(\.name)
    }
    let rankings = [sorted { Double($0.cores) }, sorted { _ in 1 }, sorted { Double($0.memory) }]
    var chosen: [String] = []
    var seen: Set<String> = []
    for place in offered.indices {
      for ranking in rankings where chosen.count < limit && seen.insert(ranking[place]).inserted {
        chosen.append(ranking[place])
      }
    }
    return chosen
  }
}
