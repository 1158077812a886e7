import GRDB
package import JobModel

extension StoreActor {
  package func dueDeliveries(
    through channel: String, at now: Timestamp, limit: Int
  ) async throws(StoreError) -> [Delivery] {
    try await read { db in
      try db.rows(
        AlertRow.deliverySelection
          + " WHERE d.state = 'pending' AND d.channel = ? AND d.next_try_at <= ? ORDER BY d.next_try_at, d.id LIMIT ?"
      ) { row in
        row.add(channel)
        row.add(now)
        row.add(max(0, limit))
      } _: {
        try AlertRow.readDelivery(&$0)
      }
    }
  }

  package func nextDeliveries() async throws(StoreError) -> [String: Timestamp] {
    try await read { db in
      // From channel to channel along the index, however many deliveries wait in each.
      let rows = try db.rows(
        """
        WITH RECURSIVE waiting(channel) AS (
          SELECT min(channel) FROM deliveries WHERE state = 'pending'
          UNION ALL SELECT (SELECT min(d.channel) FROM deliveries d WHERE d.state = 'pending' AND d.channel > w.channel)
            FROM waiting w WHERE w.channel IS NOT NULL)
        SELECT w.channel, (SELECT min(d.next_try_at) FROM deliveries d WHERE d.state = 'pending' AND d.channel = w.channel)
        FROM waiting w WHERE w.channel IS NOT NULL
        """
      ) { _ in
      } _: {
        (try $0.text(), try $0.time())
      }
      return Dictionary(rows, uniquingKeysWith: min)
    }
  }

  package func settle(_ outcomes: [DeliveryOutcome]) async throws(StoreError) {
    guard !outcomes.isEmpty else { return }
    try await write { db in
      for outcome in outcomes {
        let state: Delivery.State
        var next: Timestamp?
        switch outcome.result {
        case .delivered: state = .delivered
        case .dead: state = .dead
        case .retry(let at):
          state = .pending
          next = at
        case .held(let until):
          try Self.hold(outcome, until, db)
          continue
        }
        try db.run(
          """
          UPDATE deliveries SET state = ?, tries = tries + 1, next_try_at = coalesce(?, next_try_at), last_try_at = ?,
            answer = ?, held = NULL WHERE id = ? AND state = 'pending'
          """
        ) { row in
          row.add(state.rawValue)
          row.add(next)
          row.add(outcome.at)
          row.add(outcome.answer)
          row.add(outcome.delivery)
        }
        if state != .pending { try Self.release(after: outcome, db) }
      }
    }
  }

  /// It was not tried, so its tries and its last answer stay.
  private static func hold(_ outcome: DeliveryOutcome, _ until: Timestamp, _ db: Database) throws {
    try db.run("UPDATE deliveries SET next_try_at = ?, held = ? WHERE id = ? AND state = 'pending'") { row in
      row.add(until)
      row.add(outcome.answer)
      row.add(outcome.delivery)
    }
  }

  /// The end of a condition may go when its beginning has gone, or never will.
  private static func release(after outcome: DeliveryOutcome, _ db: Database) throws {
    try db.run(
      """
      UPDATE deliveries SET state = 'pending', next_try_at = ?1 WHERE state = 'waiting'
        AND (incident, channel) = (SELECT alert, channel FROM deliveries WHERE id = ?2)
      """
    ) { row in
      row.add(outcome.at)
      row.add(outcome.delivery)
    }
  }

  package func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [Delivery] {
    var terms: [String] = []
    if !query.states.isEmpty {
      terms.append("d.state IN (" + query.states.map { _ in "?" }.joined(separator: ",") + ")")
    }
    if query.job != nil { terms.append("a.job = ?") }
    if query.channel != nil { terms.append("d.channel = ?") }
    let filter = terms.isEmpty ? "" : " WHERE " + terms.joined(separator: " AND ")
    return try await read { db in
      try db.rows(AlertRow.deliverySelection + filter + " ORDER BY d.id DESC LIMIT ?") { row in
        for state in query.states { row.add(state.rawValue) }
        if let job = query.job { row.add(job.rawValue) }
        if let channel = query.channel { row.add(channel) }
        row.add(query.limit.map { max(0, $0) } ?? -1)
      } _: {
        try AlertRow.readDelivery(&$0)
      }
    }
  }

  package func resend(_ ids: [Int64]?, at now: Timestamp) async throws(StoreError) -> Int {
    // Tries and age begin anew, or the first failure would give it up again.
    let sql =
      "UPDATE deliveries SET state = 'pending', tries = 0, created_at = ?1, next_try_at = ?1 WHERE state = 'dead'"
    return try await write { db in
      guard let ids else { return try db.run(sql) { $0.add(now) } }
      var count = 0
      for id in Set(ids) {
        count += try db.run(sql + " AND id = ?2") { row in
          row.add(now)
          row.add(id)
        }
      }
      return count
    }
  }
}
