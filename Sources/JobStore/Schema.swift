import GRDB

/// The tables, as steps from each version to the next. `user_version` counts the steps a file has had.
struct Schema: Sendable {
  struct Step: Sendable {
    let run: @Sendable (Database) throws -> Void
  }

  /// Step number n makes version n + 1.
  var steps: [Step]

  var version: Int { steps.count }

  /// "cjob": tells our files from those of other programs (`PRAGMA application_id`).
  static let applicationID: Int32 = 0x636a_6f62

  static let current = Schema(steps: [
    Step { try $0.execute(sql: v1) }, Step { try $0.execute(sql: v2) }, Step { try v3($0) }, Step { try v4($0) },
    Step { try v5($0) },
  ])

  /// Takes a file from whichever version it has to this one, in the caller's transaction.
  func migrate(_ db: Database, from version: Int) throws {
    for step in steps.dropFirst(version) { try step.run(db) }
    if version == 0 { try db.execute(sql: "PRAGMA application_id = \(Self.applicationID)") }
    try db.execute(sql: "PRAGMA user_version = \(self.version)")
  }

  /// Times are milliseconds since 1970, amounts are `Money` units, prices whole microdollars an hour.
  ///
  /// `alerts.job` has no foreign key on purpose: an alert that is still on its way outlives the cleanup of its job.
  static let v1 = """
    CREATE TABLE leases(
      owner TEXT PRIMARY KEY NOT NULL,
      role TEXT NOT NULL,
      host TEXT NOT NULL,
      pid INTEGER NOT NULL,
      acquired_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE jobs(
      id TEXT PRIMARY KEY NOT NULL,
      provider TEXT NOT NULL,
      name TEXT NOT NULL,
      folded_name TEXT NOT NULL,
      spec TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      budget_limit INTEGER,
      budget_action TEXT,
      budget_percents TEXT,
      state TEXT NOT NULL,
      reason TEXT,
      message TEXT,
      updated_at INTEGER NOT NULL,
      started_at INTEGER,
      ended_at INTEGER,
      attempt INTEGER NOT NULL,
      earlier_cost INTEGER NOT NULL,
      cost INTEGER NOT NULL,
      wish_reason TEXT,
      wish_message TEXT,
      wish_at INTEGER,
      wish_final_sync INTEGER,
      wish_tries INTEGER,
      crossed TEXT NOT NULL,
      open INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      owner TEXT,
      epoch INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX jobs_newest ON jobs(created_at, id);
    CREATE INDEX jobs_by_provider ON jobs(provider, created_at, id);
    CREATE INDEX jobs_by_state ON jobs(state, created_at, id);
    CREATE INDEX jobs_open ON jobs(created_at, id) WHERE open = 1;
    CREATE INDEX jobs_by_owner ON jobs(owner) WHERE owner IS NOT NULL;
    CREATE INDEX jobs_summary ON jobs(state, provider, cost);

    CREATE TABLE attempts(
      job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      token TEXT NOT NULL,
      requested_at INTEGER NOT NULL,
      instance_id TEXT,
      instance_type TEXT,
      region TEXT,
      zone TEXT,
      public_ip TEXT,
      private_ip TEXT,
      spot_request_id TEXT,
      instance_state TEXT,
      launched_at INTEGER,
      ended_at INTEGER,
      seen_at INTEGER,
      absent_since INTEGER,
      unreachable_since INTEGER,
      heartbeat_at INTEGER,
      heartbeat_lost INTEGER NOT NULL,
      phase TEXT,
      exit_code INTEGER,
      synced_at INTEGER,
      PRIMARY KEY(job, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE price_segments(
      job TEXT NOT NULL,
      attempt INTEGER NOT NULL,
      position INTEGER NOT NULL,
      from_at INTEGER NOT NULL,
      price INTEGER NOT NULL,
      PRIMARY KEY(job, attempt, position),
      FOREIGN KEY(job, attempt) REFERENCES attempts(job, number) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events(
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
      attempt INTEGER NOT NULL,
      at INTEGER NOT NULL,
      kind TEXT NOT NULL,
      reason TEXT,
      message TEXT NOT NULL,
      key TEXT
    ) STRICT;
    CREATE INDEX events_of_job ON events(job, seq);

    CREATE TABLE requests(
      id TEXT PRIMARY KEY NOT NULL,
      job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
      kind TEXT NOT NULL,
      body TEXT NOT NULL,
      at INTEGER NOT NULL,
      answered_at INTEGER
    ) STRICT;
    CREATE INDEX requests_open ON requests(at, id) WHERE answered_at IS NULL;
    CREATE INDEX requests_of_job ON requests(job, at, id);

    CREATE TABLE alerts(
      id TEXT PRIMARY KEY NOT NULL,
      rule TEXT NOT NULL,
      severity TEXT NOT NULL,
      at INTEGER NOT NULL,
      job TEXT,
      title TEXT NOT NULL,
      facts TEXT NOT NULL,
      next_command TEXT,
      channels TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alerts_of_job ON alerts(job) WHERE job IS NOT NULL;

    CREATE TABLE deliveries(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      alert TEXT NOT NULL REFERENCES alerts(id) ON DELETE CASCADE,
      channel TEXT NOT NULL,
      state TEXT NOT NULL,
      tries INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      next_try_at INTEGER NOT NULL,
      last_try_at INTEGER,
      answer TEXT,
      UNIQUE(alert, channel)
    ) STRICT;
    CREATE INDEX deliveries_due ON deliveries(next_try_at, id) WHERE state = 'pending';
    CREATE INDEX deliveries_by_state ON deliveries(state, id);

    CREATE TABLE syncs(
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      job TEXT NOT NULL,
      attempt INTEGER NOT NULL,
      at INTEGER NOT NULL,
      state TEXT NOT NULL,
      files INTEGER,
      bytes INTEGER,
      message TEXT,
      FOREIGN KEY(job, attempt) REFERENCES attempts(job, number) ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX syncs_of_job ON syncs(job, attempt, at);
    """

