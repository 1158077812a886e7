import JobModel
import JobStore
import Logging
import Monitor
import ProviderKit
import Synchronization
import TestSupport
import Transport

/// One test's world: a store in memory, a scripted provider, a clock that the test moves, and watchers on top.
final class Ground: Sendable {
  let clock = ManualClock()
  let store: any Store
  let provider: ScriptedProvider
  let channel = RecordingNotifier("ops")
  private let committed = Mutex<[Change]>([])

  init(store: any Store = MemoryStore()) {
    self.store = store
    let clock = clock
    provider = ScriptedProvider(name: .local, now: { clock.now() })
  }

  var changes: [Change] { committed.withLock { $0 } }
  var events: [Event.Kind] { changes.flatMap(\.events).map(\.kind) }

  func policy(_ edit: (inout SupervisionPolicy) -> Void = { _ in }) -> SupervisionPolicy {
    var policy = SupervisionPolicy()
    policy.alerts.channels = ["ops"]
    edit(&policy)
    return policy
  }

  func context(_ owner: String, policy: SupervisionPolicy? = nil, dispatcher: AlertDispatcher? = nil)
    -> SupervisionContext
  {
    SupervisionContext(
      store: store, providers: [provider], clock: clock, owner: OwnerID(rawValue: owner),
      policy: policy ?? self.policy(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      hooks: .init(
        committed: { change in self.committed.withLock { $0.append(change) } },
        alertsWaiting: { if let dispatcher { Task { await dispatcher.pump() } } }))
  }

  func dispatcher(
    _ channels: [RecordingNotifier]? = nil, rules edit: (inout DeliveryRules) -> Void = { _ in }
  ) -> AlertDispatcher {
    var rules = DeliveryRules()
    // Each by itself, unless a test is about those that go together.
    rules.digestOver = 0
    edit(&rules)
    return AlertDispatcher(
      store: store, channels: channels ?? [channel], policy: .init(), rules: rules, clock: clock,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  func supervision(
    _ owner: String, role: Holder.Role = .watch, scope: Supervision.Scope = .all, policy: SupervisionPolicy? = nil,
    dispatcher: AlertDispatcher? = nil
  ) -> Supervision {
    Supervision(
      context: context(owner, policy: policy, dispatcher: dispatcher), dispatcher: dispatcher,
      options: .init(role: role, scope: scope, ttl: .seconds(30), host: "test", pid: 1))
  }

  func makeJob(_ id: String = "a1b2c3d4", budget: Budget? = nil) -> Job {
    Job(
      id: JobID(id)!, provider: .local, spec: JobSpec(name: "water", directory: "/data", command: "true"),
      budget: budget, createdAt: clock.now())
  }

  /// Puts a job into the store that nobody holds.
  func insert(_ job: Job) async throws {
    try await store.insert(job, events: [], owner: nil, at: clock.now())
  }

  /// Runs the loop of a watcher and moves the time from sleep to sleep, until `condition` holds or the steps are used up.
  func drive(
    _ supervision: Supervision, steps: Int = 2000, until condition: @escaping @Sendable () async throws -> Bool
  ) async throws -> Supervision.End? {
    let hasEnded = Atomic(false)
    let run = Task {
      defer { hasEnded.store(true, ordering: .sequentiallyConsistent) }
      return try await supervision.run()
    }
    for _ in 0..<steps {
      // A loop that has ended sleeps no more.
      while !clock.hasSleeper, !hasEnded.load(ordering: .sequentiallyConsistent) { await Task.yield() }
      guard clock.hasSleeper else { return try await run.value }
      await clock.advanceToNextSleeper()
      if try await condition() {
        await supervision.stop()
        clock.advance(by: .seconds(1))
        return try await run.value
      }
    }
    run.cancel()
    _ = try? await run.value
    return nil
  }

  func job(_ id: String = "a1b2c3d4") async throws -> Job {
    guard let job = try await store.job(JobID(id)!) else { throw Missing() }
    return job
  }

  struct Missing: Error {}

  func beacon(
    _ phase: Beacon.Phase, exit: Int? = nil, endedBy: String? = nil, attempt: Int = 1, job: String = "a1b2c3d4"
  ) -> Beacon {
    let now = clock.now().rawValue
    return Beacon(
      job: job, attempt: attempt, phase: phase, heartbeatAt: now, startedAt: now,
      finishedAt: exit == nil && endedBy == nil ? nil : now, exitCode: exit, endedBy: endedBy)
  }
}
