import Foundation
import JobModel
import ProviderKit
import ResultSync
import TestSupport
import Testing

/// `CLOUDJOBS_TEST_RCLONES`, paths with colons between them, else the rclone in PATH.
private let rclones: [String] = {
  let paths = ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_RCLONES"] ?? ""
  return paths.isEmpty ? ["rclone"] : paths.split(separator: ":").map(String.init)
}()

/// Google's discovery document, if `Scripts/setup --matrix` has put it there.
private let discovery: String? = {
  let libraries = LoopbackServer.packageRoot.appendingPathComponent(".venv/lib").path
  let end = "site-packages/googleapiclient/discovery_cache/documents/drive.v3.json"
  return (try? FileManager.default.contentsOfDirectory(atPath: libraries))?.map { "\(libraries)/\($0)/\(end)" }
    .first { FileManager.default.fileExists(atPath: $0) }
}()

/// The real script with the real rclone and its drive backend; only Google is not real.
@Suite(
  "Copying results to a Google Drive",
  .enabled(if: rclones.allSatisfy { $0.contains("/") || Workplace.has($0) }, "rclone is not installed"),
  .timeLimit(.minutes(4)))
struct DriveMatrixTests {
  /// An instance's directory, and a Drive.
  private struct Ground {
    let place: Workplace
    let drive: LoopbackDrive
    let directory: String
    let remote: RcloneFolder
    /// The job's folder on the Drive.
    let top = "cloudjobs/a1b2c3d4"

    static func run(
      _ rclone: String, packFiles: Int? = nil, limit: Duration = .seconds(3600), _ body: (Ground) async throws -> Void
    ) async throws {
      let job = SyncJob(
        job: try #require(JobID("a1b2c3d4")), attempt: 1, rclone: rclone, remote: "gdrive:cloudjobs/a1b2c3d4",
        exclude: ["FCIDUMP", "*.tmp"], packFiles: packFiles, limit: limit)
      try await Workplace.run { place in
        try await LoopbackDrive.run(in: place) { drive in
          let ground = try Ground(place, drive, job)
          try await body(ground)
        }
      }
    }

    private init(_ place: Workplace, _ drive: LoopbackDrive, _ job: SyncJob) throws {
      self.place = place
      self.drive = drive
      directory = place.path("instance")
      remote = RcloneFolder(program: job.rclone, folder: job.remote, environment: drive.environment)
      try FileManager.default.createDirectory(atPath: directory + "/work", withIntermediateDirectories: true)
      try Data(SyncScript.text).write(to: URL(fileURLWithPath: directory + "/sync.sh"))
      try configure(job)
    }

    func configure(_ job: SyncJob) throws {
      try job.configuration(directory: directory).replacing("cs_relist_s=10", with: "cs_relist_s=1").write(
        toFile: directory + "/sync.conf", atomically: true, encoding: .utf8)
    }

    // MARK: Results

    func path(_ name: String) -> String { directory + "/work/" + name }

    func write(_ name: String, _ text: String) throws {
      let url = URL(fileURLWithPath: path(name))
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    /// Writes what no compression makes smaller, and returns it.
    @discardableResult
    func random(_ name: String, _ bytes: Int) async throws -> Data {
      try await place.tool("sh", "-c", "head -c \"$1\" /dev/urandom >\"$2\"", "sh", "\(bytes)", path(name))
      return try here(name)
    }

    /// Makes a file old, so that it is linked into the stage and not copied.
    func age(_ name: String) throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: path(name))
    }

    func here(_ name: String) throws -> Data { try place.bytes(path(name)) }

    // MARK: Copies

    func start(_ arguments: [String] = [], before: [String] = []) throws -> RunningProgram {
      let words = before + ["/bin/sh", directory + "/sync.sh", directory] + arguments
      return try place.program(words[0], Array(words.dropFirst()), environment: drive.environment)
    }

    @discardableResult
    func sync(_ arguments: String..., expecting code: Int32 = 0) async throws -> SyncReport {
      let outcome = try await start(arguments).outcome()
      #expect(outcome.code == code, "\(outcome)\n\(events())")
      return try last()
    }

    func last() throws -> SyncReport {
      try JSONDecoder().decode(SyncReport.self, from: place.bytes(directory + "/sync/last.json"))
    }

    func events() -> String { (try? String(contentsOfFile: directory + "/sync/events", encoding: .utf8)) ?? "" }

