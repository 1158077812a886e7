import JobModel
import JobStore
import Synchronization

/// A store in memory whose disk is full when the test says so.
final class FailingStore: Store {
  private let inner = MemoryStore()
  private let fails = Atomic(false)

  /// Whether outcomes of deliveries can't be written.
  var settleFails: Bool {
    get { fails.load(ordering: .sequentiallyConsistent) }
    set { fails.store(newValue, ordering: .sequentiallyConsistent) }
  }

  func settle(_ outcomes: [DeliveryOutcome]) async throws(StoreError) {
    if settleFails { throw StoreError(.full, "The disk is full", remedy: "Make room.") }
    try await inner.settle(outcomes)
  }

  func acquire(_ holder: Holder, ttl: Duration, at now: Timestamp) async throws(StoreError) {
    try await inner.acquire(holder, ttl: ttl, at: now)
  }
  func renew(_ owner: OwnerID, ttl: Duration, at now: Timestamp) async throws(StoreError) -> Bool {
    try await inner.renew(owner, ttl: ttl, at: now)
  }
  func release(_ owner: OwnerID) async throws(StoreError) { try await inner.release(owner) }
  func release(_ leases: [Lease]) async throws(StoreError) { try await inner.release(leases) }
  func holders() async throws(StoreError) -> [Holder] { try await inner.holders() }
  func claim(_ owner: OwnerID, jobs: [JobID]?, limit: Int, at now: Timestamp) async throws(StoreError) -> [Claim] {
    try await inner.claim(owner, jobs: jobs, limit: limit, at: now)
  }
  @discardableResult
  func insert(_ job: Job, events: [Event], owner: OwnerID?, at now: Timestamp) async throws(StoreError) -> Lease? {
    try await inner.insert(job, events: events, owner: owner, at: now)
  }
  func commit(_ batch: [LeasedChange], at now: Timestamp) async throws(StoreError) -> Set<Lease> {
    try await inner.commit(batch, at: now)
  }
  func file(_ request: JobRequest) async throws(StoreError) { try await inner.file(request) }
  @discardableResult
  func raise(_ alerts: [Alert], at now: Timestamp) async throws(StoreError) -> Int {
    try await inner.raise(alerts, at: now)
  }
  func cleanup(endedBefore moment: Timestamp, dryRun: Bool) async throws(StoreError) -> [JobID] {
    try await inner.cleanup(endedBefore: moment, dryRun: dryRun)
  }
  func job(_ id: JobID) async throws(StoreError) -> Job? { try await inner.job(id) }
  func ids(prefix: String, limit: Int) async throws(StoreError) -> [JobID] {
    try await inner.ids(prefix: prefix, limit: limit)
  }
  func jobs(_ query: JobQuery) async throws(StoreError) -> [Job] { try await inner.jobs(query) }
  func regions(provider: ProviderName, endedSince moment: Timestamp) async throws(StoreError) -> [String] {
    try await inner.regions(provider: provider, endedSince: moment)
  }
  func summary(_ query: JobQuery) async throws(StoreError) -> [SummaryRow] { try await inner.summary(query) }
  func events(of job: JobID, after last: Int64, limit: Int?) async throws(StoreError) -> [StoredEvent] {
    try await inner.events(of: job, after: last, limit: limit)
  }
  func recentEvents(limit: Int) async throws(StoreError) -> [StoredEvent] { try await inner.recentEvents(limit: limit) }
  func syncs(of job: JobID, limit: Int) async throws(StoreError) -> [SyncRecord] {
    try await inner.syncs(of: job, limit: limit)
  }
  func databaseID() async throws(StoreError) -> String { try await inner.databaseID() }
  func charges(since moment: Timestamp) async throws(StoreError) -> [AttemptCharge] {
    try await inner.charges(since: moment)
  }
  func openRequests(of job: JobID?) async throws(StoreError) -> [JobRequest] { try await inner.openRequests(of: job) }
  func foreignVersion() async throws(StoreError) -> Int64 { try await inner.foreignVersion() }
  func dueDeliveries(
    through channel: String, at now: Timestamp, limit: Int
  ) async throws(StoreError) -> [Delivery] {
    try await inner.dueDeliveries(through: channel, at: now, limit: limit)
  }
  func nextDeliveries() async throws(StoreError) -> [String: Timestamp] { try await inner.nextDeliveries() }
  func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [Delivery] { try await inner.deliveries(query) }
  func resend(_ ids: [Int64]?, at now: Timestamp) async throws(StoreError) -> Int {
    try await inner.resend(ids, at: now)
  }
  func park(channel: String, answer: String, at now: Timestamp) async throws(StoreError) -> Int {
    try await inner.park(channel: channel, answer: answer, at: now)
  }
  func hurry(channel: String, at now: Timestamp) async throws(StoreError) {
    try await inner.hurry(channel: channel, at: now)
  }
  func firingAlerts() async throws(StoreError) -> [FiringAlert] { try await inner.firingAlerts() }
  func acknowledge(
    _ alerts: [String], by person: String, telling channels: Set<String>, at now: Timestamp
  ) async throws(StoreError) -> Int {
    try await inner.acknowledge(alerts, by: person, telling: channels, at: now)
  }
  func repeatFiring(deliveredBefore moment: Timestamp, at now: Timestamp) async throws(StoreError) -> Int {
    try await inner.repeatFiring(deliveredBefore: moment, at: now)
  }
  func silences(at now: Timestamp) async throws(StoreError) -> [Silence] { try await inner.silences(at: now) }
  func put(_ silence: Silence) async throws(StoreError) { try await inner.put(silence) }
  func endSilence(_ id: String, at now: Timestamp) async throws(StoreError) -> Bool {
    try await inner.endSilence(id, at: now)
  }
  func close() async { await inner.close() }
}
