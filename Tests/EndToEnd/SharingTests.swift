import Foundation
import TestSupport
import Testing

@Suite("Several commands at one job")
struct SharingTests {
  private static let endless = "while :; do sleep 0.2; done"

  /// The id that `run --wait` says at once.
  private func id(of run: RunningProgram) async throws -> String {
    var found: String?
    try await eventually("the id of the job is told") {
      found = run.errors.split(separator: "\n").first { $0.hasPrefix("Job ") }.map { String($0.dropFirst(4)) }
      return found?.count == 8
    }
    return try #require(found)
  }

  @Test("run --wait and terminate side by side both end as soon as the job has")
  func waitAndTerminate() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let run = try place.start("run", "endless", "--wait")
      let id = try await id(of: run)
      try await place.reaches(id, "running")
      let ended = try await place.cloudjobs("terminate", id, "--force", deadline: .seconds(20))
      #expect(ended.code == 0, "\(ended)")
      // Carried out by the other one, and told here all the same.
      #expect(ended.output.contains("✓ Instance is gone"))
      let waited = try await run.outcome(within: .seconds(20))
      #expect(waited.code == 1, "\(waited)")
      #expect(waited.errors.contains("job \(id) was terminated"))
      for kind in ["created", "launched", "started", "terminate_requested", "terminate_sent", "instance_gone"] {
        #expect(waited.errors.components(separatedBy: " \(kind) ").count == 2, "\(kind) in \(waited)")
      }
      #expect(place.strays().isEmpty)
    }
  }

  @Test("run --wait --json says the id at once, and prints one document at the end")
  func waitForJSON() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "while [ ! -e \(place.path("go")) ]; do sleep 0.1; done")
      let run = try place.start("run", "calc", "--wait", "--json")
      let id = try await id(of: run)
      #expect(run.output.isEmpty)
      try place.write("go", "")
      let ended = try await run.outcome()
      #expect(ended.code == 0, "\(ended)")
      let job = try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any]
      #expect(job?["job_id"] as? String == id && job?["status"] as? String == "completed")
    }
  }

  @Test("an interrupted run --wait gives the job back, which goes on", arguments: [SIGINT, SIGTERM])
  func interruptedWait(_ signal: Int32) async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let run = try place.start("run", "endless", "--wait")
      let id = try await id(of: run)
      try await place.reaches(id, "running")
      run.signal(signal)
      let ended = try await run.outcome(within: .seconds(20))
      #expect(ended.code == 128 + signal, "\(ended)")
      #expect(ended.output.isEmpty)
      #expect(ended.errors.contains("Interrupted. Job \(id) goes on"))
      let check = try await place.cloudjobs("check")
      #expect(!check.output.contains("Held by"), "\(check)")
      #expect(!place.strays().isEmpty)
      let terminated = try await place.cloudjobs("terminate", id, "--force", deadline: .seconds(20))
      #expect(terminated.code == 0, "\(terminated)")
    }
  }

  @Test("an interrupted terminate leaves its wish, and the job to others")
  func interruptedTerminate() async throws {
    let config = #"""
      {"local": {"price_per_hour": "90", "heartbeat": "0.2s", "grace": "60s"},
       "watch": {"poll_interval": "0.2s", "eager_poll_interval": "0.05s", "lease_ttl": "60s"}}
      """#
    try await Workplace.run(config: config) { place in
      try place.calculation("stubborn", "trap '' TERM; \(Self.endless)")
      let id = try await place.job("stubborn")
      let terminate = try place.start("terminate", id, "--force")
      try await eventually("the order is given") { terminate.output.contains("initiated") }
      terminate.signal(SIGTERM)
      let ended = try await terminate.outcome(within: .seconds(20))
      #expect(ended.code == 143, "\(ended)")
      #expect(ended.errors.contains("The wish is stored"))
      #expect(try await place.object("status", id, "--offline")["termination"] is [String: Any])
      #expect(try await !place.cloudjobs("check").output.contains("Held by"))
    }
  }

  @Test("a watcher in another folder finds the instances beside the database")
  func otherFolder() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      try FileManager.default.createDirectory(atPath: place.path("other"), withIntermediateDirectories: true)
      let id = try await place.job("endless")
      let shell =
        "cd other && exec '\(Workplace.executable)' watch --config ../config.json --db ../cloud_jobs.db --plain"
      let watcher = try place.program("/bin/sh", ["-c", shell])
      // It has read the beacon, so it has found the instance.
      try await place.reaches(id, "running")
      #expect(!FileManager.default.fileExists(atPath: place.path("other/cloud_jobs.local")))
      let ended = try await place.cloudjobs("terminate", id, "--force")
      #expect(ended.code == 0, "\(ended)")
      #expect(place.strays().isEmpty)
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("logs --follow ends with the instance when nobody watches, and writes nothing")
  func follow() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "echo first; while [ ! -e \(place.path("go")) ]; do sleep 0.1; done; echo second")
      let id = try await place.job("calc")
      let logs = try place.start("logs", id, "--follow")
      try await eventually("the first line is there") { logs.output == "first\n" }
      try place.write("go", "")
      let ended = try await logs.outcome(within: .seconds(20))
      #expect(ended.code == 0 && ended.output == "first\nsecond\n", "\(ended)")
      #expect(ended.errors.contains("cloudjobs watch"))
      #expect(try await place.object("status", id, "--offline")["exit_code"] is NSNull)
    }
  }
}
