package import JobModel

/// Keeps credentials, and fetches others before they end: once, however many wait. When that fails, the old ones are used
/// for as long as they hold.
package actor CredentialSource: CredentialSupplier {
  private let load: @Sendable () async throws(AWSError) -> AWSCredentials
  private let now: @Sendable () -> Timestamp
  private var current: AWSCredentials?
  private var isRejected = false
  private var fetch: Task<Result<AWSCredentials, AWSError>, Never>?
  private var failed: Timestamp?
  private var fetchedAt: Timestamp?

  /// - Parameter load: has a time-out of its own.
  package init(
    now: @escaping @Sendable () -> Timestamp, load: @escaping @Sendable () async throws(AWSError) -> AWSCredentials
  ) {
    self.now = now
    self.load = load
  }

  package init(_ chain: CredentialChain, now: @escaping @Sendable () -> Timestamp) {
    self.init(now: now) { () async throws(AWSError) in try await chain.load() }
  }

  package func credentials() async throws(AWSError) -> AWSCredentials {
    guard let current, !isRejected else { return try await renewed() }
    switch CredentialLife.step(expiration: current.expiration, failed: failed, now: now()) {
    case .use: return current
    case .useAndRenew:
      _ = fetching()
      return current
    case .renew:
      do throws(AWSError) {
        return try await renewed()
      } catch {
        if let end = current.expiration, end > now() { return current }
        throw error
      }
    }
  }

  package func reject(_ credentials: AWSCredentials) {
    if current == credentials { isRejected = true }
  }

  /// Credentials that were fetched a moment ago are the ones to be had.
  package func renew() async {
    if let fetchedAt, now() >= fetchedAt, now() - fetchedAt < Self.renewalPause { return }
    _ = await fetching().value
  }

  private static let renewalPause = Duration.seconds(300)

  /// Where the credentials that are used came from, in words; nil before the first fetch.
  package var source: String? { current?.source }

  private func renewed() async throws(AWSError) -> AWSCredentials { try await fetching().value.get() }

  /// The fetch that is under way, or a new one. It belongs to nobody who waits: whoever is cancelled ends it for no other.
  private func fetching() -> Task<Result<AWSCredentials, AWSError>, Never> {
    if let fetch { return fetch }
    let task = Task { [load] in
      let result: Result<AWSCredentials, AWSError>
      do throws(AWSError) {
        result = .success(try await load())
      } catch {
        result = .failure(error)
      }
      finish(result)
      return result
    }
    fetch = task
    return task
  }

  private func finish(_ result: Result<AWSCredentials, AWSError>) {
    fetch = nil
    fetchedAt = now()
    switch result {
    case .success(let credentials):
      current = credentials
      isRejected = false
      failed = nil
    case .failure: failed = now()
    }
  }
}
