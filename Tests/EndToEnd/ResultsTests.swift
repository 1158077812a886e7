import Foundation
import TestSupport
import Testing

@Suite("Results come home")
struct ResultsTests {
  private static let config = Workplace.config(#""sync": {"remote": "./results", "interval": "1s"}"#)

  @Test("The results of a job are on the remote at its end, whole, and without its inputs")
  func atTheEnd() async throws {
    try await Workplace.run(config: Self.config) { place in
      try place.calculation("sum", "echo 42 >answer; mkdir -p sub; echo x >sub/part; echo big >FCIDUMP; echo done")
      #expect(try await place.cloudjobs("run", "sum", "--wait").code == 0)
      let id = try #require(try await place.objects("list").first?["job_id"] as? String)
      let answer = try String(contentsOfFile: place.path("results/\(id)/answer"), encoding: .utf8)
      #expect(answer == "42\n")
      let status = try await place.object("status", id, "--detailed")
      let results = try #require(status["synced_results"] as? [String: Any])
      #expect(results["state"] as? String == "final")
      let files = (results["files"] as? [[String: Any]] ?? []).compactMap { $0["path"] as? String }
      #expect(Set(files) == ["answer", "sub/part", "_cs/output.log"])
      #expect(status["last_sync_at"] is String)
      let verified = try await place.cloudjobs("verify", id)
      #expect(verified.code == 0 && verified.output.contains("Results: final, and whole"))
      // Somebody spoils a file.
      try place.write("results/\(id)/answer", "43\n")
      let damaged = try await place.cloudjobs("verify", id)
      #expect(damaged.code == 65 && damaged.output.contains("missing or different: answer"), "\(damaged)")
      // What the instance left behind mends it.
      #expect(try await place.cloudjobs("resync", id).code == 64)
      #expect(try await place.cloudjobs("resync", id, "--force").code == 0)
      #expect(try await place.cloudjobs("verify", id).code == 0)
    }
  }

  @Test("While a job runs its results are copied now and then, and when somebody asks")
  func whileItRuns() async throws {
    try await Workplace.run(config: Self.config) { place in
      try place.calculation("endless", "echo first >part1; while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      try await eventually("the first copy is there") {
        try await place.cloudjobs("verify", id).code == 0
      }
      let plan = try await place.object("resync", id, "--dry-run")
      #expect(plan["result"] as? String == "planned")
      let room = try await place.cloudjobs("resync", id, "--check-space", "--method", "local")
      #expect(room.code == 0 && room.errors.contains("to copy"), "\(room)")
      #expect(try await place.cloudjobs("resync", id, "--method", "ssh").code == 69)
      let copied = try await place.object("resync", id)
      #expect(["synced", "unchanged"].contains(copied["result"] as? String))
      let ended = try await place.cloudjobs("terminate", id, "--force")
      #expect(ended.code == 0 && ended.output.contains("Attempting final sync before termination..."), "\(ended)")
      #expect(ended.output.contains("✓ Final sync completed"), "\(ended)")
      let results = try #require(try await place.object("status", id, "--detailed")["synced_results"] as? [String: Any])
      #expect(results["state"] as? String == "final")
    }
  }

  @Test("Nothing there, no place and no rclone are said as what they are")
  func nothing() async throws {
    try await Workplace.run(config: Self.config) { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      try place.write("config.json", Workplace.config(#""sync": {"remote": "./results", "rclone": "no-such-rclone"}"#))
      let verified = try await place.cloudjobs("verify", id)
      #expect(verified.code == 78 && verified.errors.contains("no-such-rclone is not installed"), "\(verified)")
      let results = try #require(try await place.object("status", id, "--detailed")["synced_results"] as? [String: Any])
      #expect(results["state"] as? String == "unknown")
    }
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      let refused = try await place.cloudjobs("resync", id)
      #expect(refused.code == 78 && refused.errors.contains("sync.remote"), "\(refused)")
      #expect(try await place.cloudjobs("verify", id).code == 66)
    }
  }

  @Test(
    "Whoever is to be told hears that copies fail and why, that the last one is missing, and that results are damaged")
  func alerts() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let channel = #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true}}"#
      let good = Workplace.config(#""sync": {"remote": "./results", "interval": "1s"}"#, channel)
      let bad = Workplace.config(
        #""sync": {"remote": "./results", "interval": "1s", "rclone": "no-such-rclone"}"#, channel)
      func rules() throws -> [String] { try hook.toldAlerts().map { "alert.\($0)" }.sorted() }
      try await Workplace.run(config: bad) { place in
        try place.calculation("endless", "echo first >part1; while :; do sleep 0.2; done")
        let id = try await place.job("endless")
        let watcher = try await place.watch()
        try await eventually("the failure is told") { try !rules().isEmpty }
        let status = try await place.object("status", id, "--offline")
        #expect((status["sync"] as? [String: Any])?["reason"] as? String == "no_rclone")
        // The wish is carried out all the same.
        let ended = try await place.cloudjobs("terminate", id, "--force")
        #expect(ended.code == 0, "\(ended)")
        #expect(
          ended.output.contains("✗ Final sync not completed: rclone is not installed on the instance")
            && ended.errors.contains("Nothing was saved before"), "\(ended)")
        try await eventually("the missing last copy is told") { try rules().count == 3 }
        watcher.signal(SIGTERM)
        _ = try await watcher.outcome()
        let first = ["alert.final_sync_incomplete event", "alert.sync_failing firing", "alert.sync_failing resolved"]
        #expect(try rules() == first)
        // With an rclone that is there the results come home after all.
        try place.write("config.json", good)
        try place.calculation("short", "echo answer >answer")
        let second = try await place.job("short")
        #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)
        try place.write("results/\(second)/answer", "spoilt")
        for _ in 0..<2 { #expect(try await place.cloudjobs("verify", second).code == 65) }
        let results = try #require(
          try await place.object("status", second, "--detailed")["synced_results"] as? [String: Any])
        #expect(results["state"] as? String == "damaged" && results["damaged"] as? [String] == ["answer"])
        #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)
        #expect(try rules() == (first + ["alert.results_damaged event"]).sorted())
      }
    }
  }

  @Test("Results that lie on this machine only are copied by the same script, with the same manifest")
  func fromFolder() async throws {
    try await Workplace.run(config: Self.config) { place in
      try place.calculation("short", "echo answer >answer")
      #expect(try await place.cloudjobs("run", "short", "--wait").code == 0)
      let id = try #require(try await place.objects("list").first?["job_id"] as? String)
      try FileManager.default.removeItem(atPath: place.path("cloud_jobs.local"))
      try FileManager.default.createDirectory(atPath: place.path("mine/sub"), withIntermediateDirectories: true)
      try place.write("mine/sub/more", "found again")
      try place.write("mine/x.tmp", "no")
      let lost = try await place.cloudjobs("resync", id, "--force")
      #expect(lost.code == 78 || lost.code == 66, "\(lost)")
      let wrong = try await place.cloudjobs("resync", id, "--method", "local", "--from", "nowhere")
      #expect(wrong.code == 66, "\(wrong)")
      let plan = try await place.object("resync", id, "--method", "local", "--from", "mine", "--dry-run")
      #expect((plan["would_copy"] as? [[String: Any]])?.compactMap { $0["path"] as? String } == ["sub/more"])
      let copied = try await place.cloudjobs("resync", id, "--method", "local", "--from", "mine")
      #expect(copied.code == 0, "\(copied)")
      #expect(try String(contentsOfFile: place.path("results/\(id)/sub/more"), encoding: .utf8) == "found again")
      // What the instance had brought home before is still there.
      #expect(try String(contentsOfFile: place.path("results/\(id)/answer"), encoding: .utf8) == "answer\n")
      #expect(try await place.cloudjobs("verify", id).code == 0)
    }
  }
}
