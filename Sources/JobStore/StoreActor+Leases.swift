import GRDB
package import JobModel

extension StoreActor {
  /// True of a job that nobody with a valid lease holds; takes the time as its parameter.
  private static let unheld =
    "(j.owner IS NULL OR NOT EXISTS (SELECT 1 FROM leases l WHERE l.owner = j.owner AND l.expires_at >= ?))"

  package func acquire(_ holder: Holder, ttl: Duration, at now: Timestamp) async throws(StoreError) {
    let path = path
    try await write { db in
      if holder.role == .watch {
        let other = try db.row(
          LeaseRow.selection + " WHERE role = 'watch' AND owner <> ? AND expires_at >= ? LIMIT 1"
        ) { row in
          row.add(holder.owner.rawValue)
          row.add(now)
        } _: {
          try LeaseRow.read(&$0)
        }
        if let other { throw StoreError.held(path, by: other) }
        try db.run("DELETE FROM leases WHERE role = 'watch' AND owner <> ?") { $0.add(holder.owner.rawValue) }
      }
      // A one-shot command that was killed long ago is of no interest any more.
      try db.run("DELETE FROM leases WHERE expires_at < ? AND owner <> ?") { row in
        row.add(now - LeaseRow.forgottenAfter)
        row.add(holder.owner.rawValue)
      }
      try LeaseRow.write(holder, acquiredAt: now, expiresAt: now + ttl, db)
    }
  }

  package func renew(_ owner: OwnerID, ttl: Duration, at now: Timestamp) async throws(StoreError) -> Bool {
    try await write { db in
      try db.run("UPDATE leases SET expires_at = ? WHERE owner = ?") { row in
        row.add(now + ttl)
        row.add(owner.rawValue)
      } == 1
    }
  }

  package func release(_ owner: OwnerID) async throws(StoreError) {
    try await write { db in
      try db.run("UPDATE jobs SET owner = NULL WHERE owner = ?") { $0.add(owner.rawValue) }
      try db.run("DELETE FROM leases WHERE owner = ?") { $0.add(owner.rawValue) }
    }
  }

  package func holders() async throws(StoreError) -> [Holder] {
    try await read { db in
      try db.rows(LeaseRow.selection + " ORDER BY acquired_at, owner") { try LeaseRow.read(&$0) }
    }
  }

  package func claim(
    _ owner: OwnerID, jobs: [JobID]?, limit: Int, at now: Timestamp
  ) async throws(StoreError) -> [Claim] {
    let (claims, damages) = try await write { db -> ([Claim], [String]) in
      let valid = try db.row("SELECT 1 FROM leases WHERE owner = ? AND expires_at >= ?") { row in
        row.add(owner.rawValue)
        row.add(now)
      } _: { _ in
        true
      }
      // Without a valid lease of its own the claimer would lose the jobs to the next one at once.
      guard valid == true else { return ([], []) }
      var found: [(job: Job, epoch: Int64)] = []
      var damages: [String] = []
      if let jobs {
        var seen: Set<JobID> = []
        for id in jobs where seen.insert(id).inserted {
          let row = try db.row(JobRow.selection + " WHERE j.id = ? AND j.open = 1 AND " + Self.unheld) { row in
            row.add(id.rawValue)
            row.add(now)
          } _: {
            try JobRow.readWithEpoch(&$0)
          }
          if let row { found.append(row) }
        }
      } else {
        (found, damages) = try Self.claimable(limit: max(0, limit), at: now, db)
      }
      for (job, epoch) in found {
        try db.run("UPDATE jobs SET owner = ?, epoch = ? WHERE id = ?") { row in
          row.add(owner.rawValue)
          row.add(epoch + 1)
          row.add(job.id.rawValue)
        }
      }
      let claims = found.map { Claim(lease: Lease(job: $0.job.id, owner: owner, epoch: $0.epoch + 1), job: $0.job) }
      return (claims, damages)
    }
    tell(damages)
    return claims
  }

