/// The machine itself, as a provider names it.
package struct Instance: Sendable, Hashable {
  package var id: String
  package var type: String
  package var region: String
  package var zone: String?
  package var publicIP: String?
  package var privateIP: String?
  package var spotRequestID: String?

  package init(
    id: String, type: String, region: String, zone: String? = nil, publicIP: String? = nil,
    privateIP: String? = nil, spotRequestID: String? = nil
  ) {
    self.id = id
    self.type = type
    self.region = region
    self.zone = zone
    self.publicIP = publicIP
    self.privateIP = privateIP
    self.spotRequestID = spotRequestID
  }
}

/// What a provider says an instance is doing.
package enum InstanceState: String, Sendable, Hashable, CaseIterable, Codable {
  case pending
  case running
  case stopping
  /// Stopped but still existing (and perhaps still costing storage).
  case stopped
  /// Gone for good: nothing more is charged.
  case terminated
}
