import GRDB
package import JobModel

extension StoreActor {
  package func job(_ id: JobID) async throws(StoreError) -> Job? {
    try await read { db in
      try db.row(JobRow.selection + " WHERE j.id = ?") {
        $0.add(id.rawValue)
      } _: {
        try JobRow.read(&$0)
      }
    }
  }

  package func ids(prefix: String, limit: Int) async throws(StoreError) -> [JobID] {
    guard prefix.isEmpty || JobID.isPrefix(prefix) else { return [] }
    return try await read { db in
      // No id has a character as high as this one, so the range is exactly the ids with the prefix.
      try db.rows("SELECT id FROM jobs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?") { row in
        row.add(prefix)
        row.add(prefix + "\u{10FFFF}")
        row.add(max(0, limit))
      } _: {
        JobID(try $0.text())
      }.compactMap { $0 }
    }
  }

  package func jobs(_ query: JobQuery) async throws(StoreError) -> [Job] {
    let filter = JobFilter(query)
    return try await read { db in
      try db.rows(JobRow.selection + filter.sql + " ORDER BY j.created_at DESC, j.id DESC LIMIT ?") { row in
        filter.bind(&row)
        row.add(query.limit.map { max(0, $0) } ?? -1)
      } _: {
        try JobRow.read(&$0)
      }
    }
  }

  package func summary(_ query: JobQuery) async throws(StoreError) -> [SummaryRow] {
    let filter = JobFilter(query)
    return try await read { db in
      // Two sums, since one sum of all units could leave 64 bits, which SQLite makes an error.
      try db.rows(
        "SELECT j.state, j.provider, count(*), sum(j.cost / 3600), sum(j.cost % 3600) FROM jobs j" + filter.sql
          + " GROUP BY j.state, j.provider ORDER BY j.state, j.provider", filter.bind
      ) { row in
        SummaryRow(
          state: try row.value(), provider: ProviderName(rawValue: try row.text()), count: Int(clamping: try row.int()),
          cost: Money(microdollars: try row.int()) + Money(units: try row.int()))
      }
    }
  }

  package func regions(provider: ProviderName, endedSince moment: Timestamp) async throws(StoreError) -> [String] {
    try await read { db in
      try db.rows(
        """
        SELECT a.region FROM attempts a JOIN jobs j ON j.id = a.job
        WHERE j.provider = ?1 AND (j.open = 1 OR j.ended_at >= ?2) AND a.region IS NOT NULL
        UNION
        SELECT json_extract(j.spec, '$.region') FROM jobs j
        WHERE j.provider = ?1 AND j.open = 1 AND json_extract(j.spec, '$.region') IS NOT NULL
        """
      ) {
        $0.add(provider.rawValue)
        $0.add(moment)
      } _: {
        try $0.text()
      }
    }
  }

  package func events(of job: JobID, after last: Int64, limit: Int?) async throws(StoreError) -> [StoredEvent] {
    try await read { db in
      try db.rows(EventRow.selection + " WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?") { row in
        row.add(job.rawValue)
        row.add(last)
        row.add(limit.map { max(0, $0) } ?? -1)
      } _: {
        try EventRow.read(&$0)
      }
    }
  }

  package func recentEvents(limit: Int) async throws(StoreError) -> [StoredEvent] {
    try await read { db in
      try db.rows(EventRow.selection + " ORDER BY seq DESC LIMIT ?") {
        $0.add(max(0, limit))
      } _: {
        try EventRow.read(&$0)
      }
    }
  }

  package func syncs(of job: JobID, limit: Int) async throws(StoreError) -> [SyncRecord] {
    try await read { db in
      try db.rows(SyncRow.selection + " WHERE job = ? ORDER BY attempt DESC, at DESC LIMIT ?") { row in
        row.add(job.rawValue)
        row.add(max(0, limit))
      } _: {
        try SyncRow.read(&$0)
      }
    }
  }

  package func openRequests(of job: JobID?) async throws(StoreError) -> [JobRequest] {
    try await read { db in
      let filter = " WHERE answered_at IS NULL" + (job == nil ? "" : " AND job = ?") + " ORDER BY at, id"
      return try db.rows(RequestRow.selection + filter) { row in
        if let job { row.add(job.rawValue) }
      } _: {
        try RequestRow.read(&$0)
      }
    }
  }
}

/// The WHERE clause of a query for jobs.
private struct JobFilter: Sendable {
  let sql: String
  private let query: JobQuery

  init(_ query: JobQuery) {
    self.query = query
    var terms: [String] = []
    if !query.states.isEmpty {
      terms.append("j.state IN (" + query.states.map { _ in "?" }.joined(separator: ",") + ")")
    }
    if query.provider != nil { terms.append("j.provider = ?") }
    if query.name != nil { terms.append("instr(j.folded_name, ?) > 0") }
    if query.createdSince != nil { terms.append("j.created_at >= ?") }
    if query.openOnly { terms.append("j.open = 1") }
    sql = terms.isEmpty ? "" : " WHERE " + terms.joined(separator: " AND ")
  }

  func bind(_ row: inout Binder) {
    for state in query.states { row.add(state.rawValue) }
    if let provider = query.provider { row.add(provider.rawValue) }
    if let name = query.name { row.add(JobRow.fold(name)) }
    if let since = query.createdSince { row.add(since) }
  }
}
