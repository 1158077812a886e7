import Foundation
import JobModel
import ProviderKit
import ResultSync
import Synchronization
import TestSupport
import Testing

/// The real script with the real rclone, and a folder of this machine as the remote.
@Suite("Copying results", .timeLimit(.minutes(2)))
struct SyncScriptTests {
  /// An instance's directory, and the remote beside it.
  private struct Ground {
    let place: Workplace
    let directory: String
    let remote: RcloneFolder

    init(_ place: Workplace, _ edit: (inout SyncJob) -> Void = { _ in }) throws {
      self.place = place
      directory = place.path("instance")
      try FileManager.default.createDirectory(atPath: directory + "/work", withIntermediateDirectories: true)
      var job = SyncJob(
        job: try #require(JobID("a1b2c3d4")), attempt: 1, remote: place.path("remote/a1b2c3d4"),
        exclude: ["FCIDUMP", "*.tmp", "scratch/*"])
      edit(&job)
      remote = RcloneFolder(folder: job.remote)
      try Data(SyncScript.text).write(to: URL(fileURLWithPath: directory + "/sync.sh"))
      try job.configuration(directory: directory).write(
        toFile: directory + "/sync.conf", atomically: true, encoding: .utf8)
    }

    func write(_ path: String, _ text: String) throws {
      let url = URL(fileURLWithPath: directory + "/work/" + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    @discardableResult
    func sync(_ arguments: String..., expecting code: Int32 = 0) async throws -> SyncReport {
      let outcome = try await place.program("/bin/sh", [directory + "/sync.sh", directory] + arguments).outcome()
      #expect(outcome.code == code, "\(outcome)\n\(events())")
      return try last()
    }

    func last() throws -> SyncReport {
      try JSONDecoder().decode(
        SyncReport.self, from: Data(contentsOf: URL(fileURLWithPath: directory + "/sync/last.json")))
    }

    func events() -> String { (try? String(contentsOfFile: directory + "/sync/events", encoding: .utf8)) ?? "" }

    /// The results on the remote with their contents, without what is ours.
    func copied() throws -> [String: String] {
      let root = remote.folder
      var found: [String: String] = [:]
      for path in FileManager.default.subpaths(atPath: root) ?? [] where !path.hasPrefix("_cs") {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder), !isFolder.boolValue
        else { continue }
        found[path] = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
      }
      return found
    }

    /// The verdict over the manifest that holds now.
    func verdict() async throws -> Verdict {
      let manifest = try #require(try await remote.manifest())
      return Verdict(manifest, try await remote.listing())
    }
  }

