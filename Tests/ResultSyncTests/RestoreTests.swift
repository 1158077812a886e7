import Foundation
import JobModel
import ProviderKit
import ResultSync
import TestSupport
import Testing

/// The real script with the real rclone, and a folder of this machine as the remote.
@Suite("Fetching back what earlier attempts have made", .timeLimit(.minutes(2)))
struct RestoreTests {
  /// One attempt of a job; the attempts of a place share their remote.
  private struct Attempt {
    let place: Workplace
    let directory: String
    let number: Int

    init(_ place: Workplace, _ number: Int, _ edit: (inout SyncJob) -> Void = { _ in }) throws {
      self.place = place
      self.number = number
      directory = place.path("attempt-\(number)")
      try FileManager.default.createDirectory(atPath: directory + "/work", withIntermediateDirectories: true)
      var job = SyncJob(job: try #require(JobID("a1b2c3d4")), attempt: number, remote: place.path("remote/a1b2c3d4"))
      edit(&job)
      try Data(SyncScript.text).write(to: URL(fileURLWithPath: directory + "/sync.sh"))
      // A listing of this machine never lags.
      let text = try job.configuration(directory: directory)
        .replacingOccurrences(of: "cs_relist_s=10", with: "cs_relist_s=0")
      try text.write(toFile: directory + "/sync.conf", atomically: true, encoding: .utf8)
    }

    func write(_ path: String, _ text: String) throws {
      let url = URL(fileURLWithPath: directory + "/work/" + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    func run(_ arguments: String...) async throws -> Workplace.Outcome {
      try await place.program("/bin/sh", [directory + "/sync.sh", directory] + arguments).outcome()
    }

    func sync() async throws {
      let outcome = try await run()
      #expect(outcome.code == 0, "\(outcome)")
    }

    /// Every file of the results with its contents.
    func results() throws -> [String: String] {
      var found: [String: String] = [:]
      for path in FileManager.default.subpaths(atPath: directory + "/work") ?? [] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: directory + "/work/" + path, isDirectory: &isFolder),
          !isFolder.boolValue
        else { continue }
        found[path] = try String(contentsOfFile: directory + "/work/" + path, encoding: .utf8)
      }
      return found
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: directory + "/" + name) }
  }

  @Test("Everything comes back, small files from their archive too", arguments: [nil, 3] as [Int?])
  func whole(packFiles: Int?) async throws {
    try await Workplace.run { place in
      let first = try Attempt(place, 1) { $0.packFiles = packFiles }
      let files = [
        "results.txt": "hello", "empty": "", "a/b/c": "deep", "we ird \"q\" \\b é": "odd", "-dash": "d",
        "x.conf": String(repeating: "y", count: 5000),
      ]
      for (path, text) in files { try first.write(path, text) }
      try await first.sync()
      let second = try Attempt(place, 2)
      let outcome = try await second.run("--restore")
      #expect(outcome.code == 0 && outcome.output.contains("6 files"), "\(outcome)")
      #expect(try second.results() == files)
      // What came back is no copy that went well, and leaves nothing behind.
      #expect(!second.exists("sync/last.json") && !second.exists("sync/restored"))
      // The next copy goes on with the same manifests, and has nothing to send again but what is new.
      try second.write("new", "n")
      try await second.sync()
      let manifest = try #require(try await RcloneFolder(folder: place.path("remote/a1b2c3d4")).manifest())
      #expect(manifest.seq == 2 && Set(manifest.results.map(\.path)) == Set(files.keys).union(["new"]))
    }
  }

