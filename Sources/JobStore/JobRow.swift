import GRDB
import JobModel

/// A job as rows of `jobs`, `attempts` and `price_segments`.
enum JobRow {
  /// The price segments of attempt `a` as one text, so that no attempt needs a second query.
  static let segmentsColumn = """
    (SELECT group_concat(from_at || ' ' || price, ' ') FROM (
      SELECT from_at, price FROM price_segments WHERE job = a.job AND attempt = a.number ORDER BY position))
    """

  /// What `read` expects, in its order.
  static let selection = """
    SELECT j.id, j.provider, j.spec, j.created_at, j.budget_limit, j.budget_action, j.budget_percents, j.state,
      j.reason, j.message, j.updated_at, j.started_at, j.ended_at, j.earlier_cost, j.wish_reason, j.wish_message,
      j.wish_at, j.wish_final_sync, j.wish_tries, j.crossed, j.revision, j.epoch,
      a.number, a.token, a.requested_at, a.instance_id, a.instance_type, a.region, a.zone, a.public_ip, a.private_ip,
      a.spot_request_id, a.instance_state, a.launched_at, a.ended_at, a.seen_at, a.absent_since, a.unreachable_since,
      a.heartbeat_at, a.heartbeat_lost, a.phase, a.exit_code, a.synced_at, a.sync, a.host_key,
      \(segmentsColumn)
    FROM jobs j LEFT JOIN attempts a ON a.job = j.id AND a.number = j.attempt
    """

  static func read(_ row: inout RowReader) throws -> Job { try readWithEpoch(&row).job }

  static func readWithEpoch(_ row: inout RowReader) throws -> (job: Job, epoch: Int64) {
    let text = try row.text()
    guard let id = JobID(text) else { throw RowDamage(message: "“\(text)” is not a job id") }
    do {
      return try read(id, &row)
    } catch let damage as RowDamage {
      throw RowDamage(message: "job \(id): \(damage.message)")
    }
  }

  private static func read(_ id: JobID, _ row: inout RowReader) throws -> (job: Job, epoch: Int64) {
    let provider = ProviderName(rawValue: try row.text())
    let spec = try StoredJSON.value(JobSpec.self, try row.text(), "its spec")
    let createdAt = try row.time()
    var job = Job(id: id, provider: provider, spec: spec, budget: nil, createdAt: createdAt)
    let limit = try row.optionalInt(in: 0...(.max / 10))
    let action: Budget.Action? = try row.optionalValue()
    let percents = row.optionalText() ?? ""
    if let limit {
      let numbers = percents.split(separator: ",").map { Int($0) ?? 0 }
      guard numbers.allSatisfy((1...1000).contains) else {
        throw RowDamage(message: "“\(percents)” are no percentages")
      }
      job.budget = Budget(limit: Money(units: limit), action: action ?? .alert, percents: numbers)
    }
    job.state = try row.value()
    job.reason = try row.optionalValue()
    job.message = row.optionalText()
    job.updatedAt = try row.time()
    job.startedAt = try row.optionalTime()
    job.endedAt = try row.optionalTime()
    job.earlierCost = Money(units: try row.int(in: 0...(.max)))
    job.wish = try readWish(&row)
    job.crossed = try row.text().split(separator: "\n").map(String.init)
    job.revision = try row.int()
    let epoch = try row.int()
    job.attempt = try readAttempt(id, &row)
    return (job, epoch)
  }

  private static func readWish(_ row: inout RowReader) throws -> TerminationWish? {
    let reason: Reason? = try row.optionalValue()
    let message = row.optionalText()
    let at = try row.optionalTime()
    let finalSync = row.optionalInt()
    let tries = row.optionalInt()
    guard let reason, let at else { return nil }
    return TerminationWish(
      reason: reason, message: message, at: at, finalSync: finalSync != 0, tries: Int(clamping: tries ?? 0))
  }

