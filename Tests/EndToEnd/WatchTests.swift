import Foundation
import TestSupport
import Testing

@Suite("One watcher a database")
struct WatchTests {
  private static let endless = "while :; do sleep 0.2; done"

  @Test("a second watcher says who holds the database, and the lease is free as soon as the first has stopped")
  func second() async throws {
    try await Workplace.run { place in
      let first = try await place.watch()
      let second = try await place.cloudjobs("watch")
      #expect(second.code == 75)
      #expect(second.output.isEmpty)
      #expect(second.errors.contains("process \(first.processID) on "))
      first.signal(SIGTERM)
      let ended = try await first.outcome()
      #expect(ended.code == 0)
      #expect(ended.errors.contains("INFO Stopped"))
      let third = try await place.cloudjobs("watch", "--once")
      #expect(third.code == 0, "\(third)")
    }
  }

  @Test("SIGINT and SIGTERM end it cleanly, and jobs run on", arguments: [SIGINT, SIGTERM])
  func stops(_ signal: Int32) async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let watcher = try await place.watch()
      try await place.reaches(id, "running")
      watcher.signal(signal)
      let ended = try await watcher.outcome(within: .seconds(20))
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.output.isEmpty)
      #expect(!place.strays().isEmpty)
      let status = try await place.cloudjobs("status", id)
      #expect(status.output.contains("Status: RUNNING"))
      #expect(status.output.contains("Nobody watches this job"))
    }
  }

  @Test("after kill -9 another watcher takes over within the lease, and goes on where the first was")
  func takeover() async throws {
    try await Workplace.run(config: Workplace.config(lease: "2s")) { place in
      try place.calculation("calc", "while [ ! -e \(place.path("go")) ]; do sleep 0.1; done; exit 3")
      let id = try await place.job("calc")
      let first = try await place.watch()
      try await place.reaches(id, "running")
      first.signal(SIGKILL)
      let killed = ContinuousClock.now
      #expect(try await first.outcome().code == 137)
      try place.write("go", "")
      var last: Workplace.Outcome?
      try await eventually("the lease is free") {
        last = try await place.cloudjobs("watch", "--until-idle")
        return last?.code != 75
      }
      #expect(last?.code == 0, "\(String(describing: last))")
      // Twice the lease, for a machine that is busy with other tests.
      #expect(ContinuousClock.now - killed < .seconds(20))
      let events = try await place.object("history", id)["events"] as? [[String: Any]] ?? []
      let kinds = events.compactMap { $0["kind"] as? String }
      #expect(kinds == ["created", "launch_requested", "launched", "started", "failed", "instance_gone"])
    }
  }

  @Test("a watcher that froze loses its jobs to others, and goes on without harm when it thaws")
  func frozen() async throws {
    try await Workplace.run(config: Workplace.config(lease: "2s")) { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let watcher = try await place.watch()
      try await place.reaches(id, "running")
      watcher.signal(SIGSTOP)
      let ended = try await place.cloudjobs("terminate", id, "--force")
      #expect(ended.code == 0, "\(ended)")
      watcher.signal(SIGCONT)
      // It either holds the database again or says that it has lost it.
      try await eventually("it has noticed") {
        !watcher.isRunning || watcher.errors.contains("Another process has taken the job over")
      }
      watcher.signal(SIGTERM)
      let end = try await watcher.outcome()
      #expect([0, 75].contains(end.code))
      let events = try await place.object("history", id)["events"] as? [[String: Any]] ?? []
      let kinds = events.compactMap { $0["kind"] as? String }
      #expect(kinds.suffix(4) == ["terminate_requested", "terminate_sent", "terminated", "instance_gone"])
      #expect(place.strays().isEmpty)
    }
  }

  @Test("SIGHUP reads the configuration again, and keeps the old one when the new one is broken")
  func reload() async throws {
    try await Workplace.run { place in
      let watcher = try await place.watch()
      let good = try place.bytes("config.json")
      try place.write("config.json", #"{"watch": {"poll_interval": "soon"}, "nonsense": 1}"#)
      watcher.signal(SIGHUP)
      try await eventually("the broken file is reported") {
        watcher.errors.contains("Configuration is broken; the old one stays")
      }
      #expect(watcher.errors.contains("watch.poll_interval"))
      try place.write("config.json", String(decoding: good, as: UTF8.self))
      watcher.signal(SIGHUP)
      try await eventually("the good file is read") { watcher.errors.contains("Configuration read again") }
      #expect(watcher.isRunning)
      // It still does its work.
      try place.calculation("calc", "true")
      let id = try await place.job("calc")
      try await place.reaches(id, "completed")
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("SIGHUP brings a new threshold into force")
  func reloadedThreshold() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let watcher = try await place.watch()
      try await place.reaches(id, "running")
      try place.write("config.json", Workplace.config(#""alerts": {"cost_thresholds": ["1.25"]}"#))
      watcher.signal(SIGHUP)
      try await eventually("the threshold is crossed") { watcher.errors.contains("event=cost_threshold") }
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("jobs that are started beside it are taken up")
  func newJobs() async throws {
    try await Workplace.run { place in
      let watcher = try await place.watch()
      try place.calculation("calc", "true")
      var ids: [String] = []
      for _ in 0..<3 { ids.append(try await place.job("calc")) }
      for id in ids { try await place.reaches(id, "completed") }
      #expect(watcher.isRunning)
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("--once sweeps once, and --log-format json writes an object a line")
  func once() async throws {
    try await Workplace.run { place in
      try place.calculation("bad\u{1B} name", "sleep 1; exit 3")
      let id = try await place.job("bad\u{1B} name", "--name", "two words")
      try await eventually("the calculation is over") { place.strays().isEmpty }
      let watch = try await place.cloudjobs("watch", "--once", "--log-format", "json")
      #expect(watch.code == 0, "\(watch)")
      #expect(watch.output.isEmpty)
      let lines = watch.errors.split(separator: "\n")
      let objects = try lines.map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
      }
      #expect(objects.allSatisfy { $0["time"] != nil && $0["level"] != nil && $0["message"] != nil })
      #expect(
        objects.contains {
          $0["event"] == "failed" && $0["job.id"] == id && $0["job.name"] == "two words" && $0["level"] == "error"
        })
      #expect(try await place.object("status", id)["status"] as? String == "failed")
    }
  }

  @Test("A service outside is told that the watcher lives, until it does not")
  func ping() async throws {
    try await LoopbackServer.run("http_receiver") { outside in
      let config = Workplace.config().replacing(
        #""poll_interval": "0.2s""#,
        with:
          #""poll_interval": "0.2s", "ping_url": "\#(outside.url("/ok"))", "ping_interval": "1s", "ping_allow_private": true"#
      )
      try await Workplace.run(config: config) { place in
        let watcher = try await place.watch()
        try await eventually("two signs of life") { try outside.records().count >= 2 }
        watcher.signal(SIGKILL)
        _ = try await watcher.outcome()
        let shown = try await place.cloudjobs("config", "check")
        #expect(shown.code == 0 && !shown.output.contains("/ok\""), "\(shown)")
      }
    }
  }

  @Test("What all jobs together cost is told, once a day and amount")
  func spend() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #"""
        "alerts": {"spend_per_day": [0.0001, 0.0002, 1000000], "spend_rate": 0.01},
        "notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true}}
        """#)
      try await Workplace.run(config: config) { place in
        try place.calculation("endless", Self.endless)
        _ = try await place.job("endless")
        let watcher = try await place.watch()
        try await eventually("both are told") { try hook.toldAlerts().count == 2 }
        watcher.signal(SIGTERM)
        #expect(try await watcher.outcome().code == 0)
        let told = try hook.toldAlerts().sorted()
        #expect(told == ["spend_per_day event", "spend_rate firing"])
        let shown = try await place.cloudjobs("notify", "firing")
        #expect(shown.output.contains("which is more than $0.0100/h"), "\(shown)")
      }
    }
  }

  @Test("A silenced alert is told when the silence is lifted, and one that is over by then is not")
  func silence() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      let config = Workplace.config(
        #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true}}"#)
      try await Workplace.run(config: config) { place in
        try place.calculation("bad", "exit 3")
        let explained = try await place.cloudjobs("notify", "explain", "job_failed")
        #expect(explained.code == 0 && explained.output.contains("hook (webhook): at once"), "\(explained)")
        let id = try await place.job("bad")
        let silenced = try await place.cloudjobs(
          "notify", "silence", "--match", "name=b*", "--for", "1h", "--comment", "I know")
        #expect(silenced.code == 0, "\(silenced)")
        let silence = silenced.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let watcher = try await place.watch()
        try await place.reaches(id, "failed")
        try await eventually("the alert is kept back") {
          try await place.objects("notify", "list").first?["held_by"] as? String == "silence \(silence)"
        }
        let why = try await place.object("notify", "explain", "job_failed", "--job", id)
        #expect(why["held_by"] as? String == "silence \(silence)")
        #expect(try hook.records().isEmpty)
        #expect(try await place.cloudjobs("notify", "unsilence", silence).code == 0)
        #expect(try await place.cloudjobs("notify", "unsilence", silence).code == 66)
        try await eventually("it is told") { try hook.records().count == 1 }
        watcher.signal(SIGTERM)
        _ = try await watcher.outcome()
        for wrong in [["--for", "1h"], ["--job", id, "--for", "soon"], ["--rule", "no_rule", "--for", "1h"]] {
          #expect(try await place.cloudjobs(["notify", "silence"] + wrong).code == 64)
        }
      }
    }
  }
}
