import GRDB
package import JobModel

/// What came of taking over the jobs of a database of the Python tool.
package struct ImportReport: Sendable, Hashable {
  package var imported: [JobID] = []
  /// Jobs whose id is taken already; they were left as they are.
  package var skipped: [JobID] = []
  /// What could not be read as it should; nothing of it is lost, since the file itself stays.
  package var warnings: [String] = []
}

extension StoreActor {
  /// Adds the jobs of the Python tool's database at `file`, which is only read, to `store`.
  ///
  /// All of them are added, or none. Running it again adds nothing twice.
  package static func importLegacy(
    from file: String, into store: StoreActor, timeZone: @escaping @Sendable (CalendarTime) -> Int,
    now: Timestamp = DatabaseFile.wallClock()
  ) async throws(StoreError) -> ImportReport {
    let path = DatabaseFile.plain(file)
    let (jobs, warnings) = try await offPool { () throws(StoreError) in
      do {
        switch try FileKind.find(path, schema: .current) {
        case .legacy: break
        case .blank: throw StoreError.notFound(file)
        case .current, .older:
          throw StoreError(
            .foreign, "\(file) is a database of cloudjobs, not of the Python tool",
            remedy: "Use it as it is with --db \(file).")
        }
        guard case .database(let header) = try DatabaseFile.kind(of: path) else { throw StoreError.notADatabase(file) }
        let queue = try OpenedDatabase.openToPeek(path, header: header)
        defer { try? queue.close() }
        let legacy = try queue.read { try LegacyDatabase($0) }
        return (LegacyImport.jobs(legacy, timeZone: timeZone, now: now), legacy.warnings)
      } catch {
        throw StoreError.explain(error, path: file)
      }
    }
    let billing = store.billing
    return try await store.write { db in
      var report = try LegacyImport.insert(jobs, billing: billing, now: now, db)
      report.warnings = warnings + report.warnings
      return report
    }
  }
}

enum LegacyImport {
  static func jobs(
    _ legacy: LegacyDatabase, timeZone: @escaping (CalendarTime) -> Int, now: Timestamp
  ) -> [LegacyJob] {
    // The ids that are possible come first, so that a made-up one never takes another job's.
    var taken = Set(legacy.jobs.compactMap { $0["job_id"]?.string })
    return legacy.jobs.enumerated().map { number, row in
      let text = row["job_id"]?.string
      var id = text.flatMap { JobID($0) }
      if id == nil {
        let allowed = String((text ?? "").filter { JobID.isPrefix(String($0)) }.prefix(40))
        var suffix = number + 1
        repeat {
          id = JobID(allowed.isEmpty ? "imported-\(suffix)" : "\(allowed)-\(suffix)")
          suffix += legacy.jobs.count
        } while id.map { taken.contains($0.rawValue) } ?? false
      }
      // A text of allowed characters that is short enough always is an id.
      guard let id else { preconditionFailure("a made-up id is not an id") }
      taken.insert(id.rawValue)
      var job = LegacyJob(
        row, id: id, related: text.flatMap { legacy.related[$0] } ?? [:], timeZone: timeZone, now: now)
      if id.rawValue != text { job.warnings.append("job \(id): its id “\(text ?? "")” is not possible") }
      return job
    }
  }

  static func insert(
    _ jobs: [LegacyJob], billing: (ProviderName) -> BillingRule, now: Timestamp, _ db: Database
  ) throws -> ImportReport {
    var report = ImportReport()
    for legacy in jobs {
      let job = legacy.job
      let cost = job.cost(at: job.updatedAt, rule: billing(job.provider))
      guard try JobRow.insert(job, owner: nil, cost: cost, db) else {
        report.skipped.append(job.id)
        continue
      }
      try EventRow.insert(legacy.events, db)
      report.imported.append(job.id)
      report.warnings += legacy.warnings
    }
    return report
  }
}
