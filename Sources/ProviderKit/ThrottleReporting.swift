package import JobModel

/// An ability of providers that know which of their calls the cloud refuses because there are too many.
package protocol ThrottleReporting: Provider {
  /// What is held back at the moment; nothing if all is well. Asks nobody.
  func throttled() -> [ThrottledCalls]
}

/// Calls of one kind that a cloud holds back, and for how long it has been doing that.
package struct ThrottledCalls: Sendable, Hashable {
  /// What the cloud counts together.
  package struct Kind: Sendable, Hashable, CustomStringConvertible {
    package var provider: ProviderName
    /// As in `ec2`.
    package var service: String
    /// As in `DescribeInstances`.
    package var action: String
    package var region: String

    package init(provider: ProviderName, service: String, action: String, region: String) {
      self.provider = provider
      self.service = service
      self.action = action
      self.region = region
    }

    package var description: String { "\(service) \(action) in \(region)" }
  }

  package var kind: Kind
  /// The first refusal of this spell.
  package var since: Timestamp
  /// How many calls were refused since then.
  package var refusals: Int

  package init(_ kind: Kind, since: Timestamp, refusals: Int) {
    self.kind = kind
    self.since = since
    self.refusals = refusals
  }
}
