package import JobModel

/// Asks for spot prices, each region's at most once in a few minutes.
package actor SpotPrices {
  private let ec2: EC2Client
  private let freshness: Duration
  private let now: @Sendable () -> Timestamp
  private var cache: [Question: (at: Timestamp, prices: [SpotPrice])] = [:]

  private struct Question: Hashable {
    var region: String
    var types: [String]
    /// How far back, in seconds; 0 for what holds now.
    var span: Int64
  }

  package init(ec2: EC2Client, freshness: Duration = .seconds(300), now: @escaping @Sendable () -> Timestamp) {
    self.ec2 = ec2
    self.freshness = freshness
    self.now = now
  }

  /// The prices of these types in a region: what held `span` ago, and every change since.
  package func prices(
    types: [String], region: String, span: Duration = .zero
  ) async throws(AWSError) -> [SpotPrice] {
    let question = Question(region: region, types: types.sorted(), span: span.components.seconds)
    let moment = now()
    if let known = cache[question], moment - known.at < freshness, moment >= known.at { return known.prices }
    let all = try await history(types: question.types, region: region, from: moment - span)
    cache[question] = (moment, all)
    if cache.count > 200 { cache = cache.filter { moment - $0.value.at < freshness } }
    return all
  }
  /// The prices of these types in a region: what held at `start`, and every change since. Always asked anew.
  package nonisolated func history(
    types: [String], region: String, from start: Timestamp, options: CallOptions = .idempotent
  ) async throws(AWSError) -> [SpotPrice] {
    var all: [SpotPrice] = []
    // A request names at most this many types in one go, so that it stays small.
    for first in stride(from: 0, to: types.count, by: 100) {
      let part = Array(types[first..<min(first + 100, types.count)])
      let parameters =
        EC2Client.list("InstanceType", part) + EC2Client.list("ProductDescription", ["Linux/UNIX"])
        + [("StartTime", start.iso8601())]
      try await ec2.pages("DescribeSpotPriceHistory", region: region, parameters, size: 1000, options: options) {
        reply in
        all += reply.items("spotPriceHistorySet").compactMap { SpotPrice($0, region: region) }
      }
    }
    return all
  }
}
