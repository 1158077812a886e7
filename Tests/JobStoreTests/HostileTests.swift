import Foundation
import GRDB
import JobModel
import TestSupport
import Testing

@testable import JobStore

/// Random damage to database files: never a crash or a hang, always an answer or a clear error, and a file that could
/// not be used is as it was. `CLOUDJOBS_MUTATIONS` sets how many (40 unless set).
@Suite struct HostileTests {
  static let count = ProcessInfo.processInfo.environment["CLOUDJOBS_MUTATIONS"].flatMap { Int($0) } ?? 40

  private func mutate(_ data: Data, _ random: inout SeededGenerator) -> Data {
    var bytes = [UInt8](data)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
    case 1:
      let page = Int.random(in: 0..<bytes.count / 4096, using: &random) * 4096
      for index in page..<page + 4096 { bytes[index] = UInt8.random(in: 0...255, using: &random) }
    case 2:
      let page = Int.random(in: 0..<bytes.count / 4096, using: &random) * 4096
      let other = Int.random(in: 0..<bytes.count / 4096, using: &random) * 4096
      for index in 0..<4096 { bytes[page + index] = bytes[other + index] }
    case 3: bytes[Int.random(in: 0..<100, using: &random)] = UInt8.random(in: 0...255, using: &random)
    default:
      // Many bytes near each other, in page headers and cell pointers as often as in content.
      let page = Int.random(in: 0..<bytes.count / 4096, using: &random) * 4096
      let span = [16, 128, 4096].randomElement(using: &random) ?? 16
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        bytes[page + Int.random(in: 0..<span, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
    }
    return Data(bytes)
  }

  @Test func damagedDatabases() async throws {
    try await Folder.run { folder in
      let base = folder.path("base.db")
      let store = try await StoreActor.open(StoreOptions(path: base))
      try await store.acquire(holder("a"), ttl: .seconds(30), at: start)
      for number in 0..<40 {
        let lease = try #require(
          try await store.insert(
            makeFullJob("job\(number)"), events: [event(id("job\(number)"))], owner: OwnerID(rawValue: "a"), at: start))
        let change = Change(job: makeFullJob("job\(number)"), alerts: [alert("al\(number)", job: lease.job)])
        _ = try await store.commit([LeasedChange(lease, change)], at: start)
      }
      #expect(try await store.checkpoint())
      await store.close()
      let good = try Data(contentsOf: URL(fileURLWithPath: base))
      var random = SeededGenerator(seed: 7)
      var outcomes: [String: Int] = [:]
      for number in 0..<Self.count {
        let path = folder.path("m\(number).db")
        let bytes = mutate(good, &random)
        try bytes.write(to: URL(fileURLWithPath: path))
        outcomes[await use(path, readOnly: true), default: 0] += 1
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes, "mutation \(number)")
        _ = try? await Check.run(path)
        let repaired = folder.path("r\(number).db")
        do throws(StoreError) {
          _ = try await Repair.run(path, into: repaired)
          let check = try await Check.run(repaired)
          #expect(check.isSound, "mutation \(number): \(check.problems)")
        } catch {
          #expect(!error.remedy.isEmpty)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes, "mutation \(number)")
        let outcome = await use(path, readOnly: false)
        if outcome.hasPrefix("open:") {
          #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes, "mutation \(number) \(outcome)")
        }
        for name in [path, repaired] { DatabaseFile.remove(name) }
      }
      #expect(outcomes["fine", default: 0] > 0)
      #expect(outcomes.count > 1)
    }
  }

  /// `fine`, or where it ended and how.
  private func use(_ path: String, readOnly: Bool) async -> String {
    let store: StoreActor
    do throws(StoreError) {
      store = try await StoreActor.open(StoreOptions(path: path, readOnly: readOnly))
    } catch {
      return "open: \(error.code.rawValue)"
    }
    var result = "fine"
    do throws(StoreError) {
      for job in try await store.jobs(JobQuery()) {
        _ = job.cost(at: at(1_000_000), rule: .perSecond)
        _ = job.duration(at: at(1_000_000))
      }
      _ = try await store.summary(JobQuery())
      _ = try await store.recentEvents(limit: 100)
      _ = try await store.deliveries(DeliveryQuery())
      _ = try await store.openRequests(of: nil)
      _ = try await store.holders()
      if !readOnly {
        try await store.acquire(holder("b"), ttl: .seconds(9), at: at(99))
        for claim in try await store.claim(OwnerID(rawValue: "b"), jobs: nil, limit: 99, at: at(99)) {
          _ = try await store.commit([LeasedChange(claim.lease, Change(job: claim.job))], at: at(99))
        }
        _ = try await store.cleanup(endedBefore: at(9999), dryRun: false)
      }
    } catch {
      result = "use: \(error.code.rawValue)"
    }
    await store.close()
    return result
  }

  @Test func damagedLegacyDatabases() async throws {
    try await Folder.run { folder in
      let base = folder.path("base.db")
      try LegacyFile.make(base, jobs: 60)
      let good = try Data(contentsOf: URL(fileURLWithPath: base))
      var random = SeededGenerator(seed: 11)
      var converted = 0
      for number in 0..<Self.count {
        try await Folder.run { inner in
          let path = inner.path("cloud_jobs.db")
          let bytes = mutate(good, &random)
          try bytes.write(to: URL(fileURLWithPath: path))
          do throws(StoreError) {
            let store = try await StoreActor.open(StoreOptions(path: path))
            _ = try await store.jobs(JobQuery())
            await store.close()
            converted += 1
            // Whatever was understood of it, all of it is beside it.
            let names = (try? inner.names()) ?? []
            let copies = names.filter { $0.contains(".python-") }
            let copy = copies.first.flatMap { try? Data(contentsOf: URL(fileURLWithPath: inner.path($0))) }
            #expect(copy == bytes || copies.isEmpty, "mutation \(number)")
          } catch {
            #expect((try? Data(contentsOf: URL(fileURLWithPath: path))) == bytes, "mutation \(number): \(error)")
            #expect((try? inner.names()) == ["cloud_jobs.db"], "mutation \(number): \(error)")
          }
        }
      }
      #expect(converted > 0)
    }
  }
}