  /// The oldest open jobs that nobody holds, or whose holder's lease has run out.
  ///
  /// Two queries, each along an index, since the jobs of live holders may be very many and are looked at by neither.
  /// A row that can't be read is passed over and told: one damaged job must not keep all others from being supervised.
  private static func claimable(
    limit: Int, at now: Timestamp, _ db: Database
  ) throws -> (found: [(job: Job, epoch: Int64)], damages: [String]) {
    let order = " ORDER BY j.created_at, j.id LIMIT ?"
    var found: [(job: Job, epoch: Int64)] = []
    var damages: [String] = []
    func read(_ row: inout RowReader) throws {
      do { found.append(try JobRow.readWithEpoch(&row)) } catch let damage as RowDamage {
        damages.append(damage.message)
      }
    }
    try db.forEachRow(JobRow.selection + " WHERE j.open = 1 AND j.owner IS NULL" + order) {
      $0.add(limit)
    } _: {
      try read(&$0)
    }
    // The owners that stand in the jobs, one after the other, without a walk through all their jobs.
    let absent = try db.rows(
      """
      WITH RECURSIVE owners(owner) AS (
        SELECT min(owner) FROM jobs WHERE owner IS NOT NULL
        UNION ALL SELECT (SELECT min(j.owner) FROM jobs j WHERE j.owner > o.owner) FROM owners o WHERE o.owner IS NOT NULL)
      SELECT owner FROM owners o WHERE owner IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.owner = o.owner AND l.expires_at >= ?)
      """
    ) {
      $0.add(now)
    } _: {
      try $0.text()
    }
    for owner in absent {
      try db.forEachRow(JobRow.selection + " WHERE j.open = 1 AND j.owner = ?" + order) { row in
        row.add(owner)
        row.add(limit)
      } _: {
        try read(&$0)
      }
    }
    guard !absent.isEmpty else { return (found, damages) }
    found.sort { ($0.job.createdAt, $0.job.id) < ($1.job.createdAt, $1.job.id) }
    return (Array(found.prefix(limit)), damages)
  }

  package func release(_ leases: [Lease]) async throws(StoreError) {
    guard !leases.isEmpty else { return }
    try await write { db in
      for lease in leases {
        try db.run("UPDATE jobs SET owner = NULL WHERE id = ? AND owner = ? AND epoch = ?") { row in
          row.add(lease.job.rawValue)
          row.add(lease.owner.rawValue)
          row.add(lease.epoch)
        }
      }
    }
  }
}

/// A holder as a row of `leases`.
enum LeaseRow {
  static let selection = "SELECT owner, role, host, pid, acquired_at, expires_at FROM leases"

  /// Rows of commands that expired this long ago are removed.
  static let forgottenAfter: Duration = .seconds(86_400)

  static func read(_ row: inout RowReader) throws -> Holder {
    Holder(
      owner: OwnerID(rawValue: try row.text()), role: try row.value(), host: try row.text(),
      pid: Int32(clamping: try row.int()), acquiredAt: try row.time(), expiresAt: try row.time())
  }

  static func write(_ holder: Holder, acquiredAt: Timestamp, expiresAt: Timestamp, _ db: Database) throws {
    try db.run(
      "INSERT OR REPLACE INTO leases(owner, role, host, pid, acquired_at, expires_at) VALUES (?,?,?,?,?,?)"
    ) { row in
      row.add(holder.owner.rawValue)
      row.add(holder.role.rawValue)
      row.add(holder.host)
      row.add(Int64(holder.pid))
      row.add(acquiredAt)
      row.add(expiresAt)
    }
  }
}

extension StoreError {
  static func held(_ path: String, by holder: Holder) -> StoreError {
    StoreError(
      .held,
      "A watcher holds the database \(path) already: process \(holder.pid) on \(holder.host), since "
        + holder.acquiredAt.iso8601(),
      remedy: "Stop that one first. If it was killed, its lease ends at \(holder.expiresAt.iso8601()) by itself.",
      holder: holder)
  }
}
