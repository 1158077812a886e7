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
          "watch.poll_interval", "lease_tll", "local.price_per_hour", "alerts.rules.job_failed.severity",
          "notifiers.hook",
          "notifiers.mail.from", "nonsense",
        ] { #expect(outcome.errors.contains(path), "\(path) in \(outcome)") }
        #expect(outcome.errors.contains("lease_ttl"))
      }
      #expect(try place.files() == ["config.json"])
    }
  }

  @Test("a secret in the file is refused with the remedy, and not repeated")
  func literalSecret() async throws {
    let config =
      #"{"notifiers": {"hook": {"type": "webhook", "url": "https://example.org/", "secrets": ["whsec_hunter2hunter2hunter2"]}}}"#
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
        (["status", "nosuchjob"], 66), (["history", "nosuchjob"], 66), (["logs", "nosuchjob"], 66),
        (["status", "a b"], 64),
        (["run", "nothing"], 66), (["run", "calc/run.sh"], 66), (["run", "empty"], 64),
        (["run", "calc", "--env", "x"], 64),
        (["run", "calc", "--provider", "moon"], 64), (["run", "calc", "--budget", "0"], 64),
        (["list", "--since", "x"], 64),
        (["list", "--config", "none.json"], 78), (["restore", "none.db"], 66), (["cleanup", "99999"], 64),
        (["backup", "."], 73),
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
      #expect(outcome.code == 0 && !outcome.errors.contains("cloudjobs: "), "\(outcome)")
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
      try FileManager.default.createSymbolicLink(
        atPath: place.path("bin/cloudjobs"), withDestinationPath: Workplace.executable)
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
        return Set(
          outcome.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty })
      }
      #expect(try await complete("cloudjobs", "st").contains("status"))
      #expect(try await complete("cloudjobs", "status", "").isSuperset(of: ["abcd0001", "abcd0002"]))
      #expect(try await complete("cloudjobs", "status", "abcd0002") == ["abcd0002"])
      #expect(try await complete("cloudjobs", "terminate", "abcd0001", "ab").contains("abcd0002"))
      #expect(try await complete("cloudjobs", "logs", "--db", "jobs.db", "abcd0001").contains("abcd0001"))
      #expect(try await complete("cloudjobs", "history", "--db", "none.db", "a").isEmpty)
      // The Tab key converts nothing.
      let before = try place.bytes("old.db")
      let files = try place.files()
      #expect(try await complete("cloudjobs", "history", "--db", "old.db", "a").isEmpty)
      #expect(try place.bytes("old.db") == before)
      #expect(try place.files() == files)
    }
  }

  // MARK: docs/json.md

  private static let document = LoopbackServer.packageRoot.appendingPathComponent("docs/json.md").path

  @Test(
    "docs/json.md names the keys that are printed, all of them and no others",
    .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
  func documented() async throws {
    let path = LoopbackServer.packageRoot.appendingPathComponent("docs/json.md").path
    let page = KeyTables(try String(contentsOfFile: path, encoding: .utf8))
    // Nobody listens there, so that there are deliveries that wait.
    let config = Workplace.config(
      #""notifiers": {"hook": {"type": "webhook", "url": "http://127.0.0.1:9/", "allow_private": true}}"#,
      #""sync": {"remote": "./results"}"#)
    try await Workplace.run(config: config) { place in
      try place.calculation("bad", "echo 1 >result; exit 1")
      try place.calculation("endless", "trap '' TERM; while :; do sleep 0.2; done")
      #expect(try await place.cloudjobs("run", "bad", "--wait").code == 1)
      let failed = try #require(try await place.objects("list").first?["job_id"] as? String)
      #expect(try await place.cloudjobs("watch", "--once").code == 0)
      let running = try await place.job("endless", "--env", "A=1", "--tag", "a=b")
      try await eventually("its beacon is there") {
        let observation = try await place.object("status", running)["observation"] as? [String: Any]
        return observation?["phase"] as? String == "running"
      }
      let live = try await place.object("status", running)
      // A wish that nobody carries out yet, because the time is too short.
      _ = try await place.cloudjobs("terminate", running, "--force", "--timeout", "0.5s")
      let wished = try await place.object("status", running, "--detailed", "--offline")
      let shown = try await place.object("status", failed, "--detailed")
      let history = try await place.object("history", failed)

      page.check("list", try await place.objects("list"))
      page.check("status", [live, wished, shown])
      page.check("history", [history])
      let folder = try #require((shown["results"] as? [String: Any])?["folder"] as? String)
      try place.write(folder + "/late", "x")
      page.check("resync", [try await place.object("resync", failed, "--force", "--dry-run")])
      page.check(
        "verify", [try await place.object("verify", failed), try await place.object("verify", failed, "--deep")])
      page.check("list --summary", [try await place.object("list", "--summary")])
      page.check("notify list", try await place.objects("notify", "list"))
      page.check("check", [try await place.object("check")])
      page.check("backup", [try await place.object("backup", "copy.db")])
      page.check("cleanup", [try await place.object("cleanup", "30")])
      // Only a cloud has offers to choose from.
      try await LoopbackServer.aws { aws in
        let cloud = try await place.cloudjobs(
          "run", "bad", "--s3-bucket", "b", "--gdrive-path", "drive:x", "--instance-type", "c5.large", "--dry-run",
          "--region", "us-east-1", "--json", environment: aws.environment)
        let plan = try JSONSerialization.jsonObject(with: Data(cloud.output.utf8)) as? [String: Any]
        page.check(
          "run --dry-run",
          [try await place.object("run", "bad", "--dry-run"), try #require(plan, "\(cloud)")])
      }
      page.check("doctor", try await place.objects("doctor"))
      page.check("config check", [try await place.object("config", "check")])
      try await Legacy.make(place, "old.db")
      page.check("import", [try await place.object("import", "old.db")])
    }
  }
}

/// The keys in the first columns of the tables below each heading ``## `command` `` of a page: `a`, and `a.b` for what is
/// under `a`.
private struct KeyTables {
  /// By heading, the keys of its first table with their meanings.
  private var tables: [String: [String: String]] = [:]
  /// Objects whose keys are data, such as the names of tags.
  private static let open: Set = ["metadata", "tags", "by_status", "by_provider", "rows", "tables"]

  init(_ page: String) {
    var section: String?
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("## ") {
        let words = line.split(separator: "`")
        section = words.count >= 2 ? String(words[1]) : nil
      } else if let name = section, line.hasPrefix("| `") {
        let words = line.split(separator: "`", maxSplits: 2)
        let meaning = line.split(separator: "|").last.map(String.init) ?? ""
        tables[name, default: [:]][String(words[1])] = meaning.trimmingCharacters(in: .whitespaces)
      } else if let name = section, tables[name] != nil, !line.hasPrefix("|"), !line.isEmpty {
        // Further tables of a section are of other documents.
        section = nil
      }
    }
  }

  /// Compares a table with what was printed, both ways.
  func check(_ section: String, _ samples: [[String: Any]], sourceLocation: SourceLocation = #_sourceLocation) {
    guard let table = tables[section], !samples.isEmpty else {
      Issue.record("no table or no sample of \(section)", sourceLocation: sourceLocation)
      return
    }
    let documented = Set(table.keys)
    let top = documented.filter { !$0.contains(".") }
    for sample in samples { #expect(Set(sample.keys) == top, "\(section)", sourceLocation: sourceLocation) }
    var printed = top
    for (key, value) in samples.flatMap(\.self) where !Self.open.contains(key) {
      for object in (value as? [[String: Any]]) ?? (value as? [String: Any]).map({ [$0] }) ?? [] {
        printed.formUnion(object.keys.map { key + "." + $0 })
      }
    }
    let undocumented = printed.subtracting(documented)
    #expect(undocumented.isEmpty, "\(section)", sourceLocation: sourceLocation)
    // What is printed only now and then says so.
    let missing = documented.subtracting(printed).filter { table[$0]?.hasPrefix("Only with `unreachable`") == false }
    #expect(missing.isEmpty, "\(section)", sourceLocation: sourceLocation)
  }
}
