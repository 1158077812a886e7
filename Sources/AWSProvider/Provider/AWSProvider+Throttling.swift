package import ProviderKit

/// What AWS holds back: the buckets belong to the account, so other programs may be the reason.
extension AWSProvider: ThrottleReporting {
  package func throttled() -> [ThrottledCalls] {
    ec2.client.throttleReport().entries.map { entry in
      ThrottledCalls(
        .init(provider: name, service: entry.service, action: entry.action, region: entry.region),
        since: entry.since, refusals: entry.refusals)
    }
  }
}
