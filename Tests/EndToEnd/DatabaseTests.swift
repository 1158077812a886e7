import Foundation
import TestSupport
import Testing

@Suite("The database on the command line")
struct DatabaseTests {
  // MARK: None, and wrong ones

  @Test(
    "commands that look say that there is no database, and make none",
    arguments: [
      ["list"], ["list", "--json"], ["list", "--summary"], ["status", "abcd"], ["history", "abcd"], ["logs", "abcd"],
      ["check"], ["backup"], ["cleanup", "30", "--dry-run"], ["list", "--cleanup", "30", "--dry-run"],
      ["notify", "list"],
    ])
  func missing(_ words: [String]) async throws {
    try await Workplace.run { place in
      let outcome = try await place.cloudjobs(words)
      #expect(outcome.code == 66, "\(outcome)")
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors.hasPrefix("cloudjobs: There is no database at \(place.folder)/cloud_jobs.db."))
      #expect(try place.files() == ["config.json"])
    }
  }

  @Test(
    "so do commands that act on what must be there already",
    arguments: [["terminate", "abcd", "--force"], ["notify", "resend"], ["cleanup", "30"]])
  func missingForActing(_ words: [String]) async throws {
    try await Workplace.run { place in
      let outcome = try await place.cloudjobs(words)
      #expect(outcome.code == 66, "\(outcome)")
      #expect(outcome.errors.contains("no database at \(place.folder)/cloud_jobs.db"))
      #expect(try place.files() == ["config.json"])
    }
  }

  @Test(
    "a file that is no database, another program's, and a newer one are refused and left as they are",
    arguments: ["text", "foreign", "newer"])
  func wrong(_ kind: String) async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      switch kind {
      case "text": try place.write("x.db", String(repeating: "this is a letter, not a database\n", count: 500))
      case "foreign":
        try await place.tool("sqlite3", place.path("x.db"), "CREATE TABLE jobs(a); INSERT INTO jobs VALUES(1)")
      default:
        _ = try await place.job("calc", "--wait", "--db", "x.db")
        try await place.tool(
          "sqlite3", place.path("x.db"), "PRAGMA user_version = 999; PRAGMA wal_checkpoint(TRUNCATE)")
      }
      let before = try place.bytes("x.db")
      for words in [
        ["list"], ["status", "abcd"], ["run", "calc"], ["watch", "--once"], ["terminate", "abcd", "--force"], ["check"],
        ["backup", "y.db"],
      ] {
        let outcome = try await place.cloudjobs(words + ["--db", "x.db"])
        #expect(outcome.code == 65, "\(outcome)")
        #expect(outcome.errors.contains("\(place.folder)/x.db"))
        #expect(words == ["check"] || outcome.output.isEmpty)
      }
      #expect(try place.bytes("x.db") == before)
      let files = try place.files()
      #expect(!files.contains("y.db"))
    }
  }

  @Test("lies in unusual folders too", arguments: ["sp ace", "üñí 水 🧪", "it's \"quoted\"", "100% #1 ?x=y&z", "-dash"])
  func folders(_ name: String) async throws {
    try await Workplace.run(name: name) { place in
      try place.calculation("calc", "echo here")
      let id = try await place.job("calc", "--wait")
      #expect(try await place.objects("list").first?["job_id"] as? String == id)
      #expect(try await place.cloudjobs("logs", id).output == "here\n")
      #expect(try await place.cloudjobs("watch", "--once").code == 0)
      #expect(try await place.cloudjobs("backup", "copy of it.db").code == 0)
      #expect(try await place.objects("list", "--db", "copy of it.db").count == 1)
      #expect(try await place.objects("list", "--db", place.path("copy of it.db")).count == 1)
    }
  }

  @Test("files are private to the user")
  func modes() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      let id = try await place.job("calc", "--wait")
      #expect(try await place.cloudjobs("backup", "copy.db").code == 0)
      for name in ["cloud_jobs.db", "copy.db", "cloud_jobs.local", "cloud_jobs.local/\(id)-1"] {
        let mode = try FileManager.default.attributesOfItem(atPath: place.path(name))[.posixPermissions] as? Int
        #expect((mode ?? 0o777) & 0o077 == 0, "\(name)")
      }
    }
  }

  @Test("a folder or a file that can't be written says so", .enabled(if: Unprivileged.isAvailable))
  func readOnly() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      let id = try await place.job("calc", "--wait")
      try await place.tool("sqlite3", place.path("cloud_jobs.db"), "PRAGMA wal_checkpoint(TRUNCATE)")
      try await place.tool("chmod", "-R", "a+rX", place.folder, (place.folder as NSString).deletingLastPathComponent)
      try await place.tool("chmod", "a-w", place.folder, place.path("cloud_jobs.db"))
      let before = try place.bytes("cloud_jobs.db")
      let list = try await Unprivileged.cloudjobs(place, ["list"])
      #expect(list.code == 0, "\(list)")
      #expect(list.output.contains(id))
      for words in [["run", "calc"], ["watch", "--once"], ["run", "calc", "--db", "new.db"]] {
        let outcome = try await Unprivileged.cloudjobs(place, words)
        #expect(outcome.code == 77, "\(outcome)")
        #expect(outcome.errors.contains(place.folder))
      }
      #expect(try place.bytes("cloud_jobs.db") == before)
    }
  }

  // MARK: Damage

  @Test("a damaged database is named, and what can be read of it is saved")
  func repair() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      var ids: Set<String> = []
      for _ in 0..<2 { ids.insert(try await place.job("calc", "--wait")) }
      let path = place.path("cloud_jobs.db")
      try await place.tool("sqlite3", path, "PRAGMA wal_checkpoint(TRUNCATE)")
      let root = try await place.tool("sqlite3", path, "SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
      let page = try #require(Int(root.trimmingCharacters(in: .newlines)))
      var bytes = try place.bytes("cloud_jobs.db")
      bytes.replaceSubrange((page - 1) * 4096..<(page - 1) * 4096 + 512, with: Data(repeating: 0x5A, count: 512))
      try bytes.write(to: URL(fileURLWithPath: path))

      let check = try await place.cloudjobs("check")
      #expect(check.code == 65, "\(check)")
      #expect(check.output.contains("Integrity: DAMAGED"))
      #expect(check.errors.contains("cloudjobs check --repair"))
      let repaired = try await place.cloudjobs("check", "--repair", "saved.db")
      #expect(repaired.code == 0, "\(repaired)")
      #expect(repaired.output.contains("jobs: 2 saved"))
      #expect(try place.bytes("cloud_jobs.db") == bytes)
      #expect(try await place.cloudjobs("check", "--db", "saved.db").code == 0)
      let saved = try await place.objects("list", "--db", "saved.db")
      #expect(Set(saved.compactMap { $0["job_id"] as? String }) == ids)
      // And back into service.
      let restored = try await place.cloudjobs("restore", "saved.db")
      #expect(restored.code == 0, "\(restored)")
      #expect(try await place.objects("list").count == 2)
      #expect(try await place.cloudjobs("watch", "--once").code == 0)
    }
  }

  @Test("a whole database is called sound")
  func sound() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      _ = try await place.job("calc", "--wait")
      let check = try await place.object("check")
      #expect(check["sound"] as? Bool == true)
      #expect((check["rows"] as? [String: Int])?["jobs"] == 1)
      #expect((check["problems"] as? [Any])?.isEmpty == true)
    }
  }

  // MARK: Copies

  @Test("backups that are made while a watcher writes are whole, and one can be restored")
  func backup() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "sleep 0.3")
      let watcher = try await place.watch()
      for number in 0..<4 {
        _ = try await place.job("calc")
        let copy = try await place.cloudjobs("backup", "copy\(number).db")
        #expect(copy.code == 0, "\(copy)")
        #expect(copy.output == place.path("copy\(number).db") + "\n")
        let check = try await place.object("check", "--db", "copy\(number).db")
        #expect((check["rows"] as? [String: Int])?["jobs"] == number + 1)
      }
      let twice = try await place.cloudjobs("backup", "copy0.db")
      #expect(twice.code == 73)
      let refused = try await place.cloudjobs("restore", "copy1.db")
      #expect(refused.code == 75, "\(refused)")
      #expect(refused.errors.contains("\(watcher.processID)"))
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)

      let restored = try await place.cloudjobs("restore", "copy1.db")
      #expect(restored.code == 0, "\(restored)")
      #expect(try await place.objects("list").count == 2)
      let kept = try #require(try place.files().first { $0.hasPrefix("cloud_jobs.db.before-restore-") })
      #expect(try await place.objects("list", "--db", kept).count == 4)
      #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)
      #expect(try await place.objects("list", "--status", "completed").count == 2)
    }
  }

  @Test("a copy that is missing, damaged or foreign is not restored")
  func badCopies() async throws {
    try await Workplace.run { place in
      try place.calculation("calc", "true")
      _ = try await place.job("calc", "--wait")
      try place.write("text.db", "no database at all, not even a little one")
      try await place.tool("sqlite3", place.path("foreign.db"), "CREATE TABLE t(a)")
      let before = try place.files()
      for (name, code) in [("none.db", 66), ("text.db", 65), ("foreign.db", 65)] as [(String, Int32)] {
        let outcome = try await place.cloudjobs("restore", name)
        #expect(outcome.code == code, "\(outcome)")
        #expect(outcome.errors.contains(name))
      }
      #expect(try place.files() == before)
      #expect(try await place.objects("list").count == 1)
    }
  }

  // MARK: The Python tool's

  @Test("a database of the Python tool is copied beside itself and converted, and nothing of it is lost")
  func legacy() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "cloud_jobs.db")
      let original = try place.bytes("cloud_jobs.db")
      let list = try await place.cloudjobs("list")
      #expect(list.code == 0, "\(list)")
      #expect(
        list.output.contains(
          "abcd0001     | completed   | AWS      | r5.4xlarge      | us-east-1      | 2h         | $0.88   "))
      #expect(list.errors.contains("Converted the Python tool's database"))
      let copy = try #require(try place.files().first { $0.hasPrefix("cloud_jobs.db.python-") })
      #expect(try place.bytes(copy) == original)
      let job = try await place.object("status", "abcd0001")
      #expect(job["spot_request_id"] as? String == "sir-1")
      #expect(job["created_at"] as? String == "2024-01-26T10:30:00.000Z")
      let metadata = try #require(job["metadata"] as? [String: Any])
      #expect(String(describing: metadata).contains("colour"))
      // Only once.
      #expect(try await place.cloudjobs("list").errors.isEmpty)
      #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)

      let ambiguous = try await place.cloudjobs("status", "abcd")
      #expect(ambiguous.code == 64)
      #expect(ambiguous.output.isEmpty)
      #expect(ambiguous.errors.contains("abcd0001, abcd0002"))
      let terminate = try await place.cloudjobs("terminate", "abcd", "--force")
      #expect(terminate.code == 64)
    }
  }

  @Test("import takes jobs over once, in the zone that is named")
  func importing() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "old.db")
      let before = try place.bytes("old.db")
      let first = try await place.cloudjobs("import", "old.db", "--timezone", "+01:00")
      #expect(first.code == 0, "\(first)")
      #expect(first.output == "2 jobs imported, 0 were here already\n")
      #expect(try await place.object("status", "abcd0001")["created_at"] as? String == "2024-01-26T09:30:00.000Z")
      let again = try await place.object("import", "old.db")
      #expect((again["imported"] as? [Any])?.isEmpty == true)
      #expect(again["skipped"] as? [String] == ["abcd0001", "abcd0002"])
      #expect(try place.bytes("old.db") == before)
      #expect(try await place.cloudjobs("import", "old.db", "--timezone", "Mars").code == 64)
      #expect(try await place.cloudjobs("import", "none.db").code == 66)
      #expect(try await place.cloudjobs("import", "cloud_jobs.db").code == 65)
    }
  }

  // MARK: Filters and cleaning

  @Test("filters come before the limit")
  func filters() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "cloud_jobs.db")
      func ids(_ words: String...) async throws -> [String] {
        let outcome = try await place.cloudjobs(["list", "--json"] + words)
        let objects = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
        return objects?.compactMap { $0["job_id"] as? String } ?? []
      }
      #expect(try await ids() == ["abcd0002", "abcd0001"])
      #expect(try await ids("--limit", "1") == ["abcd0002"])
      #expect(try await ids("--limit", "1", "--provider", "aws") == ["abcd0001"])
      #expect(try await ids("--status", "completed", "--limit", "1") == ["abcd0001"])
      #expect(try await ids("--status", "completed", "--status", "failed") == ["abcd0002", "abcd0001"])
      #expect(try await ids("--since", "2024-01-27") == ["abcd0002"])
      #expect(try await ids("--since", "1d") == [])
      #expect(try await ids("--name", "nothing like it") == [])
      let none = try await place.cloudjobs("list", "--provider", "Azure")
      #expect(none.code == 0 && none.output.isEmpty && none.errors.hasPrefix("No jobs match"))
      let summary = try await place.object("list", "--summary")
      #expect((summary["total"] as? [String: Any])?["count"] as? Int == 2)
    }
  }

  @Test("cleanup removes what ended long ago, and never an open job")
  func cleanup() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      try place.calculation("short", "true")
      try await Legacy.make(place, "old.db")
      #expect(try await place.cloudjobs("import", "old.db").code == 0)
      let open = try await place.job("endless")
      let closed = try await place.job("short", "--wait")
      let preview = try await place.cloudjobs("list", "--cleanup", "30", "--dry-run")
      #expect(preview.code == 0)
      #expect(Set(preview.output.split(separator: "\n")) == ["abcd0001", "abcd0002"])
      #expect(try await place.objects("list").count == 4)
      let removed = try await place.object("cleanup", "30")
      #expect(Set(removed["jobs"] as? [String] ?? []) == ["abcd0001", "abcd0002"])
      #expect(try await place.cloudjobs("cleanup", "0").output == closed + "\n")
      #expect(try await place.objects("list").map { $0["job_id"] as? String } == [open])
      #expect(try await place.cloudjobs("history", closed).code == 66)
      #expect(try await place.cloudjobs("cleanup", "40000").code == 64)
    }
  }
}