    func samples() -> [SyncProgress.Sample] {
      var found: [SyncProgress.Sample] = []
      for line in events().split(separator: "\n") {
        if case .progress(let sample)? = SyncEvent(line: String(line)) { found.append(sample) }
      }
      return found
    }

    // MARK: What is on the Drive

    /// The files of the job's folder that are not in the trash, by their paths within it.
    func files() async throws -> [String: [LoopbackDrive.Entry]] {
      var found: [String: [LoopbackDrive.Entry]] = [:]
      for entry in try await drive.entries() where !entry.folder && !entry.trashed {
        #expect(entry.path.hasPrefix(top + "/"), "\(entry.path) is outside of the job's folder")
        found[String(entry.path.dropFirst(top.count + 1)), default: []].append(entry)
      }
      return found
    }

    /// Asserts, file by file, that the results are on the Drive with this content, each once but for `doubled`, that the
    /// manifest that holds stands for just these, and that everything it stands for is there.
    @discardableResult
    func holds(_ expected: [String: Data], doubled: Set<String> = []) async throws -> Manifest {
      let there = try await files()
      let manifest = try #require(try await remote.manifest())
      let results = manifest.results.filter { !$0.path.hasPrefix("_cs/") }
      #expect(Set(results.map(\.path)) == Set(expected.keys))
      for file in results {
        let entries = there[file.path] ?? []
        #expect(entries.count == (doubled.contains(file.path) ? 2 : 1), "\(file.path): \(entries)")
        let same = entries.filter { $0.size == file.size && $0.md5 == file.md5 }
        #expect(!same.isEmpty, "\(file.path) is not as the manifest says: \(entries), \(file)")
        if let entry = same.first {
          let content = try await drive.content(entry)
          #expect(content == expected[file.path], "\(file.path) has another content than here")
        }
      }
      #expect(Set(there.filter { $0.value.count > 1 }.keys) == doubled)
      try await isWhole(manifest)
      return manifest
    }