  private static func readAttempt(_ id: JobID, _ row: inout RowReader) throws -> Attempt {
    guard let number = try row.optionalInt(in: 0...1_000_000_000) else {
      throw RowDamage(message: "its attempt is missing")
    }
    let token = try row.text()
    var attempt = Attempt(job: id, number: Int(clamping: number), requestedAt: try row.time())
    attempt.token = token
    let instanceID = row.optionalText()
    var instance = Instance(id: instanceID ?? "", type: row.optionalText() ?? "", region: row.optionalText() ?? "")
    instance.zone = row.optionalText()
    instance.publicIP = row.optionalText()
    instance.privateIP = row.optionalText()
    instance.spotRequestID = row.optionalText()
    attempt.instance = instanceID == nil ? nil : instance
    attempt.instanceState = try row.optionalValue()
    attempt.launchedAt = try row.optionalTime()
    attempt.endedAt = try row.optionalTime()
    attempt.seenAt = try row.optionalTime()
    attempt.absentSince = try row.optionalTime()
    attempt.unreachableSince = try row.optionalTime()
    attempt.heartbeatAt = try row.optionalTime()
    attempt.heartbeatLost = try row.bool()
    attempt.phase = try row.optionalValue()
    attempt.exitCode = row.optionalInt().map { Int(clamping: $0) }
    attempt.syncedAt = try row.optionalTime()
    // The next beacon brings it again: no reason to lose the job.
    attempt.sync = row.optionalText().flatMap { try? StoredJSON.value(SyncReport.self, $0, "its latest copy") }
    attempt.hostKey = row.optionalText().flatMap(HostKey.init)
    attempt.segments = try segments(row.optionalText())
    return attempt
  }

  static func segments(_ text: String?) throws(RowDamage) -> [PriceSegment] {
    guard let text else { return [] }
    let numbers = text.split(separator: " ").map { Int64($0) }
    guard numbers.count.isMultiple(of: 2),
      numbers.allSatisfy({ (-1_000_000_000_000_000...1_000_000_000_000_000).contains($0 ?? .max) })
    else { throw RowDamage(message: "its price segments can't be read") }
    return stride(from: 0, to: numbers.count, by: 2).map { index in
      PriceSegment(
        from: Timestamp(rawValue: numbers[index] ?? 0),
        price: HourlyPrice(microdollars: max(0, numbers[index + 1] ?? 0)))
    }
  }

  // MARK: Writing

  /// Inserts the job with its attempt and its history; false if the id is taken.
  static func insert(_ job: Job, owner: OwnerID?, cost: Money, _ db: Database) throws -> Bool {
    let spec = try StoredJSON.text(job.spec)
    let inserted = try db.run(
      """
      INSERT INTO jobs(id, provider, name, folded_name, spec, created_at, budget_limit, budget_action, budget_percents,
        state, reason, message, updated_at, started_at, ended_at, attempt, earlier_cost, cost, wish_reason,
        wish_message, wish_at, wish_final_sync, wish_tries, crossed, open, revision, owner, epoch)
      VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING
      """
    ) { row in
      row.add(job.id.rawValue)
      row.add(job.provider.rawValue)
      row.add(job.spec.name)
      row.add(fold(job.spec.name))
      row.add(spec)
      row.add(job.createdAt)
      bindVolatile(job, cost, &row)
      row.add(job.revision)
      row.add(owner?.rawValue)
      row.add(owner == nil ? 0 : 1)
    }
    guard inserted == 1 else { return false }
    try writeAttempt(job, db)
    return true
  }

  /// Writes what may change, if the lease is still good.
  static func update(_ job: Job, lease: Lease, cost: Money, _ db: Database) throws -> Bool {
    let updated = try db.run(
      """
      UPDATE jobs SET budget_limit = ?, budget_action = ?, budget_percents = ?, state = ?, reason = ?, message = ?,
        updated_at = ?, started_at = ?, ended_at = ?, attempt = ?, earlier_cost = ?, cost = ?, wish_reason = ?,
        wish_message = ?, wish_at = ?, wish_final_sync = ?, wish_tries = ?, crossed = ?, open = ?,
        revision = revision + 1
      WHERE id = ? AND owner = ? AND epoch = ?
      """
    ) { row in
      bindVolatile(job, cost, &row)
      row.add(lease.job.rawValue)
      row.add(lease.owner.rawValue)
      row.add(lease.epoch)
    }
    guard updated == 1 else { return false }
    try writeAttempt(job, db)
    return true
  }

