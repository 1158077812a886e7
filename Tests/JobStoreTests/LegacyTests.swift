import Foundation
import GRDB
import JobModel
import Testing

@testable import JobStore

/// Databases of the Python tool, in all the forms it left them in.
enum LegacyFile {
  static func make(_ path: String, old: Bool = false, wal: Bool = false, jobs: Int = 1) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { db in
      if wal { try db.execute(sql: "PRAGMA journal_mode = WAL") }
      try db.execute(
        sql: """
          CREATE TABLE jobs(job_id TEXT PRIMARY KEY, status TEXT NOT NULL, provider TEXT NOT NULL,
            instance_type TEXT NOT NULL, instance_id TEXT, region TEXT NOT NULL, public_ip TEXT, private_ip TEXT,
            s3_bucket TEXT, s3_input_path TEXT, gdrive_path TEXT, basis_set TEXT, created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL, started_at TEXT, completed_at TEXT, price_per_hour REAL, estimated_cost REAL,
            \(old ? "" : "actual_cost REAL, budget_limit REAL, cost_retrieved_at TEXT, billing_tags TEXT,")
            spot_request_id TEXT, metadata TEXT)
          """)
      for number in 0..<jobs {
        try db.execute(
          sql: """
            INSERT INTO jobs(job_id, status, provider, instance_type, instance_id, region, public_ip, private_ip,
              s3_bucket, s3_input_path, gdrive_path, basis_set, created_at, updated_at, started_at, completed_at,
              price_per_hour, estimated_cost, spot_request_id, metadata)
            VALUES (?, 'running', 'AWS', 'c5.large', 'i-1', 'us-east-1', '1.2.3.4', '', 'b', 's3://b/x/input/', '',
              '6-31G*', '2024-01-26T10:30:00.123456', '2024-01-26T11:00:00', '2024-01-26T10:35:00', NULL, 0.45, 1.5,
              '', ?)
            """,
          arguments: [
            "job\(number)-x", #"{"launch_result": {"zone": "us-east-1b", "n": 7}, "job_config": {"project_id": "p"}}"#,
          ])
      }
      if !old {
        try db.execute(
          sql: """
            UPDATE jobs SET budget_limit = 12.5, billing_tags = '{"team": "chem", "n": 1}', actual_cost = 0.25;
            CREATE TABLE cost_tracking(id INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT, provider TEXT, cost_type TEXT,
              amount REAL, currency TEXT DEFAULT 'USD', billing_period_start TEXT, billing_period_end TEXT,
              retrieved_at TEXT, raw_data TEXT);
            INSERT INTO cost_tracking(job_id, provider, cost_type, amount, raw_data)
              VALUES ('job0-x', 'AWS', 'compute', 0.25, '{"a": 1}');
            INSERT INTO cost_tracking(job_id, amount) VALUES ('gone', 1.0);
            """)
      }
    }
    try queue.close()
  }

  static func run(_ path: String, _ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
    try queue.close()
  }
}

@Suite struct LegacyTests {
  private func options(_ path: String, _ notices: Notices, readOnly: Bool = false) -> StoreOptions {
    StoreOptions(
      path: path, readOnly: readOnly, timeZone: { _ in 3600 }, now: { start }, onNotice: { notices.add($0) })
  }