    /// Asserts that everything a manifest stands for is on the Drive.
    func isWhole(_ manifest: Manifest) async throws {
      let verdict = Verdict(manifest, try await remote.listing())
      #expect(verdict.isWhole, "\(verdict)")
    }
  }

  // MARK: What goes well

  @Test("Results of every kind arrive, and the manifest names them; the last copy too", arguments: rclones)
  func whole(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      var expected = [
        "results.txt": Data("hello".utf8), "sub/we ird 'q' \"d\" \\b é.txt": Data("odd".utf8), "empty": Data(),
      ]
      for (name, content) in expected { try ground.write(name, String(decoding: content, as: UTF8.self)) }
      // More than one piece of an upload.
      expected["big"] = try await ground.random("big", 9_000_000)
      for name in ["FCIDUMP", "a.tmp", "control\u{1}", "odd\u{201B}"] { try ground.write(name, "no") }
      try ground.place.write(ground.directory + "/output.log", "it began\n")
      let report = try await ground.sync()
      #expect(report.result == .synced && report.seq == 1 && report.files == 4 && report.excluded == 4)
      let manifest = try await ground.holds(expected)
      #expect(!manifest.final && manifest.excluded.map(\.rule).sorted() == ["*.tmp", "FCIDUMP", "name", "name"])
      #expect(manifest.results.contains { $0.path == "_cs/output.log" && $0.size == 9 })
      #expect(try await ground.sync("--if-changed").result == .unchanged)
      #expect(try await ground.sync("--final").seq == 2)
      #expect(try await ground.holds(expected).final)
    }
  }

  @Test("An empty folder, such as that of a relaunched instance, takes nothing away", arguments: rclones)
  func emptySource(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try ground.write("sub/two", "2")
      try await ground.sync()
      let before = try await ground.files()
      for name in ["one", "sub"] { try FileManager.default.removeItem(atPath: ground.path(name)) }
      #expect(try await ground.sync("--final").files == 0)
      let after = try await ground.files()
      #expect(after["one"] == before["one"] && after["sub/two"] == before["sub/two"])
      #expect(try await ground.drive.entries().allSatisfy { !$0.trashed })
      try await ground.holds([:])
    }
  }

  @Test("The folder may be given by its id", arguments: rclones)
  func rootFolderID(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try await ground.drive.plant("cloudjobs/a1b2c3d4/other", "theirs")
      let folder = try #require(try await ground.drive.entries().first { $0.path == ground.top })
      let job = SyncJob(
        job: try #require(JobID("a1b2c3d4")), attempt: 1, rclone: rclone, remote: "gdrive,root_folder_id=\(folder.id):")
      try ground.configure(job)
      try ground.write("one", "1")
      try await ground.sync("--final")
      try await ground.holds(["one": Data("1".utf8)])
      #expect(try await ground.files()["other"]?.count == 1)
    }
  }

  @Test("An archive of small files is copied again when only their content has changed", arguments: rclones)
  func packed(rclone: String) async throws {
    try await Ground.run(rclone, packFiles: 3) { ground in
      for index in 0..<8 { try ground.write("parts/\(index)", "part \(index)") }
      try await ground.sync()
      let first = try #require(try await ground.remote.manifest())
      #expect(first.packed.count == 8)
      #expect(first.packed.first { $0.path == "parts/7" }?.md5 == "8e536f8199df57af08353a9149eec150")
      // The archive's size stays.
      try ground.write("parts/7", "part X")
      try await ground.sync()
      let second = try await ground.holds([:])
      #expect(second.packed.first { $0.path == "parts/7" }?.md5 != first.packed.first { $0.path == "parts/7" }?.md5)
      let archive = try #require(try await ground.files()["_cs/packed.tar"]?.first)
      try await ground.drive.content(archive).write(to: URL(fileURLWithPath: ground.place.path("packed.tar")))
      #expect(try await ground.place.tool("tar", "-xOf", "packed.tar", "parts/7") == "part X")
      // The same files make the same archive, which is not copied again.
      try await ground.sync("--final")
      #expect(try await ground.files()["_cs/packed.tar"] == [archive])
    }
  }

  // MARK: Files that change

  @Test("A log that grows while it is copied arrives as it was at a moment", arguments: rclones)
  func growingLog(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try await ground.random("checkpoint", 1_000_000)
      try ground.write("run.log", "it began\n")
      for name in ["checkpoint", "run.log"] { try ground.age(name) }
      try await ground.drive.set(#"{"bandwidth": 1000000}"#)
      let writer = try ground.place.program(
        "/bin/sh", ["-c", "while :; do echo line >>\"$1\"; sleep 0.02; done", "sh", ground.path("run.log")])
      let report = try await ground.sync()
      writer.signal(SIGKILL)
      _ = try await writer.outcome()
      #expect(report.result == .synced)
      let entry = try #require(try await ground.files()["run.log"]?.first)
      let log = try await ground.drive.content(entry)
      let grown = try ground.here("run.log")
      #expect(!log.isEmpty && grown.starts(with: log))
      let checkpoint = try ground.here("checkpoint")
      try await ground.holds(["checkpoint": checkpoint, "run.log": log])
    }
  }

  @Test("A checkpoint that is replaced during its upload arrives whole, twice", arguments: rclones)
  func replacedCheckpoint(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      let first = try await ground.random("checkpoint", 2_000_000)
      try ground.age("checkpoint")
      try await ground.drive.set(#"{"bandwidth": 2000000}"#)
      let copy = try ground.start()
      try await ground.drive.wait("received=500000")
      try await ground.random("new", 2_000_000)
      #expect(rename(ground.path("new"), ground.path("checkpoint")) == 0)
      try await ground.drive.set(#"{"bandwidth": null}"#)
      #expect(try await copy.outcome().code == 0)
      let manifest = try await ground.holds(["checkpoint": first])
      // The next one moves aside what this manifest stands for, and fails before it has its own.
      try await ground.drive.rule(#"{"fault": "quota", "path": "/upload/", "name": "manifest"}"#)
      #expect(try await ground.sync(expecting: 74).reason == "quota")
      try await ground.isWhole(manifest)
      #expect(try await ground.files()["_cs/kept/checkpoint"]?.first?.md5 == manifest.results.first?.md5)
      try await ground.drive.release()
      try await ground.sync()
      try await ground.holds(["checkpoint": ground.here("checkpoint")])
    }
  }

  @Test("A file that is changed in place during its upload is copied again, whole", arguments: rclones)
  func changedInPlace(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try await ground.random("matrix", 2_000_000)
      try ground.age("matrix")
      try await ground.drive.set(#"{"bandwidth": 2000000}"#)
      let copy = try ground.start()
      try await ground.drive.wait("received=500000")
      try await ground.random("matrix", 2_000_000)
      try await ground.drive.set(#"{"bandwidth": null}"#)
      #expect(try await copy.outcome().code == 0, "\(ground.events())")
      try await ground.holds(["matrix": ground.here("matrix")])
    }
  }

  @Test("The last copy finds what was changed in place with its time set back", arguments: rclones)
  func timeSetBack(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("matrix", "aaaa")
      try await ground.place.tool("touch", "-d", "@1700000000", ground.path("matrix"))
      try await ground.sync()
      try ground.write("matrix", "bbbb")
      try await ground.place.tool("touch", "-d", "@1700000000", ground.path("matrix"))
      try await ground.sync("--final")
      try await ground.holds(["matrix": Data("bbbb".utf8)])
      #expect(try await ground.files()["_cs/kept/matrix"]?.count == 1)
    }
  }

  @Test("Of two at once one waits, or says that it is busy, or follows; nothing is there twice", arguments: rclones)
  func twoAtOnce(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      for index in 0..<5 { try ground.write("\(index)", "\(index)") }
      try await ground.drive.rule(#"{"fault": "hold", "path": "/upload/", "times": 1}"#)
      let first = try ground.start()
      try await ground.drive.wait("hits=1")
      #expect(try await ground.start().outcome().code == 75)
      let follower = try ground.start(["--follow"])
      try await eventually("it follows") { follower.output.contains("joined") }
      let second = try ground.start(["--wait", "30"])
      try await ground.drive.release()
      for program in [first, follower, second] { #expect(try await program.outcome().code == 0) }
      #expect(follower.output.contains(#"{"ev":"exit","rc":0"#))
      let expected = Dictionary(uniqueKeysWithValues: (0..<5).map { ("\($0)", Data("\($0)".utf8)) })
      #expect(try await ground.holds(expected).seq == 2)
    }
  }

  // MARK: What Google refuses

  struct Refusal: Sendable, CustomTestStringConvertible {
    /// A fault of the Drive's, and which requests it hits.
    var fault: String
    var path = "/upload/"
    /// What is to be said of it.
    var reason: String
    var words: String
    var testDescription: String { fault }
  }

  @Test(
    "What Google refuses is called by its name at once, and what was there stays whole", arguments: rclones,
    [
      Refusal(fault: "daily_limit", reason: "daily_limit", words: "User rate limit exceeded"),
      Refusal(fault: "quota", reason: "quota", words: "storage quota has been exceeded"),
      Refusal(fault: "service_account", reason: "quota", words: "Service Accounts do not have storage quota"),
      Refusal(fault: "forbidden", reason: "unauthorized", words: "sufficient permissions"),
      Refusal(fault: "scope", path: "/drive/", reason: "unauthorized", words: "insufficient authentication scopes"),
      Refusal(fault: "unauthorized", path: "/drive/", reason: "unauthorized", words: "Invalid Credentials"),
    ])
  func refused(rclone: String, refusal: Refusal) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("checkpoint", "first")
      try await ground.sync()
      let manifest = try await ground.holds(["checkpoint": Data("first".utf8)])
      try ground.write("checkpoint", "second")
      try await ground.drive.rule(#"{"fault": "\#(refusal.fault)", "path": "\#(refusal.path)"}"#)
      let report = try await ground.sync(expecting: 74)
      #expect(report.result == .failing && report.reason == refusal.reason)
      #expect(report.message?.contains(refusal.words) == true, "\(report)")
      // It does not go on trying for minutes.
      #expect(report.finishedAt - report.startedAt < 20_000)
      #expect(try await ground.sync(expecting: 74).failingSince == report.failingSince)
      try await ground.drive.release()
      try await ground.isWhole(manifest)
      try await ground.sync("--final")
      try await ground.holds(["checkpoint": Data("second".utf8)])
    }
  }

  @Test("A token that was revoked is told from one that only has to be renewed", arguments: rclones)
  func revoked(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.sync()
      try await ground.drive.set(#"{"revoked": true}"#)
      try ground.drive.signIn()
      let report = try await ground.sync(expecting: 74)
      #expect(report.reason == "revoked" && report.message?.contains("fetch token") == true, "\(report)")
      try await ground.drive.set(#"{"revoked": false}"#)
      try await ground.sync()
      try await ground.holds(["one": Data("1".utf8)])
    }
  }

  @Test("A short burst of refusals is ridden out", arguments: rclones)
  func burst(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.drive.rule(#"{"fault": "rate_limit", "path": "/upload/", "times": 1}"#)
      try await ground.drive.rule(#"{"fault": "too_many", "verb": "GET", "times": 1}"#)
      try await ground.drive.rule(#"{"fault": "backend", "path": "/upload/", "times": 1}"#)
      #expect(try await ground.sync().result == .synced)
      #expect(try await ground.drive.state().hits == 3)
      try await ground.holds(["one": Data("1".utf8)])
    }
  }

  @Test("Full storage refuses what is too large; what is small has arrived", arguments: rclones)
  func full(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("small", "s")
      try await ground.random("large", 3_000_000)
      try await ground.drive.set(#"{"limit": 1000000}"#)
      #expect(try await ground.sync(expecting: 74).reason == "quota")
      #expect(try await ground.files().keys.sorted() == ["small"])
      #expect(try await ground.remote.manifest() == nil)
      #expect(try await ground.remote.space() == .free(999_999))
    }
  }

  // MARK: Networks

  @Test("A network that is down is no mistake in the configuration", arguments: rclones)
  func noNetwork(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.drive.rule(#"{"fault": "reset"}"#)
      let report = try await ground.sync(expecting: 74)
      #expect(report.reason == "network", "\(report)")
      try await ground.drive.release()
      try await ground.sync()
      try await ground.holds(["one": Data("1".utf8)])
    }
  }

  @Test("An upload in pieces goes on after a cut connection and a lost answer", arguments: rclones)
  func pieces(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      let big = try await ground.random("big", 20_000_000)
      try await ground.drive.rule(#"{"fault": "reset", "path": "upload_id", "times": 1}"#)
      try await ground.drive.rule(#"{"fault": "drop", "path": "upload_id", "times": 1, "after": 1}"#)
      try await ground.sync()
      #expect(try await ground.drive.state().hits == 2)
      try await ground.holds(["big": big])
    }
  }

  @Test("A lost answer while listings lag makes a file double, but neither a lie nor a loss", arguments: rclones)
  func lostAnswer(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "first")
      try await ground.drive.set(#"{"lag": 2}"#)
      try await ground.drive.rule(#"{"fault": "drop", "path": "/upload/", "name": "/one$", "times": 1}"#)
      try await ground.sync()
      try await eventually("the listing has caught up") { try await ground.remote.manifest() != nil }
      let manifest = try await ground.holds(["one": Data("first".utf8)], doubled: ["one"])
      try await ground.drive.set(#"{"lag": 0}"#)
      try ground.write("one", "other")
      try await ground.sync()
      try await ground.isWhole(manifest)
      try await ground.sync("--final")
      // Of two that are the same one went to the trash.
      try await ground.holds(["one": Data("other".utf8)])
    }
  }

  @Test("A manifest that is double, or is not listed yet, is not taken for an older one", arguments: rclones)
  func lostManifest(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "first")
      try await ground.drive.set(#"{"lag": 2}"#)
      try await ground.drive.rule(#"{"fault": "drop", "path": "/upload/", "name": "manifest", "times": 1}"#)
      try await ground.sync()
      // At once: the listing shows none of it.
      try ground.write("one", "other")
      #expect(try await ground.sync().seq == 2)
      try await ground.drive.set(#"{"lag": 0}"#)
      try await eventually("the listing has caught up") {
        try await ground.remote.listing().contains { $0.path == "_cs/manifest.0.json" }
      }
      #expect(try await ground.sync("--final").seq == 3)
      let manifest = try #require(try await ground.remote.manifest())
      #expect(manifest.seq == 3 && manifest.final)
      #expect(try await ground.files()["_cs/manifest.1.json"]?.count == 1)
      try await ground.isWhole(manifest)
    }
  }

  @Test("A slow network meets the time limit; what is small has arrived", arguments: rclones)
  func slow(rclone: String) async throws {
    try await Ground.run(rclone, limit: .seconds(3)) { ground in
      try ground.write("one", "1")
      try await ground.sync()
      let manifest = try await ground.holds(["one": Data("1".utf8)])
      try ground.write("one", "2")
      try ground.write("small", "s")
      try await ground.random("large", 4_000_000)
      try await ground.drive.set(#"{"bandwidth": 300000}"#)
      let report = try await ground.sync(expecting: 74)
      #expect(report.reason == "time_limit" && report.finishedAt - report.startedAt < 6000)
      try await ground.isWhole(manifest)
      let there = try await ground.files()
      #expect(there["small"]?.count == 1 && there["large"] == nil)
    }
  }

  @Test("A copy that is told to end does so at once, and says so", arguments: rclones, ["listing", "upload"])
  func terminated(rclone: String, during: String) async throws {
    try await Ground.run(rclone) { ground in
      try await ground.random("large", 1_000_000)
      if during == "listing" { try await ground.drive.rule(#"{"fault": "hold", "verb": "GET"}"#) }
      try await ground.drive.set(#"{"bandwidth": 200000}"#)
      let copy = try ground.start()
      try await ground.drive.wait(during == "listing" ? "hits=1" : "received=100000")
      copy.signal(SIGTERM)
      #expect(try await copy.outcome(within: .seconds(10)).code == 74)
      #expect(try ground.last().reason == "interrupted")
      try await ground.drive.release()
      try await ground.drive.set(#"{"bandwidth": null}"#)
      #expect(try await ground.sync("--wait", "20").result == .synced)
      try await ground.holds(["large": ground.here("large")])
    }
  }

  @Test("A copy that is killed leaves the manifest before it whole", arguments: rclones)
  func killed(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.sync()
      let manifest = try await ground.holds(["one": Data("1".utf8)])
      try ground.write("one", "2")
      try await ground.random("large", 1_000_000)
      try await ground.drive.set(#"{"bandwidth": 200000}"#)
      let received = try await ground.drive.state().received
      let follower = try ground.start(["--follow"])
      try await ground.drive.wait("received=\(received + 100_000)")
      for process in ground.place.strays() where Self.isScript(process) { kill(process, SIGKILL) }
      #expect(try await ground.start().outcome().code == 75)
      try await ground.isWhole(manifest)
      try await ground.drive.set(#"{"bandwidth": null}"#)
      let outcome = try await follower.outcome()
      #expect(outcome.code == 74 && outcome.output.hasSuffix("\"reason\":\"interrupted\"}\n"), "\(outcome)")
      try await ground.sync("--final", "--wait", "20")
      try await ground.holds(["one": Data("2".utf8), "large": ground.here("large")])
    }
  }

  private static func isScript(_ process: Int32) -> Bool {
    let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")?.split(separator: 0) ?? []
    return words.count > 1 && words[0].elementsEqual("sh".utf8)
      && String(decoding: words[1], as: UTF8.self).hasSuffix("/sync.sh")
  }

  // MARK: Odd things on either side

  @Test("What can't be read is named, everything else arrives, and that is not called whole", arguments: rclones)
  func unreadable(rclone: String) async throws {
    // Root may read anything, unless it gives that up.
    let asUser = getuid() == 0 ? ["/usr/bin/setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : []
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try ground.write("shut", "secret")
      try ground.write("closed/two", "2")
      // A folder that can't be written to is no hindrance.
      try ground.write("fixed/three", "3")
      for (name, mode) in [("shut", 0), ("closed", 0), ("fixed", 0o555)] {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: ground.path(name))
      }
      for _ in 0..<2 {
        let outcome = try await ground.start(before: asUser).outcome()
        #expect(outcome.code == 4, "\(outcome)\n\(ground.events())")
        let report = try ground.last()
        #expect(report.result == .incomplete && report.reason == "unreadable" && report.unreadable == 2)
        #expect(!FileManager.default.fileExists(atPath: ground.directory + "/sync/stage"))
      }
      let manifest = try await ground.holds(["one": Data("1".utf8), "fixed/three": Data("3".utf8)])
      #expect(manifest.unreadable.count == 2)
      let hashes = try await ground.start(["--hashes"], before: asUser).outcome()
      #expect(hashes.output.contains(#"{"ev":"unhashed","path":"shut"}"#))
      #expect(hashes.output.contains(#"{"ev":"unhashed","path":"closed"}"#))
      #expect(hashes.output.hasSuffix("{\"ev\":\"exit\",\"rc\":0}\n"))
      for name in ["closed", "fixed"] {
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: ground.path(name))
      }
    }
  }

  @Test("Two folders or files of one name on the Drive make no copy lie", arguments: rclones)
  func doubledNames(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("sub/a", "a")
      try ground.write("file", "mine")
      try await ground.sync()
      let manifest = try await ground.holds(["sub/a": Data("a".utf8), "file": Data("mine".utf8)])
      // Another folder sub, and another file of the same name and size.
      try await ground.drive.plant(ground.top + "/second/b", "theirs")
      let folder = try #require(try await ground.drive.entries().first { $0.path == ground.top + "/second" })
      try await ground.drive.rename(folder.id, to: "sub")
      try await ground.drive.plant(ground.top + "/file", "old!", again: true)
      try ground.write("sub/c", "c")
      try await ground.sync()
      try await ground.isWhole(manifest)
      var there = try await ground.files()
      #expect(there["sub/b"]?.count == 1 && there["sub/a"]?.count == 1 && there["sub/c"]?.count == 1)
      #expect(try await ground.drive.entries().count { $0.path == ground.top + "/sub" && !$0.trashed } == 1)
      try ground.write("file", "next")
      try await ground.sync("--final")
      let last = try #require(try await ground.remote.manifest())
      try await ground.isWhole(last)
      let file = try #require(last.results.first { $0.path == "file" })
      there = try await ground.files()
      let entry = try #require(there["file"]?.first { $0.md5 == file.md5 })
      #expect(try await ground.drive.content(entry) == Data("next".utf8))
    }
  }

  @Test("Two folders of the job are made one", arguments: rclones)
  func doubledTop(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.sync()
      try await ground.drive.plant("cloudjobs/second/x", "theirs")
      let folder = try #require(try await ground.drive.entries().first { $0.path == "cloudjobs/second" })
      try await ground.drive.rename(folder.id, to: "a1b2c3d4")
      try ground.write("two", "2")
      #expect(try await ground.sync().seq == 2)
      #expect(try await ground.drive.entries().count { $0.path == ground.top && !$0.trashed } == 1)
      try await ground.holds(["one": Data("1".utf8), "two": Data("2".utf8)])
    }
  }

  @Test("A folder that somebody has removed from the Drive is made again", arguments: rclones)
  func removed(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try await ground.sync()
      for folder in [ground.top, "cloudjobs"] {
        try await ground.drive.delete(folder)
        try await ground.sync()
        try await ground.holds(["one": Data("1".utf8)])
      }
    }
  }

  @Test("What is lost on the Drive is missed, and copied again", arguments: rclones)
  func lost(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "1")
      try ground.write("two", "2")
      try await ground.sync()
      let manifest = try #require(try await ground.remote.manifest())
      try await ground.drive.delete(ground.top + "/one")
      #expect(Verdict(manifest, try await ground.remote.listing()).damaged == ["one"])
      try await ground.sync()
      try await ground.holds(["one": Data("1".utf8), "two": Data("2".utf8)])
    }
  }

  // MARK: What is said meanwhile

  @Test("Progress counts the results, once, and neither the manifest nor what is moved aside", arguments: rclones)
  func progress(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try await ground.random("large", 600_000)
      try ground.write("one", "1")
      try await ground.sync()
      try await ground.random("large", 700_000)
      try await ground.drive.set(#"{"bandwidth": 300000}"#)
      try await ground.sync("--final")
      let samples = ground.samples()
      #expect(samples.count >= 2 && samples.allSatisfy { $0.total == 700_000 || $0.total == 0 })
      #expect(samples.last?.bytes == 700_000 && samples.last?.files == 1)
      #expect(zip(samples, samples.dropFirst()).allSatisfy { $0.bytes <= $1.bytes })
      #expect(!ground.events().contains("manifest"))
      #expect(try await ground.files()["_cs/kept/large"]?.first?.size == 600_000)
    }
  }

  @Test("Whoever follows gets a last line, whatever happens", arguments: rclones)
  func lastLine(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      func follow(_ arguments: String...) async throws -> (code: Int32, event: SyncEvent?, lines: Int) {
        let outcome = try await ground.start(["--follow"] + arguments).outcome()
        let lines = outcome.output.split(separator: "\n")
        return (outcome.code, lines.last.flatMap { SyncEvent(line: String($0)) }, lines.count)
      }
      try ground.write("one", "1")
      var said = try await follow()
      #expect(said.code == 0 && said.event == .exit(code: 0, reason: nil))
      said = try await follow("--if-changed")
      #expect(said.code == 0 && said.event == .exit(code: 0, reason: nil) && said.lines == 4)
      said = try await follow("--dry-run")
      #expect(said.code == 0 && said.event == .exit(code: 0, reason: nil))
      said = try await follow("--bogus")
      #expect(said.code == 64 && said.event == .exit(code: 64, reason: "usage"))
      said = try await follow("--wait")
      #expect(said.code == 64 && said.event == .exit(code: 64, reason: "usage"))
      try await ground.drive.rule(#"{"fault": "quota", "path": "/upload/"}"#)
      try ground.write("one", "2")
      said = try await follow("--final")
      #expect(said.code == 74 && said.event == .exit(code: 74, reason: nil))
      for configuration in ["cs_job='", "echo $nothing_of_this_name", nil] {
        try? FileManager.default.removeItem(atPath: ground.directory + "/sync.conf")
        if let configuration { try ground.place.write(ground.directory + "/sync.conf", configuration) }
        let hashes = try await ground.start(["--hashes"]).outcome()
        said = try await follow()
        #expect(said.code != 0 && said.lines == 1 && hashes.code == said.code)
        if case .exit(let code, _)? = said.event {
          #expect(code == said.code)
        } else {
          Issue.record("no last line: \(said)")
        }
      }
    }
  }

  @Test("The results as they are now are shown with their MD5s, and nothing changes by that", arguments: rclones)
  func hashes(rclone: String) async throws {
    try await Ground.run(rclone) { ground in
      try ground.write("one", "hello")
      try ground.write("sub/we ird \"q\" \\b é", "")
      try ground.write("FCIDUMP", "no")
      try ground.place.write(ground.directory + "/output.log", "log")
      try await ground.place.tool("touch", "-d", "@1700000000.25", ground.path("one"))
      // A copy that is under way is no hindrance.
      let lock = ground.directory + "/sync/lock"
      try FileManager.default.createDirectory(atPath: ground.directory + "/sync", withIntermediateDirectories: true)
      let holder = try ground.place.program("/usr/bin/flock", [lock, "sleep", "60"])
      try await eventually("the lock is held") {
        try await ground.place.program("/usr/bin/flock", ["-n", lock, "true"]).outcome().code != 0
      }
      let before = try ground.place.files()
      let outcome = try await ground.start(["--hashes"]).outcome()
      #expect(outcome.code == 0 && outcome.errors.isEmpty)
      let lines = outcome.output.split(separator: "\n").map(String.init)
      #expect(lines.count == 4 && lines.last == #"{"ev":"exit","rc":0}"#)
      #expect(
        lines.contains(
          #"{"ev":"hash","path":"one","size":5,"md5":"5d41402abc4b2a76b9719d911017c592","modified":1700000000250}"#))
      #expect(
        lines.contains {
          $0.hasPrefix(#"{"ev":"hash","path":"_cs/output.log","size":3,"md5":"dc1d71bbb5c4d2a5e936db79ef10c19f","#)
        })
      #expect(lines.contains { $0.hasPrefix(#"{"ev":"hash","path":"sub/we ird \"q\" \\b é","size":0,"#) })
      #expect(try ground.place.files() == before)
      holder.signal(SIGKILL)
    }
  }

  // MARK: The Drive itself

  @Test("The Drive notices what Google does not know, and leaves nobody through")
  func violations() async throws {
    try await Workplace.run { place in
      let error = await #expect(throws: LoopbackServer.Failure.self) {
        try await LoopbackDrive.run(in: place) { drive in
          func ask(_ words: String...) async throws -> Workplace.Outcome {
            try await place.program(
              "/usr/bin/env",
              [
                "curl", "--silent", "--max-time", "10", "--noproxy", "", "--proxy", drive.proxy, "--cacert",
                drive.authority,
              ] + words
            ).outcome()
          }
          let answer = try await ask(
            "--data", "grant_type=refresh_token&refresh_token=refresh", "https://oauth2.googleapis.com/token")
          let object = try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any]
          let token = try #require(object?["access_token"] as? String)
          let files = "https://www.googleapis.com/drive/v3/files"
          let header = "Authorization: Bearer \(token)"
          _ = try await ask("--header", header, "\(files)?colour=red")
          _ = try await ask("--header", header, "\(files)?fields=files(id,colour)")
          _ = try await ask("--header", header, "--data", #"{"name": "x", "colour": "red"}"#, files)
          _ = try await ask("--header", header, "\(files)/root/colours")
          let unsigned = try await ask(files)
          #expect(unsigned.output.contains("Invalid Credentials"))
          let elsewhere = try await ask("https://example.com/")
          #expect(elsewhere.code != 0)
          #expect(try await drive.state().violations.count == 4)
        }
      }
      #expect(error?.description.contains("example.com:443") == true)
    }
  }

  @Test(
    "What the Drive holds for Google's API is what Google publishes",
    .enabled(if: discovery != nil, "Google's document is not installed; make test-matrix does that"))
  func facts() async throws {
    let document = try #require(discovery)
    try await Workplace.run { place in
      let script = LoopbackServer.packageRoot.appendingPathComponent("Sources/TestSupport/Servers/drive_facts.py").path
      let outcome = try await place.program(LoopbackServer.python, [script, document]).outcome()
      #expect(outcome.code == 0, "\(outcome)")
    }
  }
}
