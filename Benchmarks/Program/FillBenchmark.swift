import JobModel
import JobStore

/// Makes a database of many jobs through the store itself.
enum FillBenchmark {
  static func run(path: String, count: Int, mix: JobFactory.Mix) async throws -> [String: Double] {
    let now = DatabaseFile.wallClock()
    let factory = JobFactory(mix: mix, now: now)
    let store = try await StoreActor.open(StoreOptions(path: path))
    let time = try await Meter.measure {
      let writers = min(512, count)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<writers {
          group.addTask {
            for index in stride(from: writer, to: count, by: writers) {
              let job = factory.job(index)
              try await store.insert(job, events: factory.events(of: job), owner: nil, at: now)
            }
          }
        }
        try await group.waitForAll()
      }
    }
    try await store.checkpoint()
    await store.close()
    return ["jobs": Double(count), "seconds": time.wall, "cpu": time.cpu]
  }
}