  @Test("What is a result is copied, checked and said in a manifest; what is not is named with its rule")
  func whole() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place)
      try ground.write("results.txt", "hello")
      try ground.write("sub/we ird \"q\" \\b é.txt", "odd")
      try ground.write("empty", "")
      for path in ["FCIDUMP", "a.tmp", "scratch/zz", "sub/FCIDUMP", "new\nline"] { try ground.write(path, "no") }
      try FileManager.default.createSymbolicLink(
        atPath: ground.directory + "/work/link", withDestinationPath: "results.txt")
      #expect(try await ground.remote.manifest() == nil)
      let report = try await ground.sync()
      #expect(report.result == .synced && report.files == 3 && report.bytes == 8 && report.excluded == 6)
      let copied = try ground.copied()
      #expect(copied == ["results.txt": "hello", "sub/we ird \"q\" \\b é.txt": "odd", "empty": ""])
      let manifest = try #require(try await ground.remote.manifest())
      #expect(Set(manifest.results.map(\.path)) == Set(copied.keys))
      #expect(
        Set(manifest.excluded.map(\.rule)) == ["FCIDUMP", "*.tmp", "scratch/*", "name", "kind"])
      #expect(manifest.results.first { $0.path == "results.txt" }?.md5 == "5d41402abc4b2a76b9719d911017c592")
      let verdict = try await ground.verdict()
      #expect(verdict.isWhole && verdict.unlisted.isEmpty)
    }
  }

  @Test("Nothing is copied when nothing has changed, and nothing on the remote is ever deleted")
  func unchanged() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place)
      try ground.write("one", "1")
      try ground.write("two", "2")
      try await ground.sync()
      #expect(try await ground.sync("--if-changed").result == .unchanged)
      try FileManager.default.removeItem(atPath: ground.directory + "/work/one")
      try ground.write("two", "22")
      let report = try await ground.sync("--if-changed")
      #expect(report.result == .synced && report.seq == 2)
      let copied = try ground.copied()
      #expect(copied == ["one": "1", "two": "22"])
      let verdict = try await ground.verdict()
      #expect(verdict.isWhole && verdict.unlisted == ["one"])
    }
  }

  @Test("A dry run names what would go and what not, and changes nothing")
  func dryRun() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place)
      try ground.write("one", "1")
      try ground.write("a.tmp", "x")
      let outcome = try await place.program("/bin/sh", [ground.directory + "/sync.sh", ground.directory, "--dry-run"])
        .outcome()
      #expect(outcome.code == 0)
      let events = ground.events().split(separator: "\n").compactMap { SyncEvent(line: String($0)) }
      #expect(events.contains(.wouldCopy(path: "one", bytes: 1)))
      #expect(events.contains(.excluded([.init(path: "a.tmp", size: 1, rule: "*.tmp")])))
      #expect(!FileManager.default.fileExists(atPath: ground.remote.folder))
      #expect(!FileManager.default.fileExists(atPath: ground.directory + "/sync/last.json"))
    }
  }

  @Test("What the last manifest stands for is kept until the next one is there")
  func kept() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place)
      try ground.write("checkpoint", "first")
      try await ground.sync()
      try ground.write("checkpoint", "second")
      // A copy that ends after the upload and before its manifest, as if it had been killed there.
      let manifest = try #require(try await ground.remote.manifest())
      try FileManager.default.createDirectory(
        atPath: ground.remote.folder + "/_cs/manifest.0.json", withIntermediateDirectories: true)
      try await ground.sync(expecting: 74)
      let copied = try ground.copied()
      #expect(copied["checkpoint"] == "second")
      let verdict = Verdict(manifest, try await ground.remote.listing())
      #expect(verdict.isWhole && verdict.kept == ["checkpoint"])
      // The next ones do not touch it either, whatever the file has become meanwhile.
      try ground.write("checkpoint", "third")
      try await ground.sync(expecting: 74)
      #expect(Verdict(manifest, try await ground.remote.listing()).isWhole)
      try FileManager.default.removeItem(atPath: ground.remote.folder + "/_cs/manifest.0.json")
      try await ground.sync("--final")
      let last = try await ground.verdict()
      #expect(last.isWhole && last.kept.isEmpty)
      #expect(try await ground.remote.manifest()?.final == true)
    }
  }

  @Test("Two at once do not copy twice: the second says that it is busy, or follows the first")
  func twoAtOnce() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place)
      try ground.write("one", "1")
      let lock = try place.program("/usr/bin/flock", [ground.directory + "/hold", "true"])
      _ = try await lock.outcome()
      try FileManager.default.createDirectory(atPath: ground.directory + "/sync", withIntermediateDirectories: true)
      let holder = try place.program("/usr/bin/flock", [ground.directory + "/sync/lock", "sleep", "2"])
      try await eventually("the lock is held") {
        try await place.program("/usr/bin/flock", ["-n", ground.directory + "/sync/lock", "true"]).outcome().code != 0
      }
      let busy = try await place.program("/bin/sh", [ground.directory + "/sync.sh", ground.directory]).outcome()
      #expect(busy.code == 75)
      #expect(try await ground.sync("--wait", "20").result == .synced)
      _ = try await holder.outcome()
      try ground.write("one", "11")
      let events = Events()
      let outcome = try await SyncRun(.here(directory: ground.directory), isDryRun: false).follow {
        events.add($0)
      }
      #expect(outcome.code == 0 && outcome.report?.result == .synced)
      #expect(events.all.contains { if case .plan = $0 { true } else { false } })
    }
  }

  @Test("Why a copy fails is said in a word, and since when")
  func failures() async throws {
    try await Workplace.run { place in
      let missing = try Ground(place) { $0.rclone = "no-such-rclone" }
      try missing.write("one", "1")
      let first = try await missing.sync(expecting: 78)
      #expect(first.result == .failing && first.reason == "no_rclone")
      let again = try await missing.sync(expecting: 78)
      #expect(again.failingSince == first.failingSince)
    }
    try await Workplace.run { place in
      let unknown = try Ground(place) { $0.remote = "nosuchremote:x" }
      try unknown.write("one", "1")
      #expect(try await unknown.sync(expecting: 74).reason == "configuration")
      let error = await #expect(throws: SyncError.self) { try await unknown.remote.manifest() }
      #expect(error?.code == .unreachable)
    }
  }

  @Test("Thousands of small files go as one archive when that is wanted")
  func packed() async throws {
    try await Workplace.run { place in
      let ground = try Ground(place) { $0.packFiles = 10 }
      for index in 0..<50 { try ground.write("parts/\(index).dat", "part \(index)") }
      try await ground.sync()
      let manifest = try #require(try await ground.remote.manifest())
      #expect(manifest.packed.count == 50)
      let seventh = manifest.packed.first { $0.path == "parts/7.dat" }
      #expect(seventh?.size == 6 && seventh?.md5?.count == 32)
      let copied = try ground.copied()
      #expect(copied.isEmpty)
      let archive = try await place.program(
        "/bin/tar", ["-xOf", ground.remote.folder + "/_cs/packed.tar", "parts/7.dat"]
      ).outcome()
      #expect(archive.output == "part 7")
      #expect(try await ground.verdict().isWhole)
    }
  }
}

private final class Events: Sendable {
  private let list = Mutex<[SyncEvent]>([])
  var all: [SyncEvent] { list.withLock { $0 } }
  func add(_ event: SyncEvent) { list.withLock { $0.append(event) } }
}
