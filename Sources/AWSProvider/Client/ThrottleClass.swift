/// Calls that share a bucket at AWS, and what a call takes of it.
package struct ThrottleClass: Sendable, Hashable {
  package var name: String
  package var capacity: Double
  /// Tokens a second.
  package var refill: Double
  package var cost: Double

  /// The buckets of a call, per account and region: sizes after "Request throttling for the Amazon EC2 API". Of other
  /// services no sizes are documented; theirs only slow down when they complain.
  package static func of(
    _ service: AWSService, action: String, parameters: [AWSRequest.Field]
  ) -> [ThrottleClass] {
    guard service == .ec2 else {
      return [ThrottleClass(name: "all", capacity: 200, refill: 200, cost: 1)]
    }
    func count(_ prefix: String) -> Double { Double(parameters.count { $0.name.hasPrefix(prefix) }) }
    switch action {
    case "RunInstances":
      let instances = parameters.first { $0.name == "MaxCount" }.flatMap { Double($0.value) } ?? 1
      return [
        ThrottleClass(name: action, capacity: 5, refill: 2, cost: 1),
        ThrottleClass(name: action + " instances", capacity: 1000, refill: 2, cost: instances),
      ]
    case "TerminateInstances":
      return [
        ThrottleClass(name: action, capacity: 100, refill: 5, cost: 1),
        ThrottleClass(name: action + " instances", capacity: 1000, refill: 20, cost: count("InstanceId.")),
      ]
    case "CreateTags": return [ThrottleClass(name: action, capacity: 100, refill: 10, cost: 1)]
    case "DescribeInstances", "DescribeInstanceStatus", "DescribeSpotInstanceRequests":
      // The document speaks of pages and filters only, so ids are taken for neither.
      let isSelective = parameters.contains { field in
        ["Filter.", "MaxResults"].contains { field.name.hasPrefix($0) }
      }
      if !isSelective { return [ThrottleClass(name: "unfiltered", capacity: 50, refill: 10, cost: 1)] }
      return [ThrottleClass(name: "Describe", capacity: 100, refill: 20, cost: 1)]
    case _ where action.hasPrefix("Describe") || action.hasPrefix("Get"):
      return [ThrottleClass(name: "Describe", capacity: 100, refill: 20, cost: 1)]
    case "RequestSpotInstances", "CancelSpotInstanceRequests":
      return [ThrottleClass(name: action, capacity: 50, refill: 5, cost: 1)]
    default: return [ThrottleClass(name: "mutating", capacity: 50, refill: 5, cost: 1)]
    }
  }
}
