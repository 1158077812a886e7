import Foundation
import JobModel
import JobStore

/// Makes a database of jobs that run on the instances of a stand-in for AWS, and the beacons that these would write.
enum FleetBenchmark {
  /// - Parameter folder: where the bucket's objects lie as files.
  static func run(_ fleet: Fleet, path: String, folder: String) async throws -> [String: Double] {
    let now = DatabaseFile.wallClock()
    let jobs = fleet.jobs(now: now)
    let store = try await StoreActor.open(StoreOptions(path: path))
    let writers = min(512, jobs.count)
    let factory = JobFactory(mix: .open, now: now)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<writers {
        group.addTask {
          for index in stride(from: writer, to: jobs.count, by: writers) {
            try await store.insert(jobs[index], events: factory.events(of: jobs[index]), owner: nil, at: now)
          }
        }
      }
      try await group.waitForAll()
    }
    try await store.checkpoint()
    await store.close()
    let encoder = JSONEncoder()
    for job in jobs {
      // As it is published: the object's own time is the heartbeat.
      let beacon = Beacon(
        job: job.id.rawValue, attempt: 1, phase: .running, heartbeatAt: 0, startedAt: job.startedAt?.rawValue)
      let file = URL(fileURLWithPath: folder).appendingPathComponent("\(job.attempt.token).json")
      try encoder.encode(beacon).write(to: file)
    }
    return ["jobs": Double(jobs.count)]
  }
}
