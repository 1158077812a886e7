package import JobModel

/// Where jobs, their history and their alerts are kept. One conformance suite (`StoreContract`) runs on every engine.
///
/// No SQL, connection or transaction shows here: each method is one atomic step, and returns when it is durable.
/// `at` is the store's clock, given by the caller so that tests can turn it.
package protocol Store: Sendable {
  // MARK: Leases

  /// Enters a process as a holder of jobs, until `at + ttl` unless it is renewed.
  ///
  /// There is one holder with the role `.watch` at a time; an expired one is replaced.
  /// - Throws: `StoreError` with code `.held` and the holder, if a live watcher has the role.
  func acquire(_ holder: Holder, ttl: Duration, at now: Timestamp) async throws(StoreError)

  /// Prolongs a holder's lease, also a late one that nobody has replaced. False: it was replaced or released.
  func renew(_ owner: OwnerID, ttl: Duration, at now: Timestamp) async throws(StoreError) -> Bool

  /// Gives up all that `owner` holds, at once.
  func release(_ owner: OwnerID) async throws(StoreError)

  /// All holders that are entered, expired ones too.
  func holders() async throws(StoreError) -> [Holder]

  /// Takes open jobs that nobody with a valid lease holds, each with a new epoch: those named, or up to `limit` of any.
  func claim(_ owner: OwnerID, jobs: [JobID]?, limit: Int, at now: Timestamp) async throws(StoreError) -> [Claim]

  /// Gives up single jobs; leases that are stale are passed over.
  func release(_ leases: [Lease]) async throws(StoreError)

  // MARK: Writes

  /// Adds a job, and makes `owner` its holder with epoch 1 if there is one.
  /// - Throws: `StoreError` with code `.exists` if the id is taken.
  @discardableResult
  func insert(_ job: Job, events: [Event], owner: OwnerID?, at now: Timestamp) async throws(StoreError) -> Lease?

  /// Writes each change whose lease is still good (its events and alerts with it), and returns the leases that were not.
  ///
  /// A change that closes a job answers all its requests. A job's stored revision becomes one more than it was. A delivery is made for each channel of each new alert;
  /// an alert whose id is known already is passed over.
  func commit(_ batch: [LeasedChange], at now: Timestamp) async throws(StoreError) -> Set<Lease>

  /// Leaves a wish for whoever holds the job (or will). For a closed job it counts as answered.
  func file(_ request: JobRequest) async throws(StoreError)

  /// Adds alerts that belong to no change of a job; known ids are passed over. Returns how many were new.
  @discardableResult
  func raise(_ alerts: [Alert], at now: Timestamp) async throws(StoreError) -> Int

  /// Removes closed jobs that ended before `moment` with all that belongs to them, and returns them; with `dryRun`
  /// removes none. Open jobs are never touched.
  func cleanup(endedBefore moment: Timestamp, dryRun: Bool) async throws(StoreError) -> [JobID]

  // MARK: Reads

  func job(_ id: JobID) async throws(StoreError) -> Job?

  /// Ids that begin with `prefix`, ascending, at most `limit`.
  func ids(prefix: String, limit: Int) async throws(StoreError) -> [JobID]

  /// Jobs that match, newest first (by creation, then id); the filters apply before the limit.
  func jobs(_ query: JobQuery) async throws(StoreError) -> [Job]

  /// Counts and stored costs of the jobs that match, by state and provider. The limit of the query is ignored.
  func summary(_ query: JobQuery) async throws(StoreError) -> [SummaryRow]

  /// Where instances of a provider's jobs were launched that are open or ended since `moment`, and where open jobs are to be
  /// launched by name. Without order.
  func regions(provider: ProviderName, endedSince moment: Timestamp) async throws(StoreError) -> [String]

  /// The history of a job after the event with the id `last` (0: from the beginning), oldest first.
  func events(of job: JobID, after last: Int64, limit: Int?) async throws(StoreError) -> [StoredEvent]

  /// The latest events of all jobs, newest first.
  func recentEvents(limit: Int) async throws(StoreError) -> [StoredEvent]

  /// The copies of a job's results that a watcher has heard of, newest first.
  func syncs(of job: JobID, limit: Int) async throws(StoreError) -> [SyncRecord]

  /// What each attempt is charged by that is live, or ended at `moment` or later; by job and number.
  func charges(since moment: Timestamp) async throws(StoreError) -> [AttemptCharge]

  /// Wishes that no commit has answered yet, oldest first; of one job or of all.
  func openRequests(of job: JobID?) async throws(StoreError) -> [JobRequest]

  /// The name of this database, made with it: what is launched for it carries the name. A restored copy keeps it.
  func databaseID() async throws(StoreError) -> String

  /// A number that changes whenever another process has committed.
  func foreignVersion() async throws(StoreError) -> Int64

  // MARK: Outbox

  /// Pending deliveries of one channel whose next try is due, oldest first.
  func dueDeliveries(through channel: String, at now: Timestamp, limit: Int) async throws(StoreError) -> [Delivery]

  /// When the next pending delivery of each channel is due.
  func nextDeliveries() async throws(StoreError) -> [String: Timestamp]

  /// Records the outcomes of tries.
  func settle(_ outcomes: [DeliveryOutcome]) async throws(StoreError)

  /// Deliveries, newest first.
  func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [Delivery]

  /// Makes dead deliveries (the named ones, or all of them) pending again, due now, as if they had just been made.
  /// Returns how many.
  func resend(_ ids: [Int64]?, at now: Timestamp) async throws(StoreError) -> Int

  /// Gives up everything that waits for a channel, which can't be used as it is. Returns how many.
  func park(channel: String, answer: String, at now: Timestamp) async throws(StoreError) -> Int

  /// A channel that failed takes messages again: what waits for another try is due now.
  func hurry(channel: String, at now: Timestamp) async throws(StoreError)

  /// Alerts that fire, newest first, with when somebody took note of them.
  func firingAlerts() async throws(StoreError) -> [FiringAlert]

  /// Notes that somebody has seen alerts that fire, so that they are not told again. Returns how many.
  ///
  /// - Parameter channels: those that have a notion of it are told, if they were told of the beginning.
  func acknowledge(
    _ alerts: [String], by person: String, telling channels: Set<String>, at now: Timestamp
  ) async throws(StoreError) -> Int

  /// Makes deliveries of alerts that still fire, that nobody has acknowledged and that were delivered before `moment`
  /// due again. Returns how many.
  func repeatFiring(deliveredBefore moment: Timestamp, at now: Timestamp) async throws(StoreError) -> Int

  /// Silences that have not ended at `now`.
  func silences(at now: Timestamp) async throws(StoreError) -> [Silence]

  /// Enters a silence, or replaces the one of the same id. What it kept back is looked at again when it ends.
  func put(_ silence: Silence) async throws(StoreError)

  /// Ends a silence now, and lets go what it kept back. False if there is none.
  func endSilence(_ id: String, at now: Timestamp) async throws(StoreError) -> Bool

  // MARK: Life

  /// Waits for what is queued and closes. Later calls throw `.closed`.
  func close() async
}

