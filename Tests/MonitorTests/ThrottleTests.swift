import JobModel
import JobStore
import Logging
import Monitor
import ProviderKit
import Synchronization
import TestSupport
import Testing

@Suite("Throttling is told")
struct ThrottleTests {
  private static let start = Timestamp(seconds: 1_800_000_000)

  private static func calls(_ action: String, since: Timestamp = start, refusals: Int = 1) -> ThrottledCalls {
    ThrottledCalls(
      .init(provider: .aws, service: "ec2", action: action, region: "us-east-1"), since: since, refusals: refusals)
  }

  @Test("each spell once when it begins, and once when it is over")
  func spells() {
    var spells = ThrottleSpells()
    let (describe, run) = (Self.calls("DescribeInstances"), Self.calls("RunInstances"))
    #expect(spells.update([]).isEmpty)
    #expect(spells.update([describe, run]) == [.began(describe), .began(run)])
    let more = Self.calls("DescribeInstances", refusals: 9)
    #expect(spells.update([more, run]).isEmpty)
    #expect(spells.update([run]) == [.ended(more)])
    #expect(spells.update([describe]) == [.began(describe), .ended(run)])
    // Nobody looked while it was over for a moment.
    let later = Self.calls("DescribeInstances", since: Self.start + .seconds(90))
    #expect(spells.update([later]) == [.ended(describe), .began(later)])
    #expect(spells.update([]) == [.ended(later)])
    #expect(spells.update([]).isEmpty)
  }

  @Test("in the log, by the watcher that waits for these calls")
  func log() async {
    let clock = ManualClock(Self.start)
    let provider = ThrottledProvider()
    let lines = Lines()
    let context = SupervisionContext(
      store: MemoryStore(), providers: [provider, ScriptedProvider(now: { clock.now() })], clock: clock,
      owner: OwnerID(rawValue: "a"), policy: SupervisionPolicy(), logger: Logger(label: "test") { _ in lines.handler })
    let late = Self.calls("RunInstances", since: Self.start + .seconds(1))
    provider.set([late, Self.calls("DescribeInstances")])
    #expect(context.throttled() == [Self.calls("DescribeInstances"), late])

    let watch = Task { await ThrottleWatch(context: context).run() }
    await clock.advanceToNextSleeper()
    provider.set([late])
    await clock.advanceToNextSleeper()
    await clock.advanceToNextSleeper()
    watch.cancel()
    await watch.value
    #expect(
      lines.all == [
        "warning Provider holds calls back DescribeInstances us-east-1",
        "warning Provider holds calls back RunInstances us-east-1",
        "notice Provider takes calls again DescribeInstances us-east-1",
      ])
  }
}

/// A provider that is held back as the test says, and does nothing else.
private final class ThrottledProvider: ThrottleReporting {
  let name = ProviderName.aws
  let billing = BillingRule.perSecond
  let observeLimit = 1
  private let calls = Mutex<[ThrottledCalls]>([])

  func set(_ value: [ThrottledCalls]) { calls.withLock { $0 = value } }
  func throttled() -> [ThrottledCalls] { calls.withLock { $0 } }

  func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    throw ProviderError(.unavailable, "no prices", remedy: "none")
  }
  func launch(_ request: LaunchRequest) async -> LaunchAnswer { .unknown("nothing") }
  func find(_ request: LaunchRequest) async -> FindAnswer { .absent }
  func observe(_ instances: [InstanceReference]) async -> [String: Observation] { [:] }
  func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer { .accepted }
}

/// What was logged: level, message, action and region.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: [String] { lines.withLock { $0 } }
  var handler: Handler { Handler(lines: self) }

  struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let words = ["action", "region"].compactMap { event.metadata?[$0].map { "\($0)" } }
      let line = "\(event.level.rawValue) \(event.message) \(words.joined(separator: " "))"
      lines.lines.withLock { $0.append(line) }
    }
  }
}