  @Test("Results win over inputs of their name, whatever these are; other inputs stay")
  func inputs() async throws {
    try await Workplace.run { place in
      let first = try Attempt(place, 1)
      try first.write("checkpoint", "far")
      try first.write("tool", "rebuilt")
      try first.write("folder/inside", "result")
      try first.write("was-folder", "file now")
      try first.write("link-folder/x", "result")
      try await first.sync()
      let second = try Attempt(place, 2)
      try second.write("checkpoint", "from the beginning")
      try second.write("molecule", "input")
      try second.write("tool", "input")
      let tool = second.directory + "/work/tool"
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: tool)
      try second.write("folder", "a file")
      try second.write("was-folder/in", "a folder")
      try FileManager.default.createDirectory(atPath: place.path("elsewhere"), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: second.directory + "/work/link-folder", withDestinationPath: place.path("elsewhere"))
      let outcome = try await second.run("--restore")
      #expect(outcome.code == 0, "\(outcome)")
      #expect(
        try second.results() == [
          "checkpoint": "far", "molecule": "input", "tool": "rebuilt", "folder/inside": "result",
          "was-folder": "file now", "link-folder/x": "result",
        ])
      #expect(try FileManager.default.contentsOfDirectory(atPath: place.path("elsewhere")).isEmpty)
      let mode = try FileManager.default.attributesOfItem(atPath: tool)[.posixPermissions] as? Int
      #expect(mode.map { $0 & 0o100 } == 0o100)
    }
  }

  @Test("What the last manifest stands for comes back, not what was uploaded after it")
  func torn() async throws {
    try await Workplace.run { place in
      let first = try Attempt(place, 1)
      try first.write("checkpoint", "whole")
      try await first.sync()
      try first.write("checkpoint", "newer, of a copy that never ended")
      let remote = place.path("remote/a1b2c3d4")
      try FileManager.default.createDirectory(
        atPath: remote + "/_cs/manifest.0.json", withIntermediateDirectories: true)
      #expect(try await first.run().code == 74)
      #expect(try String(contentsOfFile: remote + "/checkpoint", encoding: .utf8).hasPrefix("newer"))
      let second = try Attempt(place, 2)
      let outcome = try await second.run("--restore")
      #expect(outcome.code == 0, "\(outcome)")
      #expect(try second.results() == ["checkpoint": "whole"])
    }
  }

  @Test("Without a manifest it starts fresh and says so; what is missing or wrong is an error that changes nothing")
  func failures() async throws {
    try await Workplace.run { place in
      let first = try Attempt(place, 1)
      let fresh = try await first.run("--restore")
      #expect(fresh.code == 0 && fresh.output.contains("starts from the beginning"), "\(fresh)")
      try first.write("one", "1")
      try first.write("two", "2")
      try await first.sync()
      let remote = place.path("remote/a1b2c3d4")
      try FileManager.default.removeItem(atPath: remote + "/two")
      let second = try Attempt(place, 2)
      let missing = try await second.run("--restore")
      #expect(missing.code == 74 && missing.output.contains("two"), "\(missing)")
      #expect(try second.results().isEmpty)
      let unknown = try Attempt(place, 3) { $0.remote = "nosuchremote:x" }
      #expect(try await unknown.run("--restore").code == 74)
    }
  }

  @Test("A further attempt calculates on with what came back, and does not begin without it")
  func bootstrap() async throws {
    try await Workplace.run { place in
      let first = try Attempt(place, 1)
      try first.write("count", "1\n")
      try await first.sync()
      let attempt = try Attempt(place, 2)
      try FileManager.default.createDirectory(atPath: place.path("in"), withIntermediateDirectories: true)
      try place.write("in/count", "0\n")
      func end(_ attempt: Attempt) async throws -> Beacon {
        let id = try #require(JobID("a1b2c3d4"))
        let spec = JobSpec(name: "n", directory: "/d", command: "cat count; echo more >>count")
        let job = BootstrapJob(
          request: LaunchRequest(
            job: id, attempt: attempt.number, token: "a1b2c3d4-r\(attempt.number)\(UInt32.random(in: 0 ... .max))",
            spec: spec, budget: nil, spent: .zero), inputs: [.folder(place.path("in"))], limits: InstanceLimits(),
          heartbeatInterval: .seconds(1), grace: .seconds(1), syncInterval: .seconds(600),
          finalSync: SyncScript.finalCommand, restores: true)
        try place.write("\(attempt.directory)/job.conf", job.configuration())
        try place.write("\(attempt.directory)/inputs", job.manifest())
        try Data(BootstrapScript.text).write(to: URL(fileURLWithPath: attempt.directory + "/bootstrap.sh"))
        let outcome = try await place.program(
          "/usr/bin/env", ["setsid", "-w", "sh", attempt.directory + "/bootstrap.sh", attempt.directory]
        ).outcome()
        #expect(outcome.code == 0, "\(outcome)")
        let bytes = try place.bytes(attempt.directory + "/beacon.json")
        return try #require(BeaconReader.parse(Array(bytes), job: id, attempt: attempt.number))
      }
      let beacon = try await end(attempt)
      #expect(beacon.exitCode == 0 && beacon.sync?.result == .synced, "\(beacon)")
      let output = String(decoding: try place.bytes(attempt.directory + "/output.log"), as: UTF8.self)
      #expect(output.hasPrefix("cloudjobs: 1 files (2 bytes) of the results as of ") && output.hasSuffix("\n1\n"))
      let copied = try String(contentsOfFile: place.path("remote/a1b2c3d4/count"), encoding: .utf8)
      #expect(copied == "1\nmore\n")

      try FileManager.default.removeItem(atPath: place.path("remote/a1b2c3d4/count"))
      let last = try await end(try Attempt(place, 3))
      #expect(last.endedBy == "bootstrap_error" && last.startedAt == nil, "\(last)")
      #expect(
        last.message?.hasPrefix("the earlier results could not be fetched back: the remote does not hold") == true)
    }
  }
}