extension Store {
  /// When the next pending delivery of any channel is due.
  package func nextDeliveryAt() async throws(StoreError) -> Timestamp? { try await nextDeliveries().values.min() }

  /// The history of a job from its beginning, oldest first.
  package func events(of job: JobID, limit: Int?) async throws(StoreError) -> [StoredEvent] {
    try await events(of: job, after: 0, limit: limit)
  }
}

/// The name of a process that holds jobs: unique for each run of the program.
package struct OwnerID: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
  package let rawValue: String
  package init(rawValue: String) { self.rawValue = rawValue }
  package var description: String { rawValue }
}

/// A process that holds jobs, with what a person needs to find it.
package struct Holder: Sendable, Hashable {
  package enum Role: String, Sendable, CaseIterable {
    /// Supervises every job; one at a time.
    case watch
    /// A one-shot command that carries out its own wish.
    case command
  }

  package var owner: OwnerID
  package var role: Role
  package var host: String
  package var pid: Int32
  package var acquiredAt: Timestamp
  package var expiresAt: Timestamp

  package init(
    owner: OwnerID, role: Role, host: String, pid: Int32, acquiredAt: Timestamp, expiresAt: Timestamp
  ) {
    self.owner = owner
    self.role = role
    self.host = host
    self.pid = pid
    self.acquiredAt = acquiredAt
    self.expiresAt = expiresAt
  }
}

/// The right to write one job. A later claim has a higher epoch and makes earlier leases stale.
package struct Lease: Sendable, Hashable {
  package let job: JobID
  package let owner: OwnerID
  package let epoch: Int64

  package init(job: JobID, owner: OwnerID, epoch: Int64) {
    self.job = job
    self.owner = owner
    self.epoch = epoch
  }
}

/// A job that was claimed, as it stands in the store.
package struct Claim: Sendable, Hashable {
  package let lease: Lease
  package let job: Job

  package init(lease: Lease, job: Job) {
    self.lease = lease
    self.job = job
  }
}

/// Everything that one decision writes.
package struct Change: Sendable, Hashable {
  /// The job after the decision. The spec, the provider and the creation time of a stored job never change.
  package var job: Job
  package var events: [Event]
  package var alerts: [Alert]
  /// Requests that this change answers.
  package var answered: [String]

  package init(job: Job, events: [Event] = [], alerts: [Alert] = [], answered: [String] = []) {
    self.job = job
    self.events = events
    self.alerts = alerts
    self.answered = answered
  }
}

