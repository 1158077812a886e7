package import JobModel

/// Chooses where an attempt may be launched. Pure: prices in, candidates out.
package enum LaunchPlanner {
  /// The offers that a job may take, the best first.
  ///
  /// Types and regions that were named keep their order of preference only where prices are equal; what a person chose for the job
  /// itself (`spec`) leaves nothing else. A zone that took an instance of the job back comes last; the zone that was
  /// chosen by its price comes first, unless it did.
  package static func candidates(
    _ prices: [SpotPrice], types: [String], regions: [String], maximum: HourlyPrice?, avoid zones: Set<String> = [],
    prefer chosen: String? = nil, limit: Int
  ) -> [LaunchPlan.Candidate] {
    let typeRank = Dictionary(types.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
    let regionRank = Dictionary(regions.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
    var latest: [SpotPrice.Offer: SpotPrice] = [:]
    for price in prices where regionRank[price.region] != nil && typeRank[price.type] != nil {
      if let known = latest[price.offer], known.from >= price.from { continue }
      latest[price.offer] = price
    }
    let usable = latest.values.filter { offer in maximum.map { offer.price <= $0 } ?? true }
    let sorted = usable.sorted { left, right in
      let isLeftAvoided = zones.contains(left.zone)
      if isLeftAvoided != zones.contains(right.zone) { return !isLeftAvoided }
      if left.zone != right.zone, left.zone == chosen || right.zone == chosen { return left.zone == chosen }
      if left.price != right.price { return left.price < right.price }
      let (a, b) = (typeRank[left.type] ?? .max, typeRank[right.type] ?? .max)
      if a != b { return a < b }
      let (c, d) = (regionRank[left.region] ?? .max, regionRank[right.region] ?? .max)
      return c != d ? c < d : left.zone < right.zone
    }
    return sorted.prefix(limit).map {
      LaunchPlan.Candidate(type: $0.type, region: $0.region, zone: $0.zone, price: $0.price.microdollars)
    }
  }

  /// What becomes of a launch that EC2 did not take.
  package enum Verdict: Sendable, Hashable {
    /// The next candidate may work; the reason is why this one did not.
    case next(Reason, String)
    /// The launch was made before, and its instance is gone already.
    case ended
    /// No candidate will work.
    case refused(Reason, String)
    /// Something may have been launched.
    case unknown(String)
  }

  /// Reads a refusal. EC2's codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
  package static func verdict(_ error: AWSError, _ candidate: LaunchPlan.Candidate) -> Verdict {
    let words = "\(candidate.place): \(error.serviceMessage ?? error.message)"
    switch error.serviceCode ?? "" {
    case "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
      "InsufficientCapacityOnHost", "SpotMaxPriceTooLow", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded",
      "VcpuLimitExceeded":
      return .next(.capacity, words)
    // What another region or type may have.
    case "Unsupported", "UnsupportedOperation", "InvalidInstanceType", "InvalidAMIID.NotFound",
      "InvalidKeyPair.NotFound",
      "InvalidGroup.NotFound", "InvalidSubnetID.NotFound", "OptInRequired",
      // A zone without a default subnet, a region without a default network, a type that the image does not run on.
      "InvalidInput", "VPCIdNotSpecified", "MissingInput", "InvalidParameterCombination":
      return .next(.launchError, words)
    case "IdempotentInstanceTerminated": return .ended
    case "IdempotentParameterMismatch", "ConcurrentTagAccess":
      return .unknown(words)
    default: break
    }
    switch error.code {
    case .capacity, .quota: return .next(.capacity, words)
    case .throttled, .unavailable, .unreachable, .unreadable, .cancelled, .clock: return .unknown(error.description)
    case .denied, .credentials, .notFound, .invalid, .conflict, .precondition, .wrongRegion, .configuration:
      return error.mayHaveHappened ? .unknown(error.description) : .refused(.launchError, error.description)
    }
  }
}
