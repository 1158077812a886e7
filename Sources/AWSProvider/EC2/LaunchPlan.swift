package import JobModel

/// Where an attempt may be launched, in the order of preference, and how far that has come.
///
/// It is written to the bucket before each call that launches something, so that whoever goes on after a crash asks for the
/// same thing under the same client token, instead of beginning again and launching a second instance elsewhere.
package struct LaunchPlan: Sendable, Hashable, Codable {
  package struct Candidate: Sendable, Hashable, Codable {
    package var type: String
    package var region: String
    /// Nil leaves the zone to EC2.
    package var zone: String?
    /// Whole microdollars an hour at the time of the plan.
    package var price: Int64

    package init(type: String, region: String, zone: String? = nil, price: Int64) {
      self.type = type
      self.region = region
      self.zone = zone
      self.price = price
    }

    package var place: String { "\(type) in \(zone ?? region)" }
  }

  package var version = 1
  package var token: String
  package var candidates: [Candidate]
  /// The candidate that is being tried, or was launched.
  package var index: Int
  /// Why the earlier ones were passed over.
  package var refusals: [String]
  /// Whether one of them lacked nothing but room.
  package var lackedCapacity: Bool?
  /// How many plans of the attempt were used up before this one; nil for none.
  package var round: Int?

  package init(token: String, candidates: [Candidate], round: Int? = nil) {
    self.token = token
    self.candidates = candidates
    self.round = round
    index = 0
    refusals = []
  }

  package var current: Candidate? { candidates.indices.contains(index) ? candidates[index] : nil }

  /// What tells two tries of one attempt apart, also if they ask for the same.
  package var step: Int { (round ?? 0) * 1000 + index }

  /// The plan after the present candidate could not be had.
  package func next(after refusal: String, _ reason: Reason) -> LaunchPlan {
    var plan = self
    plan.index += 1
    plan.refusals.append(refusal)
    if reason == .capacity { plan.lackedCapacity = true }
    return plan
  }

  /// Every region in which an instance of the attempt may be.
  package var regions: [String] {
    var seen: Set<String> = []
    return candidates.prefix(index + 1).map(\.region).filter { seen.insert($0).inserted }
  }
}
