package import JobModel

/// All buckets and all that was refused, as a value: time is given to it.
package struct RateLimits: Sendable {
  private struct Key: Hashable {
    var service: String
    var region: String
    /// A class, or an action.
    var name: String
  }

  private var buckets: [Key: TokenBucket] = [:]
  private var refused: [Key: ThrottleReport.Entry] = [:]

  /// A spell is over when nothing was refused for so long.
  private static let quiet = Duration.seconds(60)

  package init() {}

  /// Takes what the call needs of each of its buckets; it may be made after the pause.
  package mutating func take(
    _ classes: [ThrottleClass], service: AWSService, region: String, at now: Timestamp
  ) -> Duration {
    var pause = Duration.zero
    for one in classes {
      let key = Key(service: service.name, region: region, name: one.name)
      pause = max(
        pause,
        buckets[key, default: TokenBucket(capacity: one.capacity, refill: one.refill)].take(one.cost, at: now))
    }
    return pause
  }

  /// Undoes `take` for a call that was not made.
  package mutating func giveBack(_ classes: [ThrottleClass], service: AWSService, region: String) {
    for one in classes {
      buckets[Key(service: service.name, region: region, name: one.name)]?.giveBack(one.cost)
    }
  }

  package mutating func throttled(
    _ classes: [ThrottleClass], service: AWSService, region: String, action: String, at now: Timestamp
  ) {
    for one in classes {
      buckets[Key(service: service.name, region: region, name: one.name)]?.throttled(at: now)
    }
    let key = Key(service: service.name, region: region, name: action)
    var entry =
      refused[key].flatMap { now - $0.last < Self.quiet ? $0 : nil }
      ?? ThrottleReport.Entry(
        service: service.name, region: region, action: action, since: now, last: now, refusals: 0)
    entry.last = now
    entry.refusals += 1
    refused[key] = entry
  }

  package mutating func report(at now: Timestamp) -> ThrottleReport {
    refused = refused.filter { now - $0.value.last < Self.quiet }
    return ThrottleReport(
      entries: refused.values.sorted { ($0.service, $0.region, $0.action) < ($1.service, $1.region, $1.action) })
  }
}
