import GRDB
package import JobModel

extension StoreActor {
  @discardableResult
  package func insert(
    _ job: Job, events: [Event], owner: OwnerID?, at now: Timestamp
  ) async throws(StoreError) -> Lease? {
    let cost = job.cost(at: now, rule: billing(job.provider))
    return try await write { db in
      guard try JobRow.insert(job, owner: owner, cost: cost, db) else { throw StoreError.exists(job.id) }
      try EventRow.insert(events, db)
      return owner.map { Lease(job: job.id, owner: $0, epoch: 1) }
    }
  }

  package func commit(_ batch: [LeasedChange], at now: Timestamp) async throws(StoreError) -> Set<Lease> {
    guard !batch.isEmpty else { return [] }
    let billing = billing
    return try await write { db in
      var stale: Set<Lease> = []
      for leased in batch {
        let (lease, change) = (leased.lease, leased.change)
        let cost = change.job.cost(at: change.job.updatedAt, rule: billing(change.job.provider))
        guard change.job.id == lease.job, try JobRow.update(change.job, lease: lease, cost: cost, db) else {
          stale.insert(lease)
          continue
        }
        try EventRow.insert(change.events, db)
        try AlertRow.insert(change.alerts, at: now, db)
        for request in change.answered {
          try db.run("UPDATE requests SET answered_at = ? WHERE id = ? AND job = ? AND answered_at IS NULL") { row in
            row.add(now)
            row.add(request)
            row.add(lease.job.rawValue)
          }
        }
        // Nobody will look at a closed job again.
        if !change.job.isOpen {
          try db.run("UPDATE requests SET answered_at = ? WHERE job = ? AND answered_at IS NULL") { row in
            row.add(now)
            row.add(lease.job.rawValue)
          }
        }
      }
      return stale
    }
  }

  package func file(_ request: JobRequest) async throws(StoreError) {
    try await write { db in
      try RequestRow.requireJob(request.job, db)
      try RequestRow.insert(request, db)
    }
  }

  @discardableResult
  package func raise(_ alerts: [Alert], at now: Timestamp) async throws(StoreError) -> Int {
    try await write { db in try AlertRow.insert(alerts, at: now, db) }
  }

  package func cleanup(endedBefore moment: Timestamp, dryRun: Bool) async throws(StoreError) -> [JobID] {
    let select = """
      SELECT id FROM jobs WHERE state IN ('completed', 'failed', 'terminated') AND open = 0
        AND coalesce(ended_at, updated_at) < ? ORDER BY id
      """
    let find: @Sendable (Database) throws -> [JobID] = { db in
      try db.rows(select, { $0.add(moment) }, { row in JobID(try row.text()) }).compactMap { $0 }
    }
    let ids = try await read(find)
    guard !dryRun else { return ids }
    var removed: [JobID] = []
    // In parts, so that a watcher beside this is never kept from writing for long.
    for part in stride(from: 0, to: ids.count, by: Self.cleanupPart) {
      let ids = ids[part..<min(part + Self.cleanupPart, ids.count)]
      removed += try await write { db in
        try ids.filter { id in
          // Asked again, since the job may have been tried again meanwhile.
          let sql = "DELETE FROM jobs WHERE id = ? AND state IN ('completed', 'failed', 'terminated') AND open = 0"
          return try db.run(sql) { $0.add(id.rawValue) } == 1
        }
      }
    }
    // An alert that is still on its way is delivered first; a later cleanup takes it.
    _ = try await write { db in
      try db.run(
        """
        DELETE FROM alerts WHERE job IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = alerts.job)
          AND NOT EXISTS (SELECT 1 FROM deliveries WHERE alert = alerts.id AND state IN ('pending', 'waiting'))
        """)
    }
    return removed
  }

  /// How many jobs one transaction of a cleanup removes.
  private static let cleanupPart = 500
}

/// A wish as a row of `requests`.
enum RequestRow {
  static let selection = "SELECT id, job, kind, body, at FROM requests"

  static func read(_ row: inout RowReader) throws -> JobRequest {
    let id = try row.text()
    let text = try row.text()
    guard let job = JobID(text) else { throw RowDamage(message: "request \(id): “\(text)” is not a job id") }
    let kind = try row.text()
    let body = try row.text()
    guard kind == "terminate" else { throw RowDamage(message: "request \(id): “\(kind)” is not a kind of request") }
    let wish = try StoredJSON.value(TerminationWish.self, body, "request \(id)")
    return JobRequest(id: id, job: job, kind: .terminate(wish), at: try row.time())
  }

  static func requireJob(_ id: JobID, _ db: Database) throws {
    let exists = try db.row("SELECT 1 FROM jobs WHERE id = ?") {
      $0.add(id.rawValue)
    } _: { _ in
      true
    }
    guard exists == true else { throw StoreError.noSuchJob(id.rawValue) }
  }

  static func insert(_ request: JobRequest, _ db: Database) throws {
    let kind: String
    let body: String
    switch request.kind {
    case .terminate(let wish):
      kind = "terminate"
      body = try StoredJSON.text(wish)
    }
    try db.run(
      """
      INSERT INTO requests(id, job, kind, body, at, answered_at)
      VALUES (?1, ?2, ?3, ?4, ?5, (SELECT ?5 FROM jobs WHERE id = ?2 AND open = 0)) ON CONFLICT(id) DO NOTHING
      """
    ) { row in
      row.add(request.id)
      row.add(request.job.rawValue)
      row.add(kind)
      row.add(body)
      row.add(request.at)
    }
  }
}

extension StoreError {
  static func exists(_ id: JobID) -> StoreError {
    StoreError(.exists, "There is a job \(id) already", remedy: "Use another id.")
  }
}
