package import JobModel

/// Which calls AWS is holding back at the moment, for whoever wonders why nothing moves.
package struct ThrottleReport: Sendable, Hashable {
  package struct Entry: Sendable, Hashable {
    package var service: String
    package var region: String
    package var action: String
    /// The first refusal of this spell.
    package var since: Timestamp
    /// The latest one.
    package var last: Timestamp
    package var refusals: Int
  }

  /// By service, region and action.
  package var entries: [Entry]

  package var isQuiet: Bool { entries.isEmpty }
}
