import Foundation
import TestSupport
import Testing

@Suite("From run to the end of a job")
struct MainJobTests {
  @Test("a calculation is started, watched to its end, and can be looked up afterwards")
  func whole() async throws {
    try await Workplace.run { place in
      // It ends only when somebody watches: `run` may see a faster end itself.
      try place.calculation(
        "water",
        "until [ -e \"$GO\" ]; do sleep 0.05; done; echo \"hello $WHO\"; echo \"$BASIS_SET\"; echo warning >&2; echo 42 > result.txt"
      )
      let started = try await place.cloudjobs(
        "run", "water", "--env", "WHO=you", "--env", "GO=\(place.path("go"))", "--basis-set", "cc-pVDZ", "--tag",
        "team=qc")
      #expect(started.code == 0, "\(started)")
      let id = started.output.trimmingCharacters(in: .newlines)
      #expect(id.count == 8 && started.output == id + "\n")
      #expect(started.errors.contains("Start the watcher: cloudjobs watch"))

      try place.write("go", "")
      let watch = try await place.cloudjobs("watch", "--until-idle")
      #expect(watch.code == 0, "\(watch)")
      #expect(watch.output.isEmpty)
      #expect(watch.errors.contains("event=completed"))

      let list = try await place.cloudjobs("list")
      let lines = list.output.split(separator: "\n")
      let rule = String(repeating: "=", count: 120)
      #expect(lines.count == 4)
      #expect(lines[0] == rule && lines[2] == rule)
      #expect(
        lines[1] == "Job ID       | Status      | Provider | Instance        | Region         | Duration   | Cost    ")
      #expect(lines[3].hasPrefix("\(id)     | completed   | local    | local           | localhost      | "))
      // The first minute is billed whole.
      #expect(lines[3].hasSuffix("| $1.50   "))
      #expect(!list.output.contains("\u{1B}"))

      let job = try #require(try await place.objects("list").first)
      #expect(job["job_id"] as? String == id)
      #expect(job["exit_code"] as? Int == 0)
      #expect(job["estimated_cost"] as? Double == 1.5)
      #expect(job["actual_cost"] as? Double == 1.5)
      #expect(job["basis_set"] as? String == "cc-pVDZ")
      #expect(job["tags"] as? [String: String] == ["team": "qc"])
      #expect(job["open"] as? Bool == false)

      let status = try await place.cloudjobs("status", String(id.prefix(4)))
      for line in ["JOB STATUS: \(id)", "Status: COMPLETED", "Provider: local", "State: terminated", "Files: 1"] {
        #expect(status.output.split(separator: "\n").contains { $0 == line }, "\(line) in \(status)")
      }
      #expect(!status.output.contains("Nobody watches"))

      let history = try await place.object("history", id)
      let kinds = (history["events"] as? [[String: Any]])?.compactMap { $0["kind"] as? String }
      #expect(kinds == ["created", "launch_requested", "launched", "started", "completed", "instance_gone"])
      let logs = try await place.cloudjobs("logs", id)
      #expect(logs.code == 0)
      #expect(logs.output == "hello you\ncc-pVDZ\nwarning\n")
      #expect(try await place.cloudjobs("logs", id, "--tail", "1").output == "warning\n")
      #expect(try await place.cloudjobs("logs", id, "-f", deadline: .seconds(20)).output == logs.output)
      #expect(place.strays().isEmpty)
      // The calculation had a copy.
      #expect(!FileManager.default.fileExists(atPath: place.path("water/result.txt")))
    }
  }

  @Test("a failure is told once by webhook and once by mail, signed and well formed")
  func alerts() async throws {
    let secret = "whsec_" + Data((1...32).map { UInt8($0) }).base64EncodedString()
    try await LoopbackServer.run("http_receiver", ["--secret", secret]) { hook in
      try await LoopbackServer.run("smtp_receiver") { mail in
        let config = Workplace.config(
          #"""
          "notifiers": {
            "hook": {"type": "webhook", "url": "\#(hook.url("/verify"))", "secrets": [{"env": "HOOK"}], "allow_private": true},
            "mail": {"type": "email", "host": "127.0.0.1", "port": \#(mail.port), "security": "plain",
                     "from": "jobs@example.org", "to": ["you@example.org", "me@example.org"]}
          }
          """#)
        try await Workplace.run(config: config) { place in
          let environment = ["HOOK": secret]
          try place.calculation("good", "true")
          try place.calculation("bad", "echo 'does not converge' >&2; exit 3")
          _ = try await place.job("good")
          let id = try await place.job("bad", "--name", "größer")
          let watch = try await place.cloudjobs("watch", "--until-idle", environment: environment)
          #expect(watch.code == 0, "\(watch)")
          // A second watcher has nothing to say.
          let again = try await place.cloudjobs("watch", "--until-idle", environment: environment)
          #expect(again.code == 0, "\(again)")

          let posts = try hook.records().filter { $0["method"] as? String == "POST" }
          #expect(posts.count == 1)
          let body = try #require((posts.first?["body"] as? String).flatMap { Data(base64Encoded: $0) })
          let message = try #require(try JSONSerialization.jsonObject(with: body) as? [String: Any])
          #expect(message["type"] as? String == "alert.job_failed")
          let data = try #require(message["data"] as? [String: Any])
          #expect(data["job"] as? String == id)
          #expect((data["title"] as? String)?.contains("größer") == true)
          #expect(data["nextCommand"] as? String == "cloudjobs logs \(id)")

          let mails = try mail.records().filter { $0["kind"] as? String == "message" }
          // One transaction a recipient: a mailbox that refuses costs nobody else the message.
          #expect(Set(mails.compactMap { $0["recipients"] as? [String] }) == [["you@example.org"], ["me@example.org"]])
          #expect(mails.count == 2)
          let content = try #require((mails.first?["content"] as? String).flatMap { Data(base64Encoded: $0) })
          let text = String(decoding: content, as: UTF8.self)
          for header in ["Date: ", "Message-ID: ", "Auto-Submitted: auto-generated", "multipart/alternative"] {
            #expect(text.localizedCaseInsensitiveContains(header), "\(header)")
          }

          let deliveries = try await place.objects("notify", "list")
          #expect(deliveries.count == 2)
          #expect(deliveries.allSatisfy { $0["state"] as? String == "delivered" && $0["tries"] as? Int == 1 })
          let history = try await place.cloudjobs("history", id)
          #expect(history.output.contains("alert job_failed via hook: delivered after 1 try"))
          let shown = try await place.cloudjobs("config", "check", environment: environment)
          #expect(!shown.output.contains(secret) && !shown.errors.contains(secret))
          let database = try place.bytes("cloud_jobs.db")
          #expect(!String(decoding: database, as: UTF8.self).contains(secret))
        }
      }
    }
  }

  @Test("a channel that fails for a moment gets the alert later, under the same id")
  func retry() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/flaky/1"))", "allow_private": true}}"#)
      try await Workplace.run(config: config) { place in
        try place.calculation("bad", "exit 1")
        _ = try await place.job("bad")
        let watch = try await place.cloudjobs("watch", "--until-idle")
        #expect(watch.code == 0, "\(watch)")
        let posts = try hook.records().filter { $0["method"] as? String == "POST" }
        #expect(posts.count == 2)
        let ids = posts.compactMap { post in
          (post["headers"] as? [[String]])?.first { $0.first?.lowercased() == "webhook-id" }?.last
        }
        #expect(ids.count == 2 && Set(ids).count == 1)
        #expect(Set(posts.compactMap { $0["body"] as? String }).count == 1)
      }
    }
  }

  @Test("notify test says what the server said")
  func notifyTest() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #"""
        "notifiers": {
          "good": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true},
          "bad": {"type": "webhook", "url": "\#(hook.url("/status/410"))", "allow_private": true},
          "secretless": {"type": "webhook", "url": {"env": "NOT_THERE"}, "allow_private": true}
        }
        """#)
      try await Workplace.run(config: config) { place in
        let good = try await place.cloudjobs("notify", "test", "good")
        #expect(good.code == 0, "\(good)")
        #expect(good.output.hasPrefix("✓ good (webhook, "))
        let bad = try await place.cloudjobs("notify", "test", "bad")
        #expect(bad.code == 69)
        #expect(bad.output.hasPrefix("✗ bad (webhook, ") && bad.output.contains("410"))
        let secretless = try await place.cloudjobs("notify", "test", "secretless")
        #expect(secretless.code == 69)
        #expect((secretless.output + secretless.errors).contains("NOT_THERE"))
        let unknown = try await place.cloudjobs("notify", "test", "nobody")
        #expect(unknown.code == 78)
        #expect(unknown.errors.contains("good"))
        #expect(try place.files() == ["config.json"])
      }
    }
  }

  @Test("logs --follow shows the output as it grows, and ends with the job")
  func follow() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "echo first; while [ ! -e \(place.path("go")) ]; do sleep 0.1; done; echo second")
      let id = try await place.job("calc")
      let watcher = try await place.watch()
      let logs = try place.start("logs", id, "--follow")
      try await eventually("the first line is there") { logs.output == "first\n" }
      try place.write("go", "")
      let ended = try await logs.outcome()
      #expect(ended.code == 0 && ended.output == "first\nsecond\n", "\(ended)")
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("a budget ends the job that exceeds it, and says so")
  func budget() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      // The first minute is billed at once: $1.50.
      let id = try await place.job("endless", "--budget", "1", "--budget-action", "terminate")
      let watch = try await place.cloudjobs("watch", "--until-idle")
      #expect(watch.code == 0, "\(watch)")
      let job = try await place.object("status", id)
      #expect(job["status"] as? String == "terminated")
      #expect(job["reason"] as? String == "budget")
      let events = try await place.object("history", id)["events"] as? [[String: Any]]
      #expect(events?.contains { $0["kind"] as? String == "budget_reached" } == true)
      #expect(place.strays().isEmpty)
    }
  }

  @Test("an instance ends itself at its last moment, though nobody watches")
  func lastMoment() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless", "--max-duration", "2s")
      try await eventually("the instance has ended itself") { place.strays().isEmpty }
      _ = try await place.cloudjobs("watch", "--once")
      let job = try await place.object("status", id)
      #expect(job["status"] as? String == "terminated")
      #expect(job["reason"] as? String == "max_duration")
    }
  }

  @Test("an instance that is killed from outside is noticed")
  func killedOutside() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      let watcher = try await place.watch("--until-idle")
      try await place.reaches(id, "running")
      for process in place.strays() { kill(process, SIGKILL) }
      #expect(try await watcher.outcome().code == 0)
      let job = try await place.object("status", id)
      #expect(["failed", "terminated"].contains(job["status"] as? String))
      #expect(["instance_vanished", "stopped_outside"].contains(job["reason"] as? String))
    }
  }

  @Test(
    "run --wait ends with the calculation's code",
    arguments: [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("no-such-program-here", 127)])
  func wait(_ command: String, _ code: Int32) async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      let run = try await place.cloudjobs("run", "calc", "--command", command, "--wait", "--json")
      #expect(run.code == code, "\(run)")
      let job = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
      #expect(job["status"] as? String == (code == 0 ? "completed" : "failed"))
      #expect(job["exit_code"] as? Int == Int(code))
      #expect(job["open"] as? Bool == false)
      #expect(place.strays().isEmpty)
    }
  }

  @Test("run --dry-run shows everything and changes nothing")
  func dryRun() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      let before = try place.files()
      let words = [
        "run", "calc", "--dry-run", "--budget", "5", "--estimated-runtime", "2m", "--env", "TOKEN=hunter2",
        "--basis-set", "x",
      ]
      let text = try await place.cloudjobs(words)
      #expect(text.code == 0)
      for line in ["Name: calc", "Command: sh ./run.sh", "Environment: TOKEN", "Estimated runtime: 2m, about $3.0000"] {
        #expect(text.output.split(separator: "\n").contains { $0 == line }, "\(text)")
      }
      #expect(text.errors == "Dry run: nothing was started.\n")
      let json = try await place.cloudjobs(words + ["--json"])
      let plan = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
      #expect(plan["dry_run"] as? Bool == true)
      #expect(plan["estimated_cost"] as? Double == 3)
      #expect(!(text.output + json.output).contains("hunter2"))
      #expect(try place.files() == before)
      #expect(place.strays().isEmpty)
    }
  }

  @Test("a launch over the budget is refused with the arithmetic, and nothing is made")
  func overBudget() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      let before = try place.files()
      let run = try await place.cloudjobs("run", "calc", "--budget", "1", "--estimated-runtime", "2h")
      #expect(run.code == 64)
      #expect(run.output.isEmpty)
      #expect(run.errors.contains("$90.0000/h × 2h = $180.0000, the budget is $1.0000 (which pays for 40s)"))
      #expect(try place.files() == before)
    }
  }

  @Test("names, commands and values with quotes, spaces and signs arrive as they are")
  func hostileWords() async throws {
    try await Workplace.run(name: "a b'c \"d\" ü") { place in
      try place.calculation("in $(x) 'q'", "printf '%s|' \"$ODD\" \"$BASIS_SET\"; ls")
      try place.write("in $(x) 'q'/data file '1'", "x")
      let odd = "it's \"$(touch pwned)\" `id` \\ ; | & ü\nnext"
      let id = try await place.job("in $(x) 'q'", "--env", "ODD=\(odd)", "--basis-set", "6-31G(d,p) '*'", "--wait")
      let logs = try await place.cloudjobs("logs", id)
      #expect(logs.output == "\(odd)|6-31G(d,p) '*'|data file '1'\nrun.sh\n")
      let files = try place.files()
      #expect(!files.contains { $0.hasSuffix("pwned") })
    }
  }
}
