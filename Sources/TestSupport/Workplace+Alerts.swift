package import JobModel
internal import JobStore

extension Workplace {
  /// Writes alerts into the database, as a supervisor would.
  package func raise(_ alerts: [Alert]) async throws {
    let store = try await StoreActor.open(StoreOptions(path: path("cloud_jobs.db")))
    try await store.raise(alerts, at: alerts.first?.at ?? Timestamp(seconds: 0))
    await store.close()
  }
}
