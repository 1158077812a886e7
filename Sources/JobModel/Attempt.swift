/// One instance that was launched for a job, from the intent on disk until the provider confirmed that it is gone.
package struct Attempt: Sendable, Hashable {
  /// 1 for the first launch of a job.
  package var number: Int
  /// What makes a repeated launch call name the same instance.
  package var token: String
  /// When the intent was committed.
  package var requestedAt: Timestamp
  package var instance: Instance?
  package var instanceState: InstanceState?
  /// When the instance began to cost.
  package var launchedAt: Timestamp?
  /// When it stopped costing: the provider confirmed that it is gone.
  package var endedAt: Timestamp?
  /// Ascending by time.
  package var segments: [PriceSegment]
  /// The last time the provider knew the instance.
  package var seenAt: Timestamp?
  package var absentSince: Timestamp? {
    get { rare[\.absentSince] }
    set { rare[\.absentSince] = newValue }
  }
  package var unreachableSince: Timestamp? {
    get { rare[\.unreachableSince] }
    set { rare[\.unreachableSince] = newValue }
  }
  package var heartbeatAt: Timestamp?
  /// Whether the loss of the heartbeat was reported and has not been taken back.
  package var heartbeatLost: Bool
  package var phase: Beacon.Phase?
  package var exitCode: Int? {
    get { rare[\.exitCode] }
    set { rare[\.exitCode] = newValue }
  }
  /// Everything that was written up to then is on the remote.
  package var syncedAt: Timestamp?
  /// How the latest copy of the results went.
  package var sync: SyncReport? {
    get { rare[\.sync] }
    set { rare[\.sync] = newValue }
  }
  /// What the instance's ssh server must show.
  package var hostKey: HostKey? {
    get { rare[\.hostKey] }
    set { rare[\.hostKey] = newValue }
  }
  /// In one box, since many thousand attempts are held in memory.
  private var rare = RareFields<Rare>()

  private struct Rare: Fields {
    var absentSince: Timestamp?
    var unreachableSince: Timestamp?
    var exitCode: Int?
    var sync: SyncReport?
    var hostKey: HostKey?
  }

  package init(job: JobID, number: Int, requestedAt: Timestamp) {
    self.number = number
    token = Attempt.token(job: job, number: number)
    self.requestedAt = requestedAt
    segments = []
    heartbeatLost = false
  }

  package static func token(job: JobID, number: Int) -> String { "\(job)-\(number)" }

  /// Whether an instance was named and is not known to be gone.
  package var isLive: Bool { instance != nil && endedAt == nil }

  /// What the attempt has cost at `now`.
  package func cost(at now: Timestamp, rule: BillingRule) -> Money {
    guard let launchedAt else { return .zero }
    return Charge(start: launchedAt, segments: segments, rule: rule).amount(until: endedAt ?? max(now, launchedAt))
  }

  /// The price that holds now.
  package var price: HourlyPrice? { segments.last?.price }
}