  /// What a watcher takes over is found without a walk through what is held already, and what a channel is to send
  /// without a walk through what waits for the others.
  static let v2 = """
    DROP INDEX IF EXISTS jobs_by_owner;
    CREATE INDEX jobs_by_owner ON jobs(owner, created_at, id) WHERE owner IS NOT NULL AND open = 1;
    CREATE INDEX IF NOT EXISTS jobs_free ON jobs(created_at, id) WHERE open = 1 AND owner IS NULL;
    DROP INDEX IF EXISTS deliveries_due;
    CREATE INDEX deliveries_due ON deliveries(channel, next_try_at, id) WHERE state = 'pending';
    """

  /// How the latest copy of an attempt's results went (a `SyncReport` as JSON), and its instance's ssh host key. A copy
  /// is remembered once.
  static func v3(_ db: Database) throws {
    let columns = try db.columns(in: "attempts").map(\.name)
    for column in ["sync", "host_key"] where !columns.contains(column) {
      try db.execute(sql: "ALTER TABLE attempts ADD COLUMN \(column) TEXT")
    }
    try db.execute(sql: "CREATE UNIQUE INDEX IF NOT EXISTS syncs_once ON syncs(job, attempt, at)")
  }

  /// The life of alerts: what begins and ends, what is kept back, and silences.
  static func v4(_ db: Database) throws {
    for (table, column, type) in [
      ("alerts", "status", "TEXT NOT NULL DEFAULT 'event'"), ("alerts", "condition", "TEXT"),
      ("alerts", "incident", "TEXT"), ("alerts", "labels", "TEXT"), ("alerts", "resolved_at", "INTEGER"),
      ("alerts", "acknowledged_at", "INTEGER"), ("alerts", "acknowledged_by", "TEXT"),
      ("deliveries", "incident", "TEXT"),
      ("deliveries", "held", "TEXT"), ("deliveries", "repeats", "INTEGER NOT NULL DEFAULT 0"),
    ] {
      guard try !db.columns(in: table).contains(where: { $0.name == column }) else { continue }
      try db.execute(sql: "ALTER TABLE \(table) ADD COLUMN \(column) \(type)")
    }
    try db.execute(
      sql: """
        CREATE INDEX IF NOT EXISTS alerts_firing ON alerts(condition) WHERE status = 'firing' AND resolved_at IS NULL;
        CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries(incident, channel) WHERE state = 'waiting';
        CREATE TABLE IF NOT EXISTS silences(
          id TEXT PRIMARY KEY NOT NULL,
          labels TEXT NOT NULL,
          created_at INTEGER NOT NULL,
          until_at INTEGER NOT NULL,
          comment TEXT NOT NULL,
          created_by TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """)
  }

  /// What alerts know beside their texts; what all jobs cost in a day or month, which is asked every minute; and a name of
  /// the database, by which it knows its instances in a cloud.
  static func v5(_ db: Database) throws {
    if try !db.columns(in: "alerts").contains(where: { $0.name == "details" }) {
      try db.execute(sql: "ALTER TABLE alerts ADD COLUMN details TEXT")
    }
    try db.execute(
      sql: """
        CREATE INDEX IF NOT EXISTS attempts_by_end ON attempts(ended_at) WHERE launched_at IS NOT NULL;
        CREATE TABLE IF NOT EXISTS identity(
          one INTEGER PRIMARY KEY CHECK (one = 1),
          id TEXT NOT NULL
        ) STRICT;
        INSERT OR IGNORE INTO identity(one, id) VALUES (1, lower(hex(randomblob(8))));
        """)
  }
}
