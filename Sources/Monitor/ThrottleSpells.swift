internal import JobModel
package import ProviderKit

/// Which spells of throttling are under way, so that each is told once when it begins and once when it is over.
package struct ThrottleSpells: Sendable {
  package enum Change: Sendable, Hashable {
    case began(ThrottledCalls)
    /// With what was last known of it.
    case ended(ThrottledCalls)
  }

  private var known: [ThrottledCalls.Kind: ThrottledCalls] = [:]

  package init() {}

  /// Takes note of what is held back now.
  ///
  /// - Returns: what is new, in the order of `calls`, and then what is over.
  package mutating func update(_ calls: [ThrottledCalls]) -> [Change] {
    var changes: [Change] = []
    var present: [ThrottledCalls.Kind: ThrottledCalls] = [:]
    for call in calls {
      // A later beginning is another spell, of which the first one's end was missed.
      if let earlier = known[call.kind], earlier.since != call.since { changes.append(.ended(earlier)) }
      if known[call.kind]?.since != call.since { changes.append(.began(call)) }
      present[call.kind] = call
    }
    let over = known.values.filter { present[$0.kind] == nil }
    changes += over.sorted { ($0.since, $0.kind.description) < ($1.since, $1.kind.description) }.map(Change.ended)
    known = present
    return changes
  }
}
