import GRDB
import JobModel
import Testing

@testable import JobStore

/// The grouping of writes.
@Suite struct CommitQueueTests {
  @Test func whatWaitsGoesIntoFewTransactions() async throws {
    try await Folder.run { folder in
      let store = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db"), queueLimit: 64))
      try await store.insert(makeJob("job0"), events: [], owner: nil, at: at(0))
      let before = transactions(store)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 1...1000 {
          group.addTask { try await store.insert(makeJob("job\(number)"), events: [], owner: nil, at: at(0)) }
        }
        try await group.waitForAll()
      }
      #expect(try await store.jobs(JobQuery()).count == 1001)
      #expect(transactions(store) - before < 500)
      await store.close()
    }
  }

  private func transactions(_ store: StoreActor) -> Int {
    guard case .readWrite(_, let commits) = store.connection else { return 0 }
    return commits.transactions
  }

  @Test func tooManyCallersAreTurnedAway() async throws {
    try await Folder.run { folder in
      let store = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db"), queueLimit: 1, waitLimit: 2))
      let outcome = await insertMany(200, store)
      #expect(outcome.refused.isSubset(of: ["overloaded"]))
      #expect(outcome.written >= 3)
      let stored = try await store.jobs(JobQuery()).count
      #expect(stored == outcome.written)
      await store.close()
    }
  }

  @Test func closingWaitsForWhatIsQueued() async throws {
    try await Folder.run { folder in
      let path = folder.path("jobs.db")
      let store = try await StoreActor.open(StoreOptions(path: path, queueLimit: 4))
      async let writing = insertMany(100, store)
      await store.close()
      let outcome = await writing
      #expect(outcome.refused.isSubset(of: ["closed"]))
      let again = try await StoreActor.open(StoreOptions(path: path, readOnly: true))
      let stored = try await again.jobs(JobQuery()).count
      #expect(stored == outcome.written)
      await again.close()
    }
  }

  private struct Outcome: Sendable {
    var written = 0
    var refused: Set<String> = []
  }

  private func insertMany(_ count: Int, _ store: StoreActor) async -> Outcome {
    await withTaskGroup(of: String.self) { group in
      for number in 0..<count { group.addTask { await Self.insert("job\(number)", store) } }
      var outcome = Outcome()
      for await code in group {
        if code.isEmpty { outcome.written += 1 } else { outcome.refused.insert(code) }
      }
      return outcome
    }
  }

  /// The raw code of the refusal, or nothing.
  private static func insert(_ name: String, _ store: StoreActor) async -> String {
    do {
      try await store.insert(makeJob(name), events: [], owner: nil, at: at(0))
      return ""
    } catch {
      return error.code.rawValue
    }
  }
}
