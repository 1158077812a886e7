import Foundation
import JobModel
import JobStore

/// Writers that each commit a change with one event, as a supervisor does after a turn.
///
/// plain-sqlite.c runs the same statements.
enum UpdateBenchmark {
  static func run(path: String, writers: Int, duration: Duration) async throws -> [String: Double] {
    let store = try await StoreActor.open(StoreOptions(path: path))
    let now = DatabaseFile.wallClock()
    let owner = OwnerID(rawValue: "benchmark")
    let holder = Holder(
      owner: owner, role: .command, host: "localhost", pid: getpid(), acquiredAt: now, expiresAt: now + .seconds(3600))
    try await store.acquire(holder, ttl: .seconds(3600), at: now)
    let claims = try await store.claim(owner, jobs: nil, limit: 1000, at: now)
    guard claims.count == 1000 else { throw BenchmarkError("\(path) has \(claims.count) jobs, not 1000") }
    let end = Meter.seconds() + duration.inSeconds
    var updates = 0
    let time = try await Meter.measure {
      updates = try await withThrowingTaskGroup(of: Int.self) { group in
        for writer in 0..<writers {
          // With fewer writers than jobs each goes round its share of them.
          let share = stride(from: writer, to: claims.count, by: writers).map { claims[$0] }
          group.addTask { try await write(share, to: store, until: end) }
        }
        return try await group.reduce(0, +)
      }
    }
    await store.close()
    return ["updates": Double(updates), "seconds": time.wall, "cpu": time.cpu]
  }

  private static func write(_ share: [Claim], to store: StoreActor, until end: Double) async throws -> Int {
    var jobs = share.map(\.job)
    var count = 0
    while Meter.seconds() < end {
      let index = count % jobs.count
      let now = jobs[index].updatedAt + .seconds(15)
      jobs[index].updatedAt = now
      jobs[index].attempt.seenAt = now
      jobs[index].attempt.heartbeatAt = now
      let event = Event(
        job: jobs[index].id, attempt: 1, at: now, kind: .addressChanged, message: "addresses: - public, - private")
      let stale = try await store.commit(
        [LeasedChange(share[index].lease, Change(job: jobs[index], events: [event]))], at: now)
      guard stale.isEmpty else { throw BenchmarkError("a lease went stale") }
      count += 1
    }
    return count
  }
}
