package import JobModel

/// An ability of providers that keep enough of each job to rebuild a database that was lost.
package protocol JobRecovering: Provider {
  /// The jobs that a bucket remembers.
  ///
  /// - Parameters:
  ///   - bucket: the configured one if nil.
  ///   - jobs: only these; all if nil.
  func remembered(bucket: String?, jobs: Set<JobID>?) async throws(ProviderError) -> [RememberedJob]
}