package struct LeasedChange: Sendable, Hashable {
  package var lease: Lease
  package var change: Change

  package init(_ lease: Lease, _ change: Change) {
    self.lease = lease
    self.change = change
  }
}

/// A wish for a job, left by a process that does not hold it.
package struct JobRequest: Sendable, Hashable, Identifiable {
  package enum Kind: Sendable, Hashable {
    case terminate(TerminationWish)
  }

  /// Made by the caller, unique; filing the same id twice changes nothing.
  package var id: String
  package var job: JobID
  package var kind: Kind
  package var at: Timestamp

  package init(id: String, job: JobID, kind: Kind, at: Timestamp) {
    self.id = id
    self.job = job
    self.kind = kind
    self.at = at
  }
}

package struct JobQuery: Sendable, Hashable {
  /// Empty means any.
  package var states: [JobState]
  package var provider: ProviderName?
  /// Part of the name, without regard to case.
  package var name: String?
  package var createdSince: Timestamp?
  /// Only jobs that somebody has to look after.
  package var openOnly: Bool
  package var limit: Int?

  package init(
    states: [JobState] = [], provider: ProviderName? = nil, name: String? = nil, createdSince: Timestamp? = nil,
    openOnly: Bool = false, limit: Int? = nil
  ) {
    self.states = states
    self.provider = provider
    self.name = name
    self.createdSince = createdSince
    self.openOnly = openOnly
    self.limit = limit
  }
}

package struct SummaryRow: Sendable, Hashable {
  package var state: JobState
  package var provider: ProviderName
  package var count: Int
  /// As of each job's last commit.
  package var cost: Money

  package init(state: JobState, provider: ProviderName, count: Int, cost: Money) {
    self.state = state
    self.provider = provider
    self.count = count
    self.cost = cost
  }
}

package struct StoredEvent: Sendable, Hashable, Identifiable {
  /// Ascending in the order of commits.
  package var id: Int64
  package var event: Event

  package init(id: Int64, event: Event) {
    self.id = id
    self.event = event
  }
}

/// One alert on its way through one channel.
package struct Delivery: Sendable, Hashable, Identifiable {
  package enum State: String, Sendable, CaseIterable {
    case pending
    /// The end of a condition of which the beginning has not been delivered yet.
    case waiting
    case delivered
    /// Not worth sending any more: what it tells of was over before it could be told.
    case skipped
    /// Given up after the limit of tries or a permanent error; `notify resend` makes it pending again.
    case dead
  }

  package var id: Int64
  package var alert: Alert
  package var channel: String
  package var state: State
  package var tries: Int
  package var createdAt: Timestamp
  package var nextTryAt: Timestamp
  package var lastTryAt: Timestamp?
  /// Why it is kept back until `nextTryAt`: a silence, quiet hours.
  package var held: String?
  /// How often it was sent again because its condition still holds.
  package var repeats: Int
  /// What the receiver said last, without secrets.
  package var answer: String?

  package init(
    id: Int64, alert: Alert, channel: String, state: State, tries: Int, createdAt: Timestamp, nextTryAt: Timestamp,
    lastTryAt: Timestamp? = nil, held: String? = nil, repeats: Int = 0, answer: String? = nil
  ) {
    self.id = id
    self.alert = alert
    self.channel = channel
    self.state = state
    self.tries = tries
    self.createdAt = createdAt
    self.nextTryAt = nextTryAt
    self.lastTryAt = lastTryAt
    self.held = held
    self.repeats = repeats
    self.answer = answer
  }
}

/// An alert whose condition holds.
package struct FiringAlert: Sendable, Hashable {
  package var alert: Alert
  package var acknowledgedAt: Timestamp?
  package var acknowledgedBy: String?

  package init(alert: Alert, acknowledgedAt: Timestamp? = nil, acknowledgedBy: String? = nil) {
    self.alert = alert
    self.acknowledgedAt = acknowledgedAt
    self.acknowledgedBy = acknowledgedBy
  }
}

/// What became of one try.
package struct DeliveryOutcome: Sendable, Hashable {
  package enum Result: Sendable, Hashable {
    case delivered
    case retry(at: Timestamp)
    case dead
    /// It was not tried, and is kept back until then; the answer says why.
    case held(until: Timestamp)
  }

  package var delivery: Int64
  package var at: Timestamp
  package var result: Result
  package var answer: String

  package init(delivery: Int64, at: Timestamp, result: Result, answer: String) {
    self.delivery = delivery
    self.at = at
    self.result = result
    self.answer = answer
  }
}

package struct DeliveryQuery: Sendable, Hashable {
  /// Empty means any.
  package var states: [Delivery.State]
  package var job: JobID?
  package var channel: String?
  package var limit: Int?

  package init(states: [Delivery.State] = [], job: JobID? = nil, channel: String? = nil, limit: Int? = nil) {
    self.states = states
    self.job = job
    self.channel = channel
    self.limit = limit
  }
}
