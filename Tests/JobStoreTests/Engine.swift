import Foundation
import JobModel
import Testing

@testable import JobStore

/// An engine that the contract runs on.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
  case memory
  case sqlite

  var testDescription: String { rawValue }

  /// Runs `body` with an empty store, and takes everything away afterwards.
  func run(_ body: (any Store) async throws -> Void) async throws {
    switch self {
    case .memory: try await body(MemoryStore())
    case .sqlite:
      try await Folder.run { folder in
        let store = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db")))
        try await body(store)
        await store.close()
      }
    }
  }
}

/// A folder of a test's own.
struct Folder: Sendable {
  let root: String

  func path(_ name: String) -> String { root + "/" + name }

  func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: root).sorted() }

  static func run(_ body: (Folder) async throws -> Void) async throws {
    let folder = Folder(root: NSTemporaryDirectory() + "jobstore-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: folder.root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder.root) }
    try await body(folder)
  }
}

let start = Timestamp(seconds: 1_800_000_000)

func at(_ seconds: Int64) -> Timestamp { start + .seconds(seconds) }

func id(_ text: String) -> JobID {
  guard let id = JobID(text) else { preconditionFailure("\(text) is not an id") }
  return id
}

func makeJob(_ name: String, provider: ProviderName = .local, created: Timestamp = start) -> Job {
  let spec = JobSpec(
    name: "calc-\(name)", directory: "/tmp/\(name)", command: "run \"it\"", environment: ["A": "ä\n"],
    basisSet: "6-31G*", idle: IdleRule(cpuPercent: 5, seconds: 60), tags: ["k": "v"],
    metadata: ["x": .array([.integer(1), .null, .number(0.5)])])
  return Job(id: id(name), provider: provider, spec: spec, budget: nil, createdAt: created)
}

/// A job with a value in every field that is kept.
func makeFullJob(_ name: String) -> Job {
  var job = makeJob(name, provider: .aws)
  job.budget = Budget(limit: Money(microdollars: 5_000_001), action: .terminate, percents: [10, 90])
  job.state = .running
  job.reason = .preempted
  job.message = "früher"
  job.updatedAt = at(5)
  job.startedAt = at(3)
  job.endedAt = at(4)
  job.attempt = Attempt(job: job.id, number: 2, requestedAt: at(1))
  job.attempt.token = "token"
  job.attempt.instance = Instance(
    id: "i-1", type: "m5.large", region: "eu", zone: "eu-a", publicIP: "1.2.3.4", privateIP: "10.0.0.1",
    spotRequestID: "sir-1")
  job.attempt.instanceState = .stopping
  job.attempt.launchedAt = at(2)
  job.attempt.endedAt = at(90)
  job.attempt.segments = [
    PriceSegment(from: at(2), price: HourlyPrice(microdollars: 450_000)),
    PriceSegment(from: at(50), price: HourlyPrice(microdollars: 500_001)),
  ]
  job.attempt.seenAt = at(6)
  job.attempt.absentSince = at(7)
  job.attempt.unreachableSince = at(8)
  job.attempt.heartbeatAt = at(9)
  job.attempt.heartbeatLost = true
  job.attempt.phase = .finishing
  job.attempt.exitCode = -9
  job.attempt.syncedAt = at(10)
  job.attempt.sync = SyncReport(
    job: job.id.rawValue, attempt: job.attempt.number, result: .failing, startedAt: at(10).rawValue,
    finishedAt: at(11).rawValue, final: false, reason: "quota", message: "full", failingSince: at(10).rawValue)
  job.attempt.hostKey = HostKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO4kOiOBYEMSd1VW0ciKRHYYzPLUdC2HTjwlzJi9ysz2 x")
  job.earlierCost = Money(units: 123_456_789)
  job.wish = TerminationWish(reason: .userRequest, message: "genug", at: at(11), finalSync: false, tries: 3)
  job.crossed = ["b50", "d5"]
  job.revision = 7
  return job
}

func holder(_ name: String, _ role: Holder.Role = .watch) -> Holder {
  Holder(
    owner: OwnerID(rawValue: name), role: role, host: "host", pid: 42, acquiredAt: start, expiresAt: start)
}

func alert(_ alertID: String, job: JobID?, channels: [String] = ["hook"], at moment: Timestamp = start) -> Alert {
  Alert(
    id: alertID, rule: .jobFailed, severity: .critical, at: moment, job: job, title: "Job failed",
    facts: [Alert.Fact("Job", "x"), Alert.Fact("Why", "“y”")], nextCommand: "cloudjobs logs x", channels: channels)
}

func event(_ job: JobID, _ kind: Event.Kind = .started, at moment: Timestamp = start) -> Event {
  Event(job: job, attempt: 1, at: moment, kind: kind, reason: .exitCode, message: "happened", key: "k")
}
