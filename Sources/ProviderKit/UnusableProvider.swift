package import JobModel

/// Stands for a provider whose configuration can't be used: it says why, and changes nothing.
package struct UnusableProvider: Provider {
  package let name: ProviderName
  package let billing: BillingRule
  package let error: ProviderError
  package var observeLimit: Int { 1000 }

  package init(name: ProviderName, billing: BillingRule, error: ProviderError) {
    self.name = name
    self.billing = billing
    self.error = error
  }

  package func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote { throw error }
  package func launch(_ request: LaunchRequest) async -> LaunchAnswer { .refused(.launchError, error.description) }
  package func find(_ request: LaunchRequest) async -> FindAnswer { .unreachable(error.description) }
  package func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    Dictionary(instances.map { ($0.token, .unreachable(error.description)) }) { first, _ in first }
  }
  package func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    .failed(error.description)
  }
}
