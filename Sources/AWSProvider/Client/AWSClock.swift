package import JobModel

/// The time of day, a way to wait for it, and chance: what a call needs of the world beside the network.
package struct AWSClock: Sendable {
  package var now: @Sendable () -> Timestamp
  /// Returns at that time or a little later; throws `CancellationError`.
  package var sleep: @Sendable (Timestamp) async throws -> Void
  package var random: @Sendable () -> UInt64

  package init(
    now: @escaping @Sendable () -> Timestamp, sleep: @escaping @Sendable (Timestamp) async throws -> Void,
    random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
  ) {
    self.now = now
    self.sleep = sleep
    self.random = random
  }
}

/// Chance for what wants a generator.
struct ClosureGenerator: RandomNumberGenerator {
  let random: @Sendable () -> UInt64
  mutating func next() -> UInt64 { random() }
}
