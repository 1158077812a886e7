import JobModel
import JobStore
import Logging
import ProviderKit
import Synchronization
import TestSupport
import Testing

@testable import Monitor

@Suite("What runs and what the database knows")
struct ReconcilerTests {
  private let id = JobID("a1b2c3d4")!
  private let now = Timestamp(seconds: 1_800_000_000)

  private func job(_ change: (inout Job) -> Void = { _ in }) -> Job {
    var job = Job(
      id: id, provider: .aws, spec: JobSpec(name: "calc", directory: "/", command: "true"), budget: nil, createdAt: now)
    change(&job)
    return job
  }

  private func running(_ job: inout Job) {
    job.state = .running
    job.attempt.instance = Instance(id: "i-1", type: "c5.large", region: "us-east-1")
    job.attempt.launchedAt = now
  }

  private func member(_ instance: String = "i-1", attempt: Int? = 1, database: String? = "memory") -> FleetMember {
    FleetMember(
      provider: .aws, instance: Instance(id: instance, type: "c5.large", region: "us-east-1"), state: .running, job: id,
      attempt: attempt, database: database, name: "calc", launchedAt: now, bucket: "b")
  }

  @Test("An instance is known, being launched, leaked, an orphan, or somebody else's")
  func verdicts() {
    func verdict(_ member: FleetMember, _ job: Job?) -> FleetVerdict {
      FleetVerdict(member, job: job, database: "memory")
    }
    #expect(verdict(member(), job(running)) == .known)
    #expect(verdict(member(), job()) == .launching)
    #expect(verdict(member(), nil) == .orphan)
    #expect(verdict(member(database: "other"), nil) == .foreign("other"))
    #expect(verdict(member(database: nil), nil) == .foreign(nil))
    // Of an attempt that an older copy of the database has not heard of, and of another database's job of the same id.
    #expect(verdict(member(attempt: 2), job(running)) == .orphan)
    #expect(verdict(member(attempt: 2, database: "other"), job(running)) == .foreign("other"))
    func isLeaked(_ member: FleetMember, _ job: Job) -> Bool {
      if case .leaked = verdict(member, job) { true } else { false }
    }
    #expect(isLeaked(member("i-2"), job(running)))
    #expect(isLeaked(member(attempt: nil), job(running)))
    #expect(
      isLeaked(
        member(),
        job {
          running(&$0)
          $0.attempt.number = 2
        }))
    #expect(
      isLeaked(
        member(),
        job {
          running(&$0)
          $0.state = .completed
          $0.attempt.endedAt = now
        }))
    #expect(
      isLeaked(
        member(),
        job {
          $0.state = .failed
          $0.reason = .launchLost
        }))
    // The calculation is over, and its machine is on its way out: the job is open until that is confirmed.
    #expect(
      verdict(
        member(),
        job {
          running(&$0)
          $0.state = .completed
        }) == .known)
  }

  /// A cloud that shows what it is told to show.
  private final class Cloud: FleetProviding {
    let name = ProviderName.aws
    let billing = BillingRule.perSecond
    let observeLimit = 10
    let answer: Mutex<FleetAnswer>
    let ended = Mutex<[InstanceReference]>([])
    init(_ answer: FleetAnswer) { self.answer = Mutex(answer) }
    let regions = Mutex<Set<String>>([])
    func fleet(alsoIn regions: Set<String>) async -> FleetAnswer {
      self.regions.withLock { $0 = regions }
      return answer.withLock { $0 }
    }
    func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
      Quote(instanceType: "c5.large", region: "us-east-1", price: .zero)
    }
    func launch(_ request: LaunchRequest) async -> LaunchAnswer { .unknown("") }
    func find(_ request: LaunchRequest) async -> FindAnswer { .absent }
    func observe(_ instances: [InstanceReference]) async -> [String: Observation] { [:] }
    func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
      #expect(!finalSync)
      ended.withLock { $0.append(instance) }
      return .accepted
    }
  }

  @Test("Where a job was launched, or is to be, is looked at, whatever the configuration names")
  func regions() async throws {
    let store = MemoryStore()
    let now = Timestamp(seconds: 1_800_000_000)
    for (id, provider, region) in [("a1b2c3d4", ProviderName.aws, "eu-west-1"), ("b1b2c3d4", .local, "here")] {
      var spec = JobSpec(name: "water", directory: "/d", command: "true")
      spec.region = region
      let job = Job(id: JobID(id)!, provider: provider, spec: spec, budget: nil, createdAt: now)
      try await store.insert(job, events: [], owner: nil, at: now)
    }
    let cloud = Cloud(FleetAnswer())
    _ = try await reconcile(cloud, store)
    #expect(cloud.regions.withLock { $0 } == ["eu-west-1"])
  }

  private func reconcile(
    _ cloud: Cloud, _ store: MemoryStore, ends: Bool = true
  ) async throws -> Reconciler.Report {
    try await Reconciler(
      store: store, providers: [cloud], clock: ManualClock(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    .run(endsLeaked: ends)
  }

  @Test("What nothing needs is ended, and nothing else is")
  func ends() async throws {
    let store = MemoryStore()
    try await store.insert(job(running), events: [], owner: nil, at: now)
    var gone = member("i-4")
    gone.state = .terminated
    var leaving = member("i-5")
    leaving.state = .stopping
    let cloud = Cloud(FleetAnswer(members: [member(), member("i-2"), member("i-3", database: "x"), gone, leaving]))
    let report = try await reconcile(cloud, store)
    // What another database has launched is never ended by this one, even if both know a job of that id.
    #expect(cloud.ended.withLock { $0.map(\.instance.id) } == ["i-2"])
    #expect(cloud.ended.withLock { $0.first?.bucket } == "b")
    #expect(report.findings.count == 4 && report.leaked.count == 2 && report.foreign.count == 1)
    let looked = Cloud(FleetAnswer(members: [member("i-2")]))
    #expect(try await reconcile(looked, store, ends: false).leaked.count == 1)
    #expect(looked.ended.withLock { $0.isEmpty })
  }

  @Test("Each is told once, and its end; but nothing ends while a region is silent")
  func alerts() async throws {
    let store = MemoryStore()
    let cloud = Cloud(FleetAnswer(members: [member()]))
    let policy = AlertPolicy(channels: ["ops"])
    var report = try await reconcile(cloud, store)
    #expect(report.orphans.count == 1 && cloud.ended.withLock { $0.isEmpty })
    let made = Reconciler.alerts(for: report, firing: [], policy: policy, at: now)
    #expect(made.map(\.rule) == [.instanceLeaked] && made[0].status == .firing && !made[0].id.contains("."))
    #expect(made[0].nextCommand == "cloudjobs reconcile")
    #expect(Reconciler.alerts(for: report, firing: made, policy: policy, at: now).isEmpty)
    cloud.answer.withLock { $0 = FleetAnswer(failures: ["us-east-1": "timed out"]) }
    report = try await reconcile(cloud, store)
    #expect(Reconciler.alerts(for: report, firing: made, policy: policy, at: now).isEmpty)
    cloud.answer.withLock { $0 = FleetAnswer() }
    report = try await reconcile(cloud, store)
    #expect(Reconciler.alerts(for: report, firing: made, policy: policy, at: now).map(\.status) == [.resolved])
  }
}
