/// What a provider said of an instance at one moment. Absent is not gone until it persists; unreachable is no news.
package enum Observation: Sendable, Hashable {
  case known(Report)
  /// The provider answered and does not know the instance.
  case absent
  /// The provider did not answer; the text says how.
  case unreachable(String)

  /// The provider's answer about an instance it knows, with the beacon if one could be read.
  package struct Report: Sendable, Hashable {
    package var state: InstanceState
    package var publicIP: String?
    package var privateIP: String?
    /// When the instance ended, if the provider or the machine knows it.
    package var endedAt: Timestamp?
    /// Why it ended, if the provider says: `preempted`, `stoppedOutside`, …
    package var endReason: Reason?
    /// The provider's own words for it.
    package var endMessage: String?
    package var beacon: Beacon?
    /// Whether there may be a beacon that could not be read: then nothing follows from what is not known.
    package var isUnheard = false
    /// Of one that ended: what it cost from one moment to the next, if the provider knows.
    package var prices: [PriceSegment] = []

    package init(
      state: InstanceState, publicIP: String? = nil, privateIP: String? = nil, endedAt: Timestamp? = nil,
      endReason: Reason? = nil, endMessage: String? = nil, beacon: Beacon? = nil
    ) {
      self.state = state
      self.publicIP = publicIP
      self.privateIP = privateIP
      self.endedAt = endedAt
      self.endReason = endReason
      self.endMessage = endMessage
      self.beacon = beacon
    }
  }
}
