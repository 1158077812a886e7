import Foundation
import GRDB
import JobModel
import Testing

@testable import JobStore

/// Backups, restores, examinations and repairs.
@Suite struct MaintenanceTests {
  private func fill(_ store: StoreActor, _ range: Range<Int>) async throws {
    for number in range {
      try await store.insert(makeFullJob("job\(number)"), events: [event(id("job\(number)"))], owner: nil, at: at(0))
    }
  }

  private func code(_ body: () async throws -> Void) async -> StoreError.Code? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? StoreError)?.code
    }
  }

  @Test func aBackupIsWholeWhileOthersWrite() async throws {
    try await Folder.run { folder in
      let store = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db")))
      try await fill(store, 0..<20)
      async let writing: Void = fill(store, 20..<120)
      let target = folder.path("backups/one.db")
      let report = try await store.backup(to: target)
      try await writing
      let count = try #require(report.counts["jobs"])
      #expect((20...120).contains(count))
      #expect(report.counts["events"] == count)
      let check = try await Check.run(target)
      #expect(check.isSound)
      #expect(check.counts["jobs"] == count)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("backups")) == ["one.db"])
      #expect(try FileManager.default.attributesOfItem(atPath: target)[.posixPermissions] as? Int == 0o600)
      #expect(await code { _ = try await store.backup(to: target) } == .exists)
      #expect(await code { _ = try await store.backup(to: folder.path("jobs.db"), replacing: true) } == .exists)
      #expect(try await store.backup(to: target, replacing: true).counts["jobs"] == 120)
      #expect(await code { _ = try await store.backup(to: folder.path("jobs.db/x")) } != nil)
      // The backup is a database like any other.
      let copy = try await StoreActor.open(StoreOptions(path: target))
      #expect(try await copy.jobs(JobQuery()).count == 120)
      await copy.close()
      await store.close()
    }
  }

  @Test func aRestoreKeepsWhatWasThere() async throws {
    try await Folder.run { folder in
      let (path, backup) = (folder.path("jobs.db"), folder.path("backup.db"))
      let store = try await StoreActor.open(StoreOptions(path: path))
      try await fill(store, 0..<3)
      _ = try await store.backup(to: backup)
      try await fill(store, 3..<5)
      try await store.acquire(holder("a"), ttl: .seconds(30), at: start)
      let options = StoreOptions(path: path, now: { start })
      #expect(await code { _ = try await Restore.run(from: backup, to: options) } == .held)
      #expect(try await store.jobs(JobQuery()).count == 5)
      let report = try await Restore.run(from: backup, to: options, force: true)
      #expect(report.counts["jobs"] == 3)
      // The watcher notices, and what it had is in the file that was kept, with the WAL that belongs to it.
      #expect(await code { try await fill(store, 7..<8) } == .replaced)
      await store.close()
      let kept = try #require(report.replaced)
      let restored = try await StoreActor.open(StoreOptions(path: path))
      #expect(try await restored.jobs(JobQuery()).count == 3)
      await restored.close()
      let before = try await StoreActor.open(StoreOptions(path: kept))
      #expect(try await before.jobs(JobQuery()).count == 5)
      await before.close()
    }
  }

  @Test func aRestoreRefusesWhatCanNotBeUsed() async throws {
    try await Folder.run { folder in
      let (path, backup) = (folder.path("jobs.db"), folder.path("backup.db"))
      let store = try await StoreActor.open(StoreOptions(path: path))
      try await fill(store, 0..<300)
      _ = try await store.backup(to: backup)
      await store.close()
      let good = try Data(contentsOf: URL(fileURLWithPath: backup))
      var bad = good
      bad.replaceSubrange(8192..<12288, with: Data(repeating: 0xAB, count: 4096))
      try bad.write(to: URL(fileURLWithPath: folder.path("bad.db")))
      try Data("text".utf8).write(to: URL(fileURLWithPath: folder.path("text")))
      try LegacyFile.make(folder.path("legacy.db"))
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      let names = try folder.names()
      for (name, expected) in [
        ("bad.db", StoreError.Code.damaged), ("text", .notADatabase), ("legacy.db", .foreign), ("none", .notFound),
        ("jobs.db", .exists),
      ] {
        #expect(
          await code { _ = try await Restore.run(from: folder.path(name), to: StoreOptions(path: path)) } == expected,
          "\(name)")
      }
      #expect(try folder.names() == names)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
      // A damaged database is what a restore is for.
      try bad.write(to: URL(fileURLWithPath: path))
      #expect(try await Restore.run(from: backup, to: StoreOptions(path: path)).replaced != nil)
      #expect(try await Check.run(path).isSound)
      // And where none is, it is simply put there.
      DatabaseFile.remove(path)
      #expect(try await Restore.run(from: backup, to: StoreOptions(path: path)).replaced == nil)
    }
  }

  @Test func aRepairSavesWhatCanBeRead() async throws {
    try await Folder.run { folder in
      let path = folder.path("jobs.db")
      let store = try await StoreActor.open(StoreOptions(path: path))
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<1000 {
          group.addTask {
            try await store.insert(
              makeFullJob("job\(number)"), events: [event(id("job\(number)"))], owner: nil, at: at(0))
          }
        }
        try await group.waitForAll()
      }
      try await store.raise([alert("one", job: nil)], at: start)
      #expect(try await store.checkpoint())
      // A leaf page of the jobs, one of the events and one of the attempts.
      let pages = try await store.onWriter { db in
        try ["jobs", "events", "attempts"].map { name in
          try db.number("SELECT pageno FROM dbstat WHERE name = '\(name)' AND pagetype = 'leaf' LIMIT 1 OFFSET 3")
        }
      }
      await store.close()
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      for page in pages {
        let offset = Int(page - 1) * 4096
        bytes.replaceSubrange(offset..<offset + 4096, with: Data(repeating: 0x5A, count: 4096))
      }
      let damaged = folder.path("damaged.db")
      try bytes.write(to: URL(fileURLWithPath: damaged))
      let check = try await Check.run(damaged)
      #expect(!check.isSound)
      #expect(check.kind == .current)
      let report = try await Repair.run(damaged, into: folder.path("repaired.db"), now: start)
      #expect(try Data(contentsOf: URL(fileURLWithPath: damaged)) == bytes)
      let jobs = try #require(report.tables["jobs"])
      #expect(jobs.saved + jobs.lost == 1000)
      #expect((1...20).contains(jobs.lost))
      let events = try #require(report.tables["events"])
      #expect((900...999).contains(events.saved))
      #expect(report.tables["deliveries"] == RepairReport.Table(saved: 1, lost: 0))
      #expect(report.warnings.contains { $0.contains("is lost; its instance was i-1") })
      #expect(try await Check.run(folder.path("repaired.db")).isSound)
      let repaired = try await StoreActor.open(StoreOptions(path: folder.path("repaired.db")))
      #expect(try await repaired.jobs(JobQuery()).count == jobs.saved)
      await repaired.close()
      #expect(await code { _ = try await Repair.run(damaged, into: folder.path("repaired.db")) } == .exists)
    }
  }

  @Test func aSoundFileIsRepairedToItself() async throws {
    try await Folder.run { folder in
      let path = folder.path("jobs.db")
      let store = try await StoreActor.open(StoreOptions(path: path))
      try await fill(store, 0..<30)
      // Not checkpointed: the WAL is part of the database.
      let report = try await Repair.run(path, into: folder.path("new.db"))
      #expect(report.warnings.isEmpty)
      #expect(report.tables.values.allSatisfy { $0.lost == 0 })
      let new = try await StoreActor.open(StoreOptions(path: folder.path("new.db")))
      #expect(try await new.jobs(JobQuery()) == store.jobs(JobQuery()))
      await new.close()
      let check = try await Check.run(path)
      #expect(check.isSound)
      #expect(check.walBytes > 0)
      #expect(check.counts["jobs"] == 30)
      #expect(check.schemaVersion == Schema.current.version)
      await store.close()
      #expect(await code { _ = try await Check.run(folder.path("none")) } == .notFound)
    }
  }
}
