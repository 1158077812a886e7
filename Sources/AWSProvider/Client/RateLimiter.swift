package import JobModel
internal import Synchronization

/// Keeps the calls of this process below what AWS allows an account in a region. One for the whole process.
package final class RateLimiter: Sendable {
  private let limits = Mutex(RateLimits())

  package init() {}

  package func report(at now: Timestamp) -> ThrottleReport { limits.withLock { $0.report(at: now) } }

  /// Decisions, made under the lock.
  func update<Result: Sendable>(_ body: @Sendable (inout RateLimits) -> Result) -> Result {
    limits.withLock { body(&$0) }
  }
}
