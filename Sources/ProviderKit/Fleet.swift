package import JobModel

/// An ability of providers that can list every instance that was ever launched by this program and still exists.
package protocol FleetProviding: Provider {
  /// All instances with our tags, in every configured region and in these, whoever's they are.
  func fleet(alsoIn regions: Set<String>) async -> FleetAnswer
}

/// What a provider showed of its instances with our tags.
package struct FleetAnswer: Sendable, Hashable {
  package var members: [FleetMember]
  /// Regions that did not answer, with what went wrong: nothing follows from what is missing there.
  package var failures: [String: String]

  package init(members: [FleetMember] = [], failures: [String: String] = [:]) {
    self.members = members
    self.failures = failures
  }
}
