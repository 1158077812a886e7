import Foundation
import TestSupport
import Testing

@Suite("Refusals, and what is said before harm is done")
struct RefusalTests {
  private static let endless = "while :; do sleep 0.2; done"

  // MARK: Reading

  @Test("an unknown provider is refused, one of which there are jobs is not")
  func providers() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "cloud_jobs.db")
      try await place.tool(
        "sqlite3", place.path("cloud_jobs.db"), "UPDATE jobs SET provider = 'Elsewhere' WHERE job_id = 'abcd0002'")
      let refused = try await place.cloudjobs("list", "--provider", "awz")
      #expect(refused.code == 64, "\(refused)")
      #expect(refused.output.isEmpty)
      #expect(refused.errors.contains("there is no provider 'awz'; one of: local, AWS, GCP, Azure, Elsewhere"))
      #expect(try await place.objects("list", "--provider", "Elsewhere").count == 1)
      #expect(try await place.cloudjobs("list", "--since", "2026").code == 64)
    }
  }

  @Test("output that can't be written is an error", arguments: ["list", "list --json", "logs JOB", "history JOB"])
  func fullDisk(_ words: String) async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "echo here")
      let id = try await place.job("calc", "--wait")
      let shell = "'\(Workplace.executable)' \(words.replacing("JOB", with: id)) >/dev/full"
      let outcome = try await place.program("/bin/sh", ["-c", shell]).outcome(within: .seconds(30))
      #expect(outcome.code == 74, "\(outcome)")
      #expect(outcome.errors == "cloudjobs: standard output could not be written: No space left on device\n")
    }
  }

  @Test("doctor converts no database, and says what it is")
  func doctorOnlyLooks() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "cloud_jobs.db")
      let before = try place.bytes("cloud_jobs.db")
      let doctor = try await place.cloudjobs("doctor")
      #expect(doctor.code == 0, "\(doctor)")
      #expect(doctor.output.contains("! database: The database \(place.folder)/cloud_jobs.db is of the Python tool"))
      for line in ["✓ awk: ", "✓ grep: ", "✓ coreutils: ", "✓ instances: \(place.folder)/cloud_jobs.local will be"] {
        #expect(doctor.output.contains(line), "\(line) in \(doctor)")
      }
      #expect(doctor.output.contains("libcurl: "))
      #expect(try place.bytes("cloud_jobs.db") == before)
      #expect(try place.files() == ["config.json", "cloud_jobs.db"])
    }
  }

  // MARK: Copies

  @Test("import and restore look at their source first")
  func sources() async throws {
    try await Workplace.run { place in
      try place.write("letter.db", "this is a letter, not a database")
      let files = try place.files()
      for (words, code, remedy) in [
        (["import", "none.db"], 66, "Python tool"), (["import", "letter.db"], 65, "Python tool"),
        (["restore", "none.db"], 66, "cloudjobs backup"),
      ] as [([String], Int32, String)] {
        let outcome = try await place.cloudjobs(words)
        #expect(outcome.code == code, "\(outcome)")
        #expect(outcome.errors.contains(words[1]) && outcome.errors.contains(remedy), "\(outcome)")
        #expect(!outcome.errors.contains("--db"))
        #expect(try place.files() == files)
      }
      try await Legacy.make(place, "cloud_jobs.db")
      let itself = try await place.cloudjobs("import", "cloud_jobs.db")
      #expect(itself.code == 64, "\(itself)")
      #expect(itself.errors.contains("is the database itself"))
    }
  }

  @Test("a backup onto the database itself is not advised to be forced", arguments: [[], ["--force"]])
  func backupOntoItself(_ more: [String]) async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      _ = try await place.job("calc", "--wait")
      let outcome = try await place.cloudjobs(["backup", "./cloud_jobs.db"] + more)
      #expect(outcome.code == 73, "\(outcome)")
      #expect(outcome.errors.contains("is the database itself"))
      #expect(!outcome.errors.contains("--force"))
      #expect(try await place.objects("list").count == 1)
    }
  }

  // MARK: Acting

  @Test("an instance that lives is not forgotten")
  func forget() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let refused = try await place.cloudjobs("terminate", id, "--force", "--forget")
      #expect(refused.code == 64, "\(refused)")
      #expect(refused.errors.contains("can't be forgotten. End it: cloudjobs terminate \(id)"))
      #expect(try await place.object("status", id)["termination"] is NSNull)
      // One that is gone may be forgotten.
      for process in place.strays() { kill(process, SIGKILL) }
      try await eventually("the instance is gone") { place.strays().isEmpty }
      let forgotten = try await place.cloudjobs("terminate", id, "--force", "--forget")
      #expect(forgotten.code == 0, "\(forgotten)")
    }
  }

  @Test("of several jobs each line names its own")
  func severalJobs() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let ids = [try await place.job("endless"), try await place.job("endless")]
      let ended = try await place.cloudjobs("terminate", ids[0], ids[1], "--force")
      #expect(ended.code == 0, "\(ended)")
      for line in ended.output.split(separator: "\n") {
        #expect(ids.contains { line.hasPrefix("Job \($0)") }, "\(line)")
      }
    }
  }

  @Test("a variable's value is taken from here when only its name is given")
  func inheritedVariable() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", #"echo "$TOKEN""#)
      let words = ["run", "calc", "--wait", "--env", "TOKEN"]
      let refused = try await place.cloudjobs(words)
      #expect(refused.code == 64, "\(refused)")
      #expect(refused.errors.contains("TOKEN"))
      let run = try await place.cloudjobs(words, environment: ["TOKEN": "hunter2"])
      #expect(run.code == 0, "\(run)")
      let id = run.output.trimmingCharacters(in: .newlines)
      #expect(try await place.cloudjobs("logs", id).output == "hunter2\n")
    }
  }

  // MARK: Alerts

  @Test("notify resend says when there is nothing to send again")
  func resend() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      _ = try await place.job("calc", "--wait")
      let none = try await place.cloudjobs("notify", "resend", "999")
      #expect(none.code == 66, "\(none)")
      #expect(none.output.isEmpty)
      #expect(none.errors.contains("no dead delivery has the number 999"))
      #expect(try await place.cloudjobs("notify", "resend").code == 0)
    }
  }

  @Test("notify test of one channel asks for no other's secrets")
  func oneChannel() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #"""
        "notifiers": {
          "good": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true},
          "other": {"type": "webhook", "url": {"command": ["touch", "asked"]}, "allow_private": true}
        }
        """#)
      try await Workplace.run(config: config) { place in
        #expect(try await place.cloudjobs("notify", "test", "good").code == 0)
        let names = try place.files()
        #expect(names == ["config.json"])
        #expect(try await place.cloudjobs("notify", "test").code == 69)
        #expect(try place.files() == ["config.json", "asked"])
      }
    }
  }

  @Test("watch --until-idle says what was not delivered")
  func undelivered() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/status/410"))", "allow_private": true}}"#)
      try await Workplace.run(config: config) { place in
        try place.calculation("bad", "exit 1")
        _ = try await place.job("bad")
        let watch = try await place.cloudjobs("watch", "--until-idle")
        #expect(watch.code == 0, "\(watch)")
        #expect(watch.errors.contains("deliveries.dead=1 deliveries.pending=0"), "\(watch)")
      }
    }
  }

  // MARK: Configuration

  @Test("config check names keys that have no effect yet")
  func withoutEffect() async throws {
    let config = #"""
      {"hardware": {"basis_set": "x"}, "gcp": {"region": "us-central1"}, "docker": {"enabled": true},
       "azure": {"_note": "nothing"}, "local": {"grace": "1s"}}
      """#
    try await Workplace.run(config: config) { place in
      let check = try await place.cloudjobs("config", "check")
      #expect(check.code == 0, "\(check)")
      let warnings = check.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
      #expect(warnings.count == 2, "\(check)")
      for key in ["gcp.region", "docker.enabled"] {
        #expect(warnings.contains { $0.hasSuffix("\(key): has no effect in this version") }, "\(key) in \(check)")
      }
      try place.write("config.json", #"{"docker": {"enabled": false}}"#)
      #expect(try await !place.cloudjobs("config", "check").errors.contains("warning"))
    }
  }

  @Test("CLOUDJOBS_LOG_LEVEL sets the level, and must be one")
  func logLevel() async throws {
    try await Workplace.run { place in
      let refused = try await place.cloudjobs("doctor", environment: ["CLOUDJOBS_LOG_LEVEL": "loud"])
      #expect(refused.code == 78, "\(refused)")
      #expect(refused.output.contains("trace, debug, info, notice, warning, error"))
      let quiet = try await place.cloudjobs("watch", "--once", environment: ["CLOUDJOBS_LOG_LEVEL": "error"])
      #expect(quiet.code == 0 && quiet.errors.isEmpty, "\(quiet)")
      let usual = try await place.cloudjobs("watch", "--once", environment: ["CLOUDJOBS_LOG_LEVEL": ""])
      #expect(usual.errors.contains("INFO Watching"))
    }
  }

  @Test("what a reload has to say goes into the log, and it is honest about what must wait")
  func reload() async throws {
    try await Workplace.run { place in
      let watcher = try await place.watch("--log-format", "json")
      let fresh = Workplace.config(
        lease: "7s",
        #""notifiers": {"hook": {"type": "webhook", "url": {"env": "NOT_THERE"}, "allow_private": true}}"#)
      try place.write("config.json", fresh)
      watcher.signal(SIGHUP)
      try await eventually("it says what must wait") { watcher.errors.contains("at the next start only") }
      watcher.signal(SIGTERM)
      let ended = try await watcher.outcome()
      #expect(ended.code == 0, "\(ended)")
      let lines = try ended.errors.split(separator: "\n").map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String], "\(ended)")
      }
      #expect(lines.contains { $0["keys"] == "watch.lease_ttl" })
      #expect(lines.contains { $0["message"]?.contains("NOT_THERE") == true && $0["level"] == "warning" })
    }
  }

  @Test("a secret that takes its time delays no signal")
  func slowSecret() async throws {
    try await Workplace.run { place in
      let watcher = try await place.watch()
      let fresh = Workplace.config(
        #""notifiers": {"hook": {"type": "webhook", "url": {"command": ["sh", "-c", "touch asked; sleep 60"]}}}"#)
      try place.write("config.json", fresh)
      watcher.signal(SIGHUP)
      try await eventually("the secret is asked for") { try place.files().contains("asked") }
      watcher.signal(SIGTERM)
      let start = ContinuousClock.now
      #expect(try await watcher.outcome(within: .seconds(20)).code == 0)
      // Less than the time after which the secret is given up.
      #expect(ContinuousClock.now - start < .seconds(9))
    }
  }
}
