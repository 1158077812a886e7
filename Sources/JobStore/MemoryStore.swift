package import JobModel

/// The store in memory: the reference that the other engines are compared with, and a store for tests of other rooms.
package actor MemoryStore: Store {
  struct Row {
    var job: Job
    var cost: Money
    var owner: OwnerID?
    var epoch: Int64
  }

  private struct StoredRequest {
    var request: JobRequest
    var answered = false
  }

  private let billing: @Sendable (ProviderName) -> BillingRule
  var rows: [JobID: Row] = [:]
  private var leases: [OwnerID: Holder] = [:]
  private var log: [StoredEvent] = []
  private var lastEvent: Int64 = 0
  private var attempts: [JobID: [Int: Attempt]] = [:]
  private var copies: [JobID: [SyncRecord]] = [:]
  private var requests: [String: StoredRequest] = [:]
  var alerts: [String: Alert] = [:]
  var outbox: [Int64: Delivery] = [:]
  var acknowledged: [String: (at: Timestamp, person: String)] = [:]
  var quiet: [String: Silence] = [:]
  /// When alerts that fired were resolved, by their ids.
  var ends: [String: Timestamp] = [:]
  var lastDelivery: Int64 = 0
  private var isClosed = false

  package init(billing: @escaping @Sendable (ProviderName) -> BillingRule = { _ in .perSecond }) {
    self.billing = billing
  }

  func open() throws(StoreError) {
    if isClosed { throw StoreError.closed("in memory") }
  }

  // MARK: Leases

  package func acquire(_ holder: Holder, ttl: Duration, at now: Timestamp) async throws(StoreError) {
    try open()
    if holder.role == .watch {
      let others = leases.values.filter { $0.role == .watch && $0.owner != holder.owner }
      if let live = others.first(where: { $0.expiresAt >= now }) { throw StoreError.held("in memory", by: live) }
      for other in others { leases[other.owner] = nil }
    }
    leases = leases.filter { $0.key == holder.owner || $0.value.expiresAt >= now - LeaseRow.forgottenAfter }
    var entered = holder
    entered.acquiredAt = now
    entered.expiresAt = now + ttl
    leases[holder.owner] = entered
  }

  package func renew(_ owner: OwnerID, ttl: Duration, at now: Timestamp) async throws(StoreError) -> Bool {
    try open()
    leases[owner]?.expiresAt = now + ttl
    return leases[owner] != nil
  }

  package func release(_ owner: OwnerID) async throws(StoreError) {
    try open()
    for (id, row) in rows where row.owner == owner { rows[id]?.owner = nil }
    leases[owner] = nil
  }

  package func holders() async throws(StoreError) -> [Holder] {
    try open()
    return leases.values.sorted { ($0.acquiredAt, $0.owner.rawValue) < ($1.acquiredAt, $1.owner.rawValue) }
  }

  package func claim(
    _ owner: OwnerID, jobs: [JobID]?, limit: Int, at now: Timestamp
  ) async throws(StoreError) -> [Claim] {
    try open()
    guard let lease = leases[owner], lease.expiresAt >= now else { return [] }
    let ids: [JobID]
    if let jobs {
      var seen: Set<JobID> = []
      ids = jobs.filter { seen.insert($0).inserted && isClaimable($0, at: now) }
    } else {
      let open = rows.values.filter { $0.job.isOpen }.map(\.job)
        .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
      ids = Array(open.lazy.map(\.id).filter { self.isClaimable($0, at: now) }.prefix(max(0, limit)))
    }
    return ids.compactMap { id in
      guard var row = rows[id] else { return nil }
      row.owner = owner
      row.epoch += 1
      rows[id] = row
      return Claim(lease: Lease(job: id, owner: owner, epoch: row.epoch), job: row.job)
    }
  }

  private func isClaimable(_ id: JobID, at now: Timestamp) -> Bool {
    guard let row = rows[id], row.job.isOpen else { return false }
    guard let owner = row.owner, let lease = leases[owner] else { return true }
    return lease.expiresAt < now
  }

  package func release(_ leases: [Lease]) async throws(StoreError) {
    try open()
    for lease in leases where isGood(lease) { rows[lease.job]?.owner = nil }
  }

  private func isGood(_ lease: Lease) -> Bool {
    guard let row = rows[lease.job] else { return false }
    return row.owner == lease.owner && row.epoch == lease.epoch
  }

  // MARK: Writes

  @discardableResult
  package func insert(
    _ job: Job, events: [Event], owner: OwnerID?, at now: Timestamp
  ) async throws(StoreError) -> Lease? {
    try open()
    guard rows[job.id] == nil else { throw StoreError.exists(job.id) }
    let cost = job.cost(at: now, rule: billing(job.provider))
    rows[job.id] = Row(job: job, cost: cost, owner: owner, epoch: owner == nil ? 0 : 1)
    append(events)
    remember(job)
    attempts[job.id] = [job.attempt.number: job.attempt]
    return owner.map { Lease(job: job.id, owner: $0, epoch: 1) }
  }

  package func commit(_ batch: [LeasedChange], at now: Timestamp) async throws(StoreError) -> Set<Lease> {
    try open()
    var stale: Set<Lease> = []
    for leased in batch {
      guard leased.change.job.id == leased.lease.job, isGood(leased.lease), var row = rows[leased.lease.job] else {
        stale.insert(leased.lease)
        continue
      }
      let stored = row.job
      var job = Job(
        id: stored.id, provider: stored.provider, spec: stored.spec, budget: leased.change.job.budget,
        createdAt: stored.createdAt)
      let new = leased.change.job
      job.state = new.state
      job.reason = new.reason
      job.message = new.message
      job.updatedAt = new.updatedAt
      job.startedAt = new.startedAt
      job.endedAt = new.endedAt
      job.attempt = new.attempt
      job.earlierCost = new.earlierCost
      job.wish = new.wish
      job.crossed = new.crossed
      job.revision = stored.revision + 1
      row.job = job
      row.cost = new.cost(at: new.updatedAt, rule: billing(new.provider))
      rows[job.id] = row
      append(leased.change.events)
      remember(job)
      attempts[job.id, default: [:]][job.attempt.number] = job.attempt
      enter(leased.change.alerts, at: now)
      for id in leased.change.answered where requests[id]?.request.job == job.id { requests[id]?.answered = true }
      if !job.isOpen {
        for (id, entry) in requests where entry.request.job == job.id { requests[id]?.answered = true }
      }
    }
    return stale
  }

  private func append(_ events: [Event]) {
    for event in events {
      lastEvent += 1
      log.append(StoredEvent(id: lastEvent, event: event))
    }
  }

  private func remember(_ job: Job) {
    guard let record = job.attempt.sync.flatMap(SyncRecord.init) else { return }
    if copies[job.id]?.contains(where: { $0.attempt == record.attempt && $0.at == record.at }) == true { return }
    copies[job.id, default: []].append(record)
  }

  package func file(_ request: JobRequest) async throws(StoreError) {
    try open()
    guard rows[request.job] != nil else { throw StoreError.noSuchJob(request.job.rawValue) }
    if requests[request.id] == nil {
      requests[request.id] = StoredRequest(request: request, answered: rows[request.job]?.job.isOpen == false)
    }
  }

  @discardableResult
  package func raise(_ alerts: [Alert], at now: Timestamp) async throws(StoreError) -> Int {
    try open()
    return enter(alerts, at: now)
  }

  package func cleanup(endedBefore moment: Timestamp, dryRun: Bool) async throws(StoreError) -> [JobID] {
    try open()
    let ids = rows.values.map(\.job)
      .filter { $0.state.isTerminal && !$0.isOpen && ($0.endedAt ?? $0.updatedAt) < moment }
      .map(\.id).sorted()
    guard !dryRun else { return ids }
    let removed = Set(ids)
    rows = rows.filter { !removed.contains($0.key) }
    log.removeAll { removed.contains($0.event.job) }
    for id in ids { copies[id] = nil }
    requests = requests.filter { !removed.contains($0.value.request.job) }
    let underway = Set(outbox.values.lazy.filter { $0.state == .pending || $0.state == .waiting }.map(\.alert.id))
    let orphans = alerts.values.filter { alert in
      guard let job = alert.job else { return false }
      return rows[job] == nil && !underway.contains(alert.id)
    }
    let gone = Set(orphans.map(\.id))
    alerts = alerts.filter { !gone.contains($0.key) }
    outbox = outbox.filter { !gone.contains($0.value.alert.id) }
    return ids
  }

  // MARK: Reads

  package func job(_ id: JobID) async throws(StoreError) -> Job? {
    try open()
    return rows[id]?.job
  }

  package func ids(prefix: String, limit: Int) async throws(StoreError) -> [JobID] {
    try open()
    return Array(rows.keys.filter { $0.rawValue.hasPrefix(prefix) }.sorted().prefix(max(0, limit)))
  }

  package func jobs(_ query: JobQuery) async throws(StoreError) -> [Job] {
    try open()
    let found = rows.values.map(\.job).filter { Self.matches($0, query) }
      .sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    return query.limit.map { Array(found.prefix(max(0, $0))) } ?? found
  }

  package func summary(_ query: JobQuery) async throws(StoreError) -> [SummaryRow] {
    try open()
    var groups: [String: SummaryRow] = [:]
    for row in rows.values where Self.matches(row.job, query) {
      let key = "\(row.job.state.rawValue)\u{0}\(row.job.provider.rawValue)"
      var group = groups[key] ?? SummaryRow(state: row.job.state, provider: row.job.provider, count: 0, cost: .zero)
      group.count += 1
      group.cost += row.cost
      groups[key] = group
    }
    return groups.sorted { $0.key < $1.key }.map(\.value)
  }

  package func regions(provider: ProviderName, endedSince moment: Timestamp) async throws(StoreError) -> [String] {
    try open()
    let jobs = rows.values.map(\.job).filter { $0.provider == provider }
    var regions: Set<String> = []
    for job in jobs where job.isOpen || job.endedAt.map({ $0 >= moment }) == true {
      regions.formUnion((attempts[job.id] ?? [:]).values.compactMap(\.instance?.region))
      regions.formUnion([job.attempt.instance?.region, job.isOpen ? job.spec.region : nil].compactMap(\.self))
    }
    return Array(regions)
  }

  private static func matches(_ job: Job, _ query: JobQuery) -> Bool {
    if !query.states.isEmpty, !query.states.contains(job.state) { return false }
    if let provider = query.provider, provider != job.provider { return false }
    if let name = query.name, !JobRow.fold(job.spec.name).contains(JobRow.fold(name)) { return false }
    if let since = query.createdSince, job.createdAt < since { return false }
    return !query.openOnly || job.isOpen
  }

  package func events(of job: JobID, after last: Int64, limit: Int?) async throws(StoreError) -> [StoredEvent] {
    try open()
    let found = log.filter { $0.event.job == job && $0.id > last }
    return limit.map { Array(found.prefix(max(0, $0))) } ?? found
  }

  package func recentEvents(limit: Int) async throws(StoreError) -> [StoredEvent] {
    try open()
    return log.suffix(max(0, limit)).reversed()
  }

  package func syncs(of job: JobID, limit: Int) async throws(StoreError) -> [SyncRecord] {
    try open()
    let found = copies[job, default: []].sorted { ($0.attempt, $0.at) > ($1.attempt, $1.at) }
    return Array(found.prefix(max(0, limit)))
  }

  package func databaseID() async throws(StoreError) -> String {
    try open()
    return "memory"
  }

  package func charges(since moment: Timestamp) async throws(StoreError) -> [AttemptCharge] {
    try open()
    let all = rows.values.flatMap { row in
      (attempts[row.job.id] ?? [:]).values.compactMap { attempt in
        attempt.launchedAt.map { launched in
          AttemptCharge(
            job: row.job.id, attempt: attempt.number, provider: row.job.provider, launchedAt: launched,
            endedAt: attempt.endedAt, seenAt: attempt.seenAt, segments: attempt.segments)
        }
      }
    }
    return all.filter { $0.endedAt.map { $0 >= moment } ?? true }
      .sorted { ($0.job.rawValue, $0.attempt) < ($1.job.rawValue, $1.attempt) }
  }

  package func openRequests(of job: JobID?) async throws(StoreError) -> [JobRequest] {
    try open()
    return requests.values.filter { !$0.answered && (job == nil || $0.request.job == job) }.map(\.request)
      .sorted { ($0.at, $0.id) < ($1.at, $1.id) }
  }

  /// No other process can write here.
  package func foreignVersion() async throws(StoreError) -> Int64 {
    try open()
    return 0
  }

  package func close() async { isClosed = true }
}