  @Test(arguments: [false, true], [false, true])
  func theFileIsConvertedInItsPlace(_ old: Bool, _ wal: Bool) async throws {
    try await Folder.run { folder in
      let path = folder.path("cloud_jobs.db")
      try LegacyFile.make(path, old: old, wal: wal)
      let original = try Data(contentsOf: URL(fileURLWithPath: path))
      let notices = Notices()
      let store = try await StoreActor.open(options(path, notices, readOnly: old))
      let job = try #require(try await store.job(id("job0-x")))
      #expect(job.state == .running)
      #expect(job.isOpen)
      #expect(job.provider == .aws)
      #expect(job.createdAt == Timestamp(iso8601: "2024-01-26T09:30:00.123Z"))
      #expect(job.startedAt == Timestamp(iso8601: "2024-01-26T09:35:00Z"))
      #expect(job.attempt.instance?.id == "i-1")
      #expect(job.attempt.instance?.zone == "us-east-1b")
      #expect(job.attempt.instance?.privateIP == nil)
      #expect(job.attempt.price == HourlyPrice(microdollars: 450_000))
      #expect(job.cost(at: job.startedAt.map { $0 + .seconds(7200) } ?? start, rule: .perSecond).dollars == 0.9)
      #expect(job.spec.metadata["job_config"]?["project_id"]?.string == "p")
      let columns = job.spec.metadata["imported"]?["columns"]
      #expect(columns?["estimated_cost"]?.double == 1.5)
      #expect(columns?["created_at"]?.string == "2024-01-26T10:30:00.123456")
      if old {
        #expect(job.budget == nil)
      } else {
        #expect(job.budget?.limit == Money(microdollars: 12_500_000))
        #expect(job.spec.tags == ["team": "chem"])
        #expect(job.spec.metadata["billing_tags"]?["n"] == .integer(1))
        #expect(columns?["actual_cost"]?.double == 0.25)
        let costs = job.spec.metadata["imported"]?["tables"]?["cost_tracking"]?.array
        #expect(costs?.first?["amount"]?.double == 0.25)
        #expect(costs?.first?["raw_data"]?.string == #"{"a": 1}"#)
        #expect(notices.all.contains { $0.contains("job gone") })
      }
      #expect(try await store.events(of: job.id, limit: nil).map(\.event.kind) == [.imported])
      await store.close()
      let copy = path + ".python-20270115-080000.bak"
      #expect(notices.all.first?.contains(copy) == true)
      let kept = try Data(contentsOf: URL(fileURLWithPath: copy))
      if wal { #expect(kept.count == original.count) } else { #expect(kept == original) }
      #expect(try FileManager.default.attributesOfItem(atPath: copy)[.posixPermissions] as? Int == 0o600)
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
      #expect(!DatabaseFile.exists(path + ".new"))
      #expect(try await Check.run(path).isSound)
      #expect(try await Check.run(copy).kind == .legacy)
      let count = notices.all.count
      await (try StoreActor.open(options(path, notices))).close()
      #expect(notices.all.count == count)
    }
  }

  @Test func brokenRowsComeWithWhatTheyHave() async throws {
    try await Folder.run { folder in
      let path = folder.path("cloud_jobs.db")
      try LegacyFile.make(path, jobs: 8)
      try LegacyFile.run(
        path,
        """
        ALTER TABLE jobs ADD COLUMN strange BLOB;
        UPDATE jobs SET status = 'unknown', strange = x'00ff' WHERE job_id = 'job0-x';
        UPDATE jobs SET created_at = 'yesterday', metadata = '{broken', billing_tags = '[]' WHERE job_id = 'job1-x';
        UPDATE jobs SET price_per_hour = 'cheap', budget_limit = -3, instance_id = '' WHERE job_id = 'job2-x';
        UPDATE jobs SET job_id = 'a b/../c' WHERE job_id = 'job3-x';
        UPDATE jobs SET job_id = NULL WHERE job_id = 'job4-x';
        UPDATE jobs SET status = 'completed', completed_at = '2024-01-26T12:35:00', price_per_hour = 0.0 WHERE job_id = 'job5-x';
        UPDATE jobs SET price_per_hour = 1e300, budget_limit = 1e300, metadata = x'ff', updated_at = '' WHERE job_id = 'job6-x';
        """)
      let notices = Notices()
      let store = try await StoreActor.open(options(path, notices))
      let jobs = try await store.jobs(JobQuery())
      #expect(jobs.count == 8)
      let unknown = try #require(try await store.job(id("job0-x")))
      #expect(unknown.state == .failed)
      #expect(unknown.reason == .imported)
      #expect(unknown.message?.contains("unknown") == true)
      #expect(!unknown.isOpen)
      #expect(unknown.spec.metadata["imported"]?["columns"]?["strange"]?["base64"]?.string == "AP8=")
      let undated = try #require(try await store.job(id("job1-x")))
      #expect(undated.createdAt == Timestamp(iso8601: "2024-01-26T09:35:00Z"))
      #expect(undated.spec.metadata["imported"]?["columns"]?["metadata"]?.string == "{broken")
      #expect(undated.spec.metadata["imported"]?["columns"]?["created_at"]?.string == "yesterday")
      let priceless = try #require(try await store.job(id("job2-x")))
      #expect(priceless.attempt.segments.isEmpty)
      #expect(priceless.state == .running)
      #expect(jobs.contains { $0.spec.metadata["imported"]?["columns"]?["job_id"]?.string == "a b/../c" })
      let done = try #require(try await store.job(id("job5-x")))
      #expect(done.endedAt == Timestamp(iso8601: "2024-01-26T11:35:00Z"))
      #expect(!done.isOpen)
      for word in [
        "job0-x: status", "job1-x: created_at", "job1-x: metadata", "job2-x: price_per_hour", "job6-x: budget_limit",
        "a b/../c",
      ] {
        #expect(notices.all.contains { $0.contains(word) }, "\(word)")
      }
      await store.close()
      #expect(try await Check.run(path).problems.isEmpty)
    }
  }

  @Test func importAddsWhatIsNotThere() async throws {
    try await Folder.run { folder in
      let (path, other) = (folder.path("jobs.db"), folder.path("old.db"))
      try LegacyFile.make(other, jobs: 3)
      let before = try Data(contentsOf: URL(fileURLWithPath: other))
      let store = try await StoreActor.open(StoreOptions(path: path))
      try await store.insert(makeJob("job1-x"), events: [], owner: nil, at: at(0))
      let report = try await StoreActor.importLegacy(from: other, into: store, timeZone: { _ in 0 }, now: start)
      #expect(report.imported == [id("job0-x"), id("job2-x")])
      #expect(report.skipped == [id("job1-x")])
      #expect(try await store.job(id("job1-x")) == makeJob("job1-x"))
      let again = try await StoreActor.importLegacy(from: other, into: store, timeZone: { _ in 0 }, now: start)
      #expect(again.imported.isEmpty)
      #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == before)
      let ours = await #expect(throws: StoreError.self) {
        try await StoreActor.importLegacy(from: path, into: store, timeZone: { _ in 0 })
      }
      #expect(ours?.code == .foreign)
      let missing = await #expect(throws: StoreError.self) {
        try await StoreActor.importLegacy(from: folder.path("no"), into: store, timeZone: { _ in 0 })
      }
      #expect(missing?.code == .notFound)
      await store.close()
    }
  }

  @Test func aFileInUseIsLeftAlone() async throws {
    try await Folder.run { folder in
      let path = folder.path("cloud_jobs.db")
      try LegacyFile.make(path)
      var unsafe = Configuration()
      unsafe.allowsUnsafeTransactions = true
      let other = try DatabaseQueue(path: path, configuration: unsafe)
      try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
      let names = try folder.names()
      let error = await #expect(throws: StoreError.self) {
        _ = try await StoreActor.open(StoreOptions(path: path, busyTimeout: .milliseconds(50)))
      }
      #expect(error?.code == .busy)
      #expect(try folder.names() == names)
      try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
      try other.close()
    }
  }
}
