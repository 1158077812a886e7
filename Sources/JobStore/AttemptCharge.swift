import GRDB
package import JobModel

/// What one attempt of a job is charged by.
package struct AttemptCharge: Sendable, Hashable {
  package var job: JobID
  package var attempt: Int
  package var provider: ProviderName
  package var launchedAt: Timestamp
  /// Nil while the instance is not known to be gone.
  package var endedAt: Timestamp?
  /// The last time the provider knew the instance.
  package var seenAt: Timestamp?
  package var segments: [PriceSegment]

  /// The attempt as part of a spend. It is charged up to when it was last known to exist: nobody knows whether an
  /// instance went on while nobody watched.
  package func item(billing: BillingRule) -> Spend.Item {
    Spend.Item(
      job: job, provider: provider, charge: Charge(start: launchedAt, segments: segments, rule: billing),
      until: endedAt ?? max(seenAt ?? launchedAt, launchedAt), isLive: endedAt == nil)
  }
}

extension StoreActor {
  package func databaseID() async throws(StoreError) -> String {
    try await read { db in
      try db.row("SELECT id FROM identity") { _ in
      } _: {
        try $0.text()
      } ?? ""
    }
  }

  package func charges(since moment: Timestamp) async throws(StoreError) -> [AttemptCharge] {
    // Two queries in one, since SQLite would not use the index for "or".
    let part = """
      SELECT a.job, a.number, j.provider, a.launched_at, a.ended_at, a.seen_at, \(JobRow.segmentsColumn)
      FROM attempts a JOIN jobs j ON j.id = a.job WHERE a.launched_at IS NOT NULL AND a.ended_at
      """
    return try await read { db in
      try db.rows("\(part) IS NULL UNION ALL \(part) >= ? ORDER BY 1, 2") {
        $0.add(moment)
      } _: { row -> AttemptCharge? in
        let job = JobID(try row.text())
        let attempt = Int(clamping: try row.int())
        let provider = ProviderName(rawValue: try row.text())
        let (launched, ended, seen) = (try row.time(), try row.optionalTime(), try row.optionalTime())
        let segments = try JobRow.segments(row.optionalText())
        return job.map {
          AttemptCharge(
            job: $0, attempt: attempt, provider: provider, launchedAt: launched, endedAt: ended, seenAt: seen,
            segments: segments)
        }
      }.compactMap { $0 }
    }
  }
}
