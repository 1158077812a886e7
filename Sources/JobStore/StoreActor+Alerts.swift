import GRDB
package import JobModel

extension StoreActor {
  package func park(channel: String, answer: String, at now: Timestamp) async throws(StoreError) -> Int {
    try await write { db in
      try db.run(
        """
        UPDATE deliveries SET state = 'dead', answer = ?, last_try_at = ? WHERE channel = ?
          AND state IN ('pending', 'waiting')
        """
      ) { row in
        row.add(answer)
        row.add(now)
        row.add(channel)
      }
    }
  }

  package func hurry(channel: String, at now: Timestamp) async throws(StoreError) {
    _ = try await write { db in
      try db.run(
        """
        UPDATE deliveries SET next_try_at = ?1 WHERE channel = ?2 AND state = 'pending' AND held IS NULL
          AND next_try_at > ?1
        """
      ) { row in
        row.add(now)
        row.add(channel)
      }
    }
  }

  package func firingAlerts() async throws(StoreError) -> [FiringAlert] {
    try await read { db in
      try db.rows(
        """
        SELECT \(AlertRow.alertSelection), a.acknowledged_at, a.acknowledged_by FROM alerts a
        WHERE a.status = 'firing' AND a.resolved_at IS NULL ORDER BY a.at DESC, a.id
        """
      ) { _ in
      } _: { row in
        FiringAlert(
          alert: try AlertRow.readAlert(&row), acknowledgedAt: try row.optionalTime(),
          acknowledgedBy: row.optionalText())
      }
    }
  }

  package func acknowledge(
    _ alerts: [String], by person: String, telling channels: Set<String>, at now: Timestamp
  ) async throws(StoreError) -> Int {
    try await write { db in
      var count = 0
      for alert in alerts {
        let changed = try db.run(
          """
          UPDATE alerts SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ? AND status = 'firing'
            AND resolved_at IS NULL AND acknowledged_at IS NULL
          """
        ) { row in
          row.add(now)
          row.add(person)
          row.add(alert)
        }
        guard changed > 0 else { continue }
        count += 1
        let firing = try db.rows("SELECT \(AlertRow.alertSelection) FROM alerts a WHERE a.id = ?") {
          $0.add(alert)
        } _: {
          try AlertRow.readAlert(&$0)
        }
        for one in firing { try AlertRow.acknowledge(one, by: person, telling: channels, at: now, db) }
      }
      return count
    }
  }

  package func repeatFiring(deliveredBefore moment: Timestamp, at now: Timestamp) async throws(StoreError) -> Int {
    try await write { db in
      try db.run(
        """
        UPDATE deliveries SET state = 'pending', repeats = repeats + 1, tries = 0, next_try_at = ?1, created_at = ?1
        WHERE state = 'delivered' AND last_try_at < ?2 AND alert IN (SELECT id FROM alerts
          WHERE status = 'firing' AND resolved_at IS NULL AND acknowledged_at IS NULL)
        """
      ) { row in
        row.add(now)
        row.add(moment)
      }
    }
  }

  package func silences(at now: Timestamp) async throws(StoreError) -> [Silence] {
    try await read { db in
      try db.rows(
        """
        SELECT id, labels, created_at, until_at, comment, created_by FROM silences WHERE until_at > ?
        ORDER BY until_at, id
        """
      ) {
        $0.add(now)
      } _: { row in
        Silence(
          id: try row.text(), labels: try StoredJSON.value([String: String].self, try row.text(), "a silence"),
          createdAt: try row.time(), until: try row.time(), comment: try row.text(), createdBy: try row.text())
      }
    }
  }

  package func put(_ silence: Silence) async throws(StoreError) {
    _ = try await write { db in
      let labels = try StoredJSON.text(silence.labels)
      try db.run(
        """
        INSERT OR REPLACE INTO silences(id, labels, created_at, until_at, comment, created_by) VALUES (?,?,?,?,?,?)
        """
      ) { row in
        row.add(silence.id)
        row.add(labels)
        row.add(silence.createdAt)
        row.add(silence.until)
        row.add(silence.comment)
        row.add(silence.createdBy)
      }
    }
  }

  package func endSilence(_ id: String, at now: Timestamp) async throws(StoreError) -> Bool {
    try await write { db in
      let ended = try db.run("UPDATE silences SET until_at = ?1 WHERE id = ?2 AND until_at > ?1") { row in
        row.add(now)
        row.add(id)
      }
      try db.run("UPDATE deliveries SET next_try_at = ? WHERE state = 'pending' AND held = ?") { row in
        row.add(now)
        row.add("silence \(id)")
      }
      return ended > 0
    }
  }
}
