import Foundation
import TestSupport
import Testing

@Suite("Set-up, streams and documents")
struct SetupTests {
  // MARK: Configuration

  @Test("config check names every mistake with its place")
  func mistakes() async throws {
    let config = #"""
      {
        "watch": {"poll_interval": "soon", "lease_tll": "5s"},
        "local": {"price_per_hour": -1},
        "alerts": {"rules": {"job_failed": {"severity": "terrible", "channels": ["nobody"]}}},
        "notifiers": {"hook": {"type": "pigeon"}, "mail": {"type": "email", "host": "h", "from": "x", "to": "a@b.c"}},
        "nonsense": 1
      }
      """#
    try await Workplace.run(config: config) { place in
      for words in [["config", "check"], ["list"], ["watch"], ["run", "."]] {
        let outcome = try await place.cloudjobs(words)
        #expect(outcome.code == 78, "\(outcome)")
        #expect(outcome.output.isEmpty)
        for path in [
          "watch.poll_interval", "lease_tll", "local.price_per_hour", "alerts.rules.job_failed.severity", "notifiers.hook",
          "notifiers.mail.from", "nonsense",
        ] { #expect(outcome.errors.contains(path), "\(path) in \(outcome)") }
        #expect(outcome.errors.contains("lease_ttl"))
      }
      #expect(try place.files() == ["config.json"])
    }
  }

  @Test("a secret in the file is refused with the remedy, and not repeated")
  func literalSecret() async throws {
    let config = #"{"notifiers": {"hook": {"type": "webhook", "url": "https://example.org/", "secrets": ["whsec_hunter2hunter2hunter2"]}}}"#
    try await Workplace.run(config: config) { place in
      let outcome = try await place.cloudjobs("config", "check")
      #expect(outcome.code == 78)
      #expect(outcome.errors.contains(#""env""#))
      #expect(!outcome.errors.contains("hunter2"))
    }
  }

  @Test("a flag wins over the environment, the environment over the file, the file over the default")
  func precedence() async throws {
    try await Workplace.run(config: #"{"store": {"path": "file.db"}, "local": {"price_per_hour": "7"}}"#) { place in
      func path(_ words: [String], _ environment: [String: String]) async throws -> String {
        try await place.cloudjobs(["list"] + words, environment: environment).errors
      }
      #expect(try await path([], [:]).contains("/file.db"))
      #expect(try await path([], ["CLOUDJOBS_DB": "env.db"]).contains("/env.db"))
      #expect(try await path(["--db", "flag.db"], ["CLOUDJOBS_DB": "env.db"]).contains("/flag.db"))
      let check = try await place.cloudjobs("config", "check", environment: ["CLOUDJOBS_LOCAL_PRICE_PER_HOUR": "8"])
      #expect(check.output.contains("local.price_per_hour = \"8\"  (CLOUDJOBS_LOCAL_PRICE_PER_HOUR)"), "\(check)")
      #expect(check.output.contains("store.path = \"file.db\"  (config.json:1)"))
      #expect(check.output.contains("watch.lease_ttl = \"30s\"  (default)"))
    }
  }

  @Test("the schema is JSON, wherever it is asked for")
  func schema() async throws {
    try await Workplace.run(config: "broken") { place in
      let outcome = try await place.cloudjobs("config", "schema")
      #expect(outcome.code == 0)
      let schema = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      #expect((schema?["properties"] as? [String: Any])?["watch"] != nil)
    }
  }

  @Test("doctor says what is there and what is missing")
  func doctor() async throws {
    try await Workplace.run { place in
      let fresh = try await place.cloudjobs("doctor")
      #expect(fresh.code == 0, "\(fresh)")
      #expect(fresh.output.contains("✓ configuration: "))
      #expect(fresh.output.contains("! alerts: no notifiers are configured"))
      #expect(fresh.output.contains("will be made by the first job"))
      try place.calculation("endless", "while :; do sleep 0.2; done")
      _ = try await place.job("endless")
      let unwatched = try await place.cloudjobs("doctor")
      #expect(unwatched.output.contains("! watcher: none is running"))
      let watcher = try await place.watch()
      let watched = try await place.objects("doctor")
      let found = watched.first { $0["check"] as? String == "watcher" }
      #expect(found?["result"] as? String == "ok")
      #expect((found?["message"] as? String)?.contains("process \(watcher.processID)") == true)
      watcher.signal(SIGTERM)
      _ = try await watcher.outcome()
      try place.write("config.json", "{")
      let broken = try await place.cloudjobs("doctor")
      #expect(broken.code == 78)
      #expect(broken.output.contains("✗ configuration: "))
      #expect(broken.output.contains("✓ sh: "))
    }
  }

  // MARK: Streams

  @Test("data goes to standard output, everything else to standard error, in one line that names the program")
  func streams() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      try place.calculation("empty", "true")
      try FileManager.default.removeItem(atPath: place.path("empty/run.sh"))
      _ = try await place.job("calc", "--wait")
      let failures: [([String], Int32)] = [
        (["status", "nosuchjob"], 66), (["history", "nosuchjob"], 66), (["logs", "nosuchjob"], 66), (["status", "a b"], 64),
        (["run", "nothing"], 66), (["run", "calc/run.sh"], 66), (["run", "empty"], 64), (["run", "calc", "--env", "x"], 64),
        (["run", "calc", "--provider", "moon"], 64), (["run", "calc", "--budget", "0"], 64), (["list", "--since", "x"], 64),
        (["list", "--config", "none.json"], 78), (["restore", "none.db"], 66), (["cleanup", "99999"], 64), (["backup", "."], 73),
      ]
      for (words, code) in failures {
        let outcome = try await place.cloudjobs(words)
        #expect(outcome.code == code, "\(outcome)")
        #expect(outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.hasPrefix("cloudjobs: "), "\(outcome)")
        #expect(outcome.errors.hasSuffix("\n") && outcome.errors.filter(\.isNewline).count == 1, "\(outcome)")
      }
      for words in [["list", "--nonsense"], ["status"], ["nonsense"], ["list", "--status", "asleep"]] {
        let outcome = try await place.cloudjobs(words)
        #expect(outcome.code == 64 && outcome.output.isEmpty && !outcome.errors.isEmpty, "\(outcome)")
      }
      for words in [["--help"], ["--version"], ["help", "run"], ["list", "--help"]] {
        let outcome = try await place.cloudjobs(words)
        #expect(outcome.code == 0 && outcome.errors.isEmpty && !outcome.output.isEmpty, "\(outcome)")
      }
    }
  }

  @Test("a reader that leaves early is no error", arguments: ["list", "config check", "--help"])
  func closedPipe(_ words: String) async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      _ = try await place.job("calc", "--wait")
      let shell = "'\(Workplace.executable)' \(words) | head -c 1 >/dev/null"
      let outcome = try await place.program("/bin/sh", ["-c", shell]).outcome(within: .seconds(30))
      #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome)")
    }
  }

  @Test("colours only on a terminal, and never against NO_COLOR or on a dumb one", .enabled(if: TerminalSession.isAvailable))
  func colors() async throws {
    try await Workplace.run { place in
      try place.calculation("bad", "exit 1")
      let id = try await place.job("bad")
      #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)
      for (environment, colored) in [("", true), ("NO_COLOR=1", false), ("TERM=dumb", false)] {
        try await TerminalSession.run(place, "env \(environment) '\(Workplace.executable)' list; echo ended", width: 130) { terminal in
          try await terminal.shows("ended")
          let row = try await terminal.screen(escapes: true).split(separator: "\n").first { $0.contains(id) }
          #expect(try #require(row).contains("\u{1B}[") == colored, "\(environment)")
        }
      }
    }
  }

  // MARK: Completion

  @Test("bash completes commands, options and the ids of jobs", .enabled(if: Workplace.has("bash")))
  func completion() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "old.db")
      #expect(try await place.cloudjobs("import", "old.db", "--db", "jobs.db").code == 0)
      #expect(try await place.cloudjobs("import", "old.db").code == 0)
      let script = try await place.cloudjobs("--generate-completion-script", "bash")
      #expect(script.code == 0)
      try place.write("completion.bash", script.output)
      try FileManager.default.createDirectory(atPath: place.path("bin"), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(atPath: place.path("bin/cloudjobs"), withDestinationPath: Workplace.executable)
      func complete(_ words: String...) async throws -> Set<String> {
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let line = words.joined(separator: " ")
        let shell = """
          source completion.bash; COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count - 1); COMP_LINE='\(line)'
          COMP_POINT=${#COMP_LINE}; _cloudjobs; printf '%s\\n' "${COMPREPLY[@]}"
          """
        let outcome = try await place.program(
          "/usr/bin/env", ["bash", "-c", shell], environment: ["PATH": place.path("bin") + ":" + Workplace.searchPath]
        ).outcome(within: .seconds(30))
        #expect(outcome.errors.isEmpty, "\(outcome)")
        return Set(outcome.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty })
      }
      #expect(try await complete("cloudjobs", "st") .contains("status"))
      #expect(try await complete("cloudjobs", "status", "").isSuperset(of: ["abcd0001", "abcd0002"]))
      #expect(try await complete("cloudjobs", "status", "abcd0002") == ["abcd0002"])
      #expect(try await complete("cloudjobs", "terminate", "abcd0001", "ab").contains("abcd0002"))
      #expect(try await complete("cloudjobs", "logs", "--db", "jobs.db", "abcd0001").contains("abcd0001"))
      #expect(try await complete("cloudjobs", "history", "--db", "none.db", "a").isEmpty)
      #expect(try await complete("cloudjobs", "list", "--status", "run") == ["running"])
    }
  }

  // MARK: docs/json.md

  private static let document = LoopbackServer.packageRoot.appendingPathComponent("docs/json.md").path

  @Test(
    "docs/json.md names the keys that are printed, all of them and no others",
    .enabled(if: FileManager.default.fileExists(atPath: document)))
  func documented() async throws {
    let sections = try KeyTables(String(contentsOfFile: Self.document, encoding: .utf8))
    try await Workplace.run { place in
      try place.calculation("calc", "echo x")
      let id = try await place.job("calc", "--wait")
      let list = try #require(try await place.objects("list").first)
      #expect(try #require(sections["list"]) == Set(list.keys))
      let status = try await place.object("status", id, "--detailed")
      let documentedStatus = try #require(sections["status"])
      // What status shares with list may be said once.
      #expect(documentedStatus.union(list.keys) == Set(status.keys))
      #expect(documentedStatus.isSuperset(of: Set(status.keys).subtracting(list.keys)))
      let history = try await place.object("history", id)
      let documentedHistory = try #require(sections["history"])
      let event = try #require((history["events"] as? [[String: Any]])?.first)
      #expect(documentedHistory.isSuperset(of: history.keys))
      #expect(documentedHistory.isSuperset(of: event.keys))
    }
  }
}

/// The first columns of the tables below each heading ``## `word` `` of a page.
private struct KeyTables {
  private var keys: [String: Set<String>] = [:]

  init(_ page: String) {
    var section: String?
    for line in page.split(separator: "\n") {
      if line.hasPrefix("## ") {
        let words = line.split(separator: "`")
        section = words.count >= 2 ? String(words[1]) : nil
      } else if let section, line.hasPrefix("| `") {
        let words = line.split(separator: "`")
        if words.count >= 2 { keys[section, default: []].insert(String(words[1])) }
      }
    }
  }

  subscript(section: String) -> Set<String>? { keys[section] }
}
