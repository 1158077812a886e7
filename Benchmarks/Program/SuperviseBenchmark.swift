import Foundation
import GRDBSQLite
import JobModel
import JobStore
import Logging
import Monitor
import ProviderKit
import Synchronization

/// One process that supervises every job of a database, with a provider that answers at once.
enum SuperviseBenchmark {
  static func run(path: String) async throws -> [String: Double] {
    // As `watch` does.
    Memory.useOneHeap()
    let store = try await StoreActor.open(StoreOptions(path: path))
    let count = try await store.summary(JobQuery(openOnly: true)).map(\.count).reduce(0, +)
    let clock = ManualClock(DatabaseFile.wallClock())
    let provider = InstantProvider(clock: clock)
    var logger = Logger(label: "benchmarks") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let context = SupervisionContext(
      store: store, providers: [provider], clock: clock, owner: OwnerID(rawValue: "benchmark"),
      policy: SupervisionPolicy(), logger: logger)
    // The clock jumps from sweep to sweep, so the lease is made to last.
    let supervision = Supervision(
      context: context, dispatcher: nil,
      options: .init(role: .watch, scope: .all, ttl: .seconds(86_400), host: "localhost", pid: getpid()))

    let memoryBefore = try Meter.residentBytes() - sqliteBytes()
    let start = try await Meter.measure {
      try await supervision.begin()
      try await supervision.sweep()
    }
    let pool = supervision.pool
    guard await pool.count == count, provider.observed == count else {
      throw BenchmarkError("of \(count) jobs \(await pool.count) are supervised and \(provider.observed) were observed")
    }
    // As `watch` does a few seconds after its start, and every minute.
    Memory.giveBack()
    let memoryAfter = try Meter.residentBytes() - sqliteBytes()

    // Liveness is written every 30 seconds, so with polls every 15 seconds each second sweep writes all rows.
    var quiet: [(wall: Double, cpu: Double)] = []
    var writing: [(wall: Double, cpu: Double)] = []
    for sweep in 0..<6 {
      clock.advance(by: .seconds(15))
      let time = await Meter.measure {
        await pool.tick(now: clock.now())
        await pool.untilIdle()
      }
      if sweep.isMultiple(of: 2) { quiet.append(time) } else { writing.append(time) }
      guard provider.observed == count * (sweep + 2) else {
        throw BenchmarkError("sweep \(sweep) ended with \(provider.observed) observations of \(count * (sweep + 2))")
      }
      // As `watch` does between its steps; not part of a sweep.
      try await store.checkpoint()
      Memory.giveBack()
    }
    let memorySettled = try Meter.residentBytes() - sqliteBytes()
    await supervision.end(grace: .seconds(60))
    await store.close()
    return [
      "jobs": Double(count), "start_seconds": start.wall, "start_cpu": start.cpu,
      "bytes_per_job": (memoryAfter - memoryBefore) / Double(count),
      "bytes_per_job_settled": (memorySettled - memoryBefore) / Double(count),
      "quiet_sweep_cpu": median(quiet.map(\.cpu)), "quiet_sweep_seconds": median(quiet.map(\.wall)),
      "writing_sweep_cpu": median(writing.map(\.cpu)), "writing_sweep_seconds": median(writing.map(\.wall)),
      "machine_bytes": Double(MemoryLayout<JobMachine>.size), "provider_calls": Double(provider.calls),
    ]
  }

  /// What SQLite itself holds: page caches and prepared statements.
  private static func sqliteBytes() -> Double { Double(sqlite3_memory_used()) }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// Knows every instance, which runs and has just sent its heartbeat.
final class InstantProvider: Provider {
  let name = JobFactory.provider
  let billing = BillingRule.perSecond
  /// As DescribeInstances has it.
  let observeLimit = 1000

  private let clock: ManualClock
  private let counts = Mutex((calls: 0, observed: 0))

  init(clock: ManualClock) { self.clock = clock }

  var calls: Int { counts.withLock { $0.calls } }
  var observed: Int { counts.withLock { $0.observed } }

  func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    counts.withLock { counts in
      counts.calls += 1
      counts.observed += instances.count
    }
    let heartbeat = clock.now().rawValue
    var answers: [String: Observation] = [:]
    answers.reserveCapacity(instances.count)
    for reference in instances {
      let beacon = Beacon(
        job: reference.job.rawValue, attempt: reference.attempt, phase: .running, heartbeatAt: heartbeat)
      answers[reference.token] = .known(.init(state: .running, beacon: beacon))
    }
    return answers
  }

  func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    throw ProviderError(.unavailable, "This provider has no prices", remedy: "Ask another.")
  }
  func launch(_ request: LaunchRequest) async -> LaunchAnswer { .unknown("launches nothing") }
  func find(_ request: LaunchRequest) async -> FindAnswer { .unreachable("finds nothing") }
  func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer { .failed("ends nothing") }
}