  private static func bindVolatile(_ job: Job, _ cost: Money, _ row: inout Binder) {
    row.add(job.budget?.limit)
    row.add(job.budget?.action.rawValue)
    row.add(job.budget.map { $0.percents.map(String.init).joined(separator: ",") })
    row.add(job.state.rawValue)
    row.add(job.reason?.rawValue)
    row.add(job.message)
    row.add(job.updatedAt)
    row.add(job.startedAt)
    row.add(job.endedAt)
    row.add(job.attempt.number)
    row.add(job.earlierCost)
    row.add(cost)
    row.add(job.wish?.reason.rawValue)
    row.add(job.wish?.message)
    row.add(job.wish?.at)
    row.add((job.wish?.finalSync).map { $0 ? 1 : 0 as Int64 })
    row.add(job.wish?.tries)
    row.add(job.crossed.isEmpty ? "" : job.crossed.joined(separator: "\n"))
    row.add(job.isOpen)
  }

  private static func writeAttempt(_ job: Job, _ db: Database) throws {
    let attempt = job.attempt
    let sync = try attempt.sync.map { try StoredJSON.text($0) }
    try db.run(
      """
      INSERT INTO attempts(job, number, token, requested_at, instance_id, instance_type, region, zone, public_ip,
        private_ip, spot_request_id, instance_state, launched_at, ended_at, seen_at, absent_since, unreachable_since,
        heartbeat_at, heartbeat_lost, phase, exit_code, synced_at, sync, host_key)
      VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
      ON CONFLICT(job, number) DO UPDATE SET token = excluded.token, requested_at = excluded.requested_at,
        instance_id = excluded.instance_id, instance_type = excluded.instance_type, region = excluded.region,
        zone = excluded.zone, public_ip = excluded.public_ip, private_ip = excluded.private_ip,
        spot_request_id = excluded.spot_request_id, instance_state = excluded.instance_state,
        launched_at = excluded.launched_at, ended_at = excluded.ended_at, seen_at = excluded.seen_at,
        absent_since = excluded.absent_since, unreachable_since = excluded.unreachable_since,
        heartbeat_at = excluded.heartbeat_at, heartbeat_lost = excluded.heartbeat_lost, phase = excluded.phase,
        exit_code = excluded.exit_code, synced_at = excluded.synced_at,
        sync = excluded.sync, host_key = excluded.host_key
      """
    ) { row in
      row.add(job.id.rawValue)
      row.add(attempt.number)
      row.add(attempt.token)
      row.add(attempt.requestedAt)
      let instance = attempt.instance
      row.add(instance?.id)
      row.add(instance?.type)
      row.add(instance?.region)
      row.add(instance?.zone)
      row.add(instance?.publicIP)
      row.add(instance?.privateIP)
      row.add(instance?.spotRequestID)
      row.add(attempt.instanceState?.rawValue)
      row.add(attempt.launchedAt)
      row.add(attempt.endedAt)
      row.add(attempt.seenAt)
      row.add(attempt.absentSince)
      row.add(attempt.unreachableSince)
      row.add(attempt.heartbeatAt)
      row.add(attempt.heartbeatLost)
      row.add(attempt.phase?.rawValue)
      row.add(attempt.exitCode)
      row.add(attempt.syncedAt)
      row.add(sync)
      row.add(attempt.hostKey?.text)
    }
    try SyncRow.write(job, db)
    try writeSegments(job, db)
  }

  /// Prices change rarely: what is there already is compared, and only a difference is written.
  private static func writeSegments(_ job: Job, _ db: Database) throws {
    let segments = job.attempt.segments
    let number = job.attempt.number
    let stored = try db.rows(
      "SELECT from_at, price FROM price_segments WHERE job = ? AND attempt = ? ORDER BY position"
    ) { row in
      row.add(job.id.rawValue)
      row.add(number)
    } _: { row in
      PriceSegment(
        from: Timestamp(rawValue: row.optionalInt() ?? .min), price: HourlyPrice(microdollars: row.optionalInt() ?? -1))
    }
    for (position, segment) in segments.enumerated() where position >= stored.count || stored[position] != segment {
      try db.run("INSERT OR REPLACE INTO price_segments(job, attempt, position, from_at, price) VALUES (?,?,?,?,?)") {
        row in
        row.add(job.id.rawValue)
        row.add(number)
        row.add(position)
        row.add(segment.from)
        row.add(segment.price.microdollars)
      }
    }
    if stored.count > segments.count {
      try db.run("DELETE FROM price_segments WHERE job = ? AND attempt = ? AND position >= ?") { row in
        row.add(job.id.rawValue)
        row.add(number)
        row.add(segments.count)
      }
    }
  }

  /// How names are compared, in the same way by every engine.
  static func fold(_ name: String) -> String { name.lowercased() }
}