/// A database as the Python tool leaves it behind.
enum Legacy {
  static func make(_ place: Workplace, _ name: String, running: Bool = false) async throws {
    try await place.tool(
      "sqlite3", place.path(name),
      """
      CREATE TABLE jobs (job_id TEXT PRIMARY KEY, status TEXT NOT NULL, provider TEXT NOT NULL, instance_type TEXT NOT NULL,
        instance_id TEXT, region TEXT NOT NULL, public_ip TEXT, private_ip TEXT, s3_bucket TEXT, s3_input_path TEXT,
        gdrive_path TEXT, basis_set TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, started_at TEXT,
        completed_at TEXT, price_per_hour REAL, estimated_cost REAL, spot_request_id TEXT, metadata TEXT, colour TEXT);
      INSERT INTO jobs VALUES ('abcd0001', 'completed', 'AWS', 'r5.4xlarge', 'i-1', 'us-east-1', '', '', 'b',
        's3://b/abcd0001/input/', '', 'cc-pVDZ', '2024-01-26T10:30:00', '2024-01-26T12:30:00', '2024-01-26T10:33:15',
        '2024-01-26T12:30:00', 0.45, 0.9, 'sir-1', '{}', 'red');
      INSERT INTO jobs VALUES ('abcd0002', 'failed', 'GCP', 'n2-highmem-16', '', 'us-central1', '', '', '', '', '', '',
        '2024-01-27T10:30:00.123456', '2024-01-27T10:30:00', NULL, NULL, 0.0, NULL, '', '', 'blue');
      """)
    guard running else { return }
    try await place.tool(
      "sqlite3", place.path(name),
      """
      INSERT INTO jobs SELECT 'abcd0003', 'running', 'GCP', instance_type, 'i-3', region, '', '', '', '', '', '',
        created_at, updated_at, started_at, NULL, 0.45, NULL, '', '{}', 'green' FROM jobs WHERE job_id = 'abcd0001';
      """)
  }
}

/// Running as somebody who may not do everything: the user of the tests, or `nobody` if that is root.
enum Unprivileged {
  static let isAvailable: Bool = {
    guard getuid() == 0 else { return true }
    guard Workplace.has("setpriv") else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words + [Workplace.executable, "--version"]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()

  private static let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

  static func cloudjobs(_ place: Workplace, _ arguments: [String]) async throws -> Workplace.Outcome {
    guard getuid() == 0 else { return try await place.cloudjobs(arguments) }
    return try await place.program("/usr/bin/env", words + [Workplace.executable] + arguments).outcome()
  }
}
