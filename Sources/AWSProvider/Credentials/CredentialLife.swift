package import JobModel

/// How long credentials are used, and when others are fetched: rules without a clock.
package struct CredentialLife: Sendable, Hashable {
  package enum Step: Sendable, Hashable {
    case use
    /// They hold for now, and are about to end: fetch others beside.
    case useAndRenew
    /// Wait for others.
    case renew
  }

  /// From here on others are fetched, while these are still used.
  package static let advisory = Duration.seconds(300)
  /// From here on nobody starts a call with these.
  package static let mandatory = Duration.seconds(60)
  /// After a fetch that failed, these are used so long before the next one.
  package static let pause = Duration.seconds(30)

  /// - Parameters:
  ///   - expiration: of what is there; nil if it never ends.
  ///   - failed: when the last fetch failed, if it did.
  package static func step(expiration: Timestamp?, failed: Timestamp?, now: Timestamp) -> Step {
    guard let expiration else { return .use }
    let left = expiration - now
    if left > advisory { return .use }
    let isPausing = failed.map { now - $0 < pause && now >= $0 } ?? false
    if left > mandatory { return isPausing ? .use : .useAndRenew }
    return left > .zero && isPausing ? .use : .renew
  }
}
