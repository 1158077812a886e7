/// One job and what is under way for it: every rule of the system, without I/O, a clock or randomness.
///
/// Each input gives a decision: events and alerts to commit with the job, then effects to carry out. The machine keeps
/// no truth of its own; made again from its row it asks the provider and goes on (`Input.adopted`).
package struct JobMachine: Sendable {
  package internal(set) var job: Job
  /// What was asked and not answered yet. Not stored: a new machine asks again.
  var outstanding = Outstanding()
  /// Milliseconds by which the job's time is ahead of the wall clock: 0 unless that was set back behind the last commit.
  private var ahead: Int64 = 0

  /// Calls under way, by the sequence number that their answers must carry.
  @dynamicMemberLookup
  struct Outstanding: Sendable, Hashable {
    var sequence = 0
    /// Whether the provider has said anything of the instance since this machine was made. Before that nobody knows how
    /// long it ran while nobody watched, so its cost is no news.
    var hasHeard = false
    var observe: Pending?
    var nextPollAt: Timestamp?
    /// When the row was last written for liveness only.
    var livenessCommittedAt: Timestamp?
    /// In one box, since most of many thousand machines have none of it.
    private var rare = RareFields<Rare>()

    init(sequence: Int = 0) { self.sequence = sequence }

    struct Rare: Fields {
      /// When this computer was found to have slept: what the instance kept silent before does not count.
      var resumedAt: Timestamp?
      /// When the beacon could not be read last: what could not be heard is no silence of the instance either.
      var unheardAt: Timestamp?
      /// Why the last launch call gave no answer.
      var launchTrouble: String?
      /// When the launch call began, while it has not been answered.
      var launchSince: Timestamp?
      var find: Pending?
      var terminate: Pending?
      var sync: Pending?
      var nextFindAt: Timestamp?
      /// When an attempt that found no room is launched again, and how often it was tried in vain.
      var nextLaunchAt: Timestamp?
      var refusedLaunches: Int?
      var nextTerminateAt: Timestamp?
      var nextSyncAt: Timestamp?
      /// Since when the calculation has done nothing.
      var idleSince: Timestamp?
      /// Until when the instance can be heard.
      var channelUntil: Timestamp?
    }

    subscript<Value: Equatable>(dynamicMember member: WritableKeyPath<Rare, Value>) -> Value {
      get { rare[member] }
      set { rare[member] = newValue }
    }

    struct Pending: Sendable, Hashable {
      var sequence: Int
      var since: Timestamp
    }
  }

  package init(job: Job) { self.job = job }

  /// Handles one input. After a clock was set back the job's time goes on from its last commit, so no time, cost or
  /// history runs backwards, and none stands still either.
  ///
  /// `Decision.wakeAt` is a time of the wall clock again.
  package mutating func decide(_ input: Input, now wallClock: Timestamp, policy: SupervisionPolicy) -> Decision {
    let latest = max(job.updatedAt, outstanding.livenessCommittedAt ?? job.updatedAt)
    ahead = max(ahead, latest.rawValue - wallClock.rawValue, 0)
    var turn = Turn(machine: self, now: time(wallClock), policy: policy)
    turn.handle(input)
    turn.followUp()
    self = turn.machine
    if ahead > 0 { turn.decision.wakeAt = turn.decision.wakeAt.map { $0 - .milliseconds(ahead) } }
    return turn.decision
  }

  /// The job's own time when the wall clock shows `wallClock`.
  private func time(_ wallClock: Timestamp) -> Timestamp { ahead > 0 ? wallClock + .milliseconds(ahead) : wallClock }

  /// What the job is waiting for, for the live table.
  package func nextAction(now wallClock: Timestamp) -> String {
    let now = time(wallClock)
    func wait(_ moment: Timestamp?) -> String {
      guard let moment, moment > now else { return "now" }
      return "in " + DurationText.short(moment - now)
    }
    if !job.isOpen { return "done" }
    if job.wish != nil {
      if outstanding.terminate != nil { return "terminating" }
      if let retry = outstanding.nextTerminateAt, job.wish?.tries ?? 0 > 1 { return "terminate again " + wait(retry) }
      return "confirm the end " + wait(outstanding.nextPollAt)
    }
    if job.state == .launching {
      if let moment = outstanding.nextLaunchAt { return "launch again " + wait(moment) }
      return outstanding.launchSince != nil ? "launching" : "look for it " + wait(outstanding.nextFindAt)
    }
    if job.state.isTerminal { return "wait for shutdown" }
    return "poll " + wait(outstanding.nextPollAt)
  }
}

/// The working copy of one decision.
struct Turn {
  var machine: JobMachine
  let now: Timestamp
  let policy: SupervisionPolicy
  var decision = Decision()
  private let before: Job

  init(machine: JobMachine, now: Timestamp, policy: SupervisionPolicy) {
    self.machine = machine
    self.now = now
    self.policy = policy
    before = machine.job
  }

  mutating func handle(_ input: Input) {
    switch input {
    case .launch:
      record(.launchRequested, "launch requested from \(job.provider)")
      startLaunch()
    case .adopted: adopt()
    case .tick: tick()
    case .launchAnswered(let attempt, let answer): launchAnswered(attempt, answer)
    case .found(let attempt, let launched): named(attempt, launched)
    case .notFound(let sequence): notFound(sequence)
    case .findFailed(let sequence, let message): findFailed(sequence, message)
    case .observed(let sequence, let observation):
      guard machine.outstanding.observe?.sequence == sequence else { return }
      machine.outstanding.observe = nil
      observed(observation)
    case .terminateRequested(let wish): request(wish)
    case .terminateAccepted(let sequence): terminateAnswered(sequence, error: nil)
    case .terminateFailed(let sequence, let message): terminateAnswered(sequence, error: message)
    case .syncAnswered(let sequence): syncAnswered(sequence)
    case .priceChanged(let price, let moment): priceChanged(price, at: moment)
    case .retry: retry()
    }
  }

  /// What follows from any input: cost thresholds, the budget, commit, alerts, and the next deadline.
  mutating func followUp() {
    crossThresholds()
    if machine.job != before || !decision.events.isEmpty { settleCommit() }
    if decision.needsCommit {
      // Before anything is known of an instance, its cost must not be written as if it had run until now.
      if machine.outstanding.hasHeard || !job.attempt.isLive { machine.job.updatedAt = now }
      machine.outstanding.livenessCommittedAt = now
      decision.alerts += decision.events.flatMap {
        policy.alerts.alerts(for: $0, job: machine.job, billing: policy.billing)
      }
    }
    decision.wakeAt = wakeAt()
  }

  // MARK: Small tools

  var job: Job { machine.job }

  /// The rules of alerts for this job.
  var alerts: AlertPolicy { policy.alerts.effective(for: job) }

  mutating func record(_ kind: Event.Kind, _ message: String, reason: Reason? = nil, key: String? = nil) {
    decision.events.append(
      Event(
        job: job.id, attempt: job.attempt.number, at: now, kind: kind, reason: reason, message: message, key: key))
  }

  /// Moves the job if the table allows it; an illegal move is no move.
  @discardableResult
  mutating func move(
    to state: JobState, reason: Reason? = nil, message: String, at moment: Timestamp? = nil
  ) -> Bool {
    guard TransitionTable.allows(job.state, state) else { return false }
    machine.job.state = state
    machine.job.reason = reason
    machine.job.message = state.isTerminal || reason != nil ? message : nil
    if state.isTerminal { machine.job.endedAt = clamp(moment ?? now, from: job.startedAt ?? job.createdAt) }
    let kind: Event.Kind =
      switch state {
      case .launching: .retried
      case .launched: .launched
      case .running: .started
      case .completed: .completed
      case .failed: before.state == .launching ? .launchFailed : .failed
      case .terminated: .terminated
      }
    record(kind, message, reason: reason)
    return true
  }

  func clamp(_ moment: Timestamp, from lower: Timestamp) -> Timestamp { max(min(moment, now), min(lower, now)) }

  mutating func nextSequence() -> Int {
    machine.outstanding.sequence += 1
    return machine.outstanding.sequence
  }

  /// Liveness alone (a newer heartbeat, a newer sighting) is written now and then; everything else at once.
  private mutating func settleCommit() {
    var quiet = before
    quiet.attempt.seenAt = job.attempt.seenAt
    quiet.attempt.heartbeatAt = job.attempt.heartbeatAt
    quiet.attempt.syncedAt = job.attempt.syncedAt
    if job.attempt.sync?.result == .unchanged, before.attempt.sync?.isGood == true {
      quiet.attempt.sync = job.attempt.sync
    }
    if quiet != job || !decision.events.isEmpty {
      decision.needsCommit = true
    } else {
      let last = machine.outstanding.livenessCommittedAt ?? job.updatedAt
      decision.needsCommit = now - last >= .seconds(30)
    }
  }

  // MARK: Deadlines

  private func wakeAt() -> Timestamp? {
    guard job.isOpen else { return nil }
    let outstanding = machine.outstanding
    var moments: [Timestamp] = []
    if let pending = outstanding.observe {
      moments.append(pending.since + policy.observeTimeout)
    } else if let poll = outstanding.nextPollAt {
      moments.append(poll)
    }
    if let since = outstanding.launchSince { moments.append(since + policy.launchTimeout) }
    if let again = outstanding.nextLaunchAt { moments.append(again) }
    if let pending = outstanding.find {
      moments.append(pending.since + policy.observeTimeout)
    } else if let find = outstanding.nextFindAt {
      moments.append(find)
    }
    if let pending = outstanding.terminate {
      moments.append(pending.since + policy.observeTimeout)
    } else if let terminate = outstanding.nextTerminateAt {
      moments.append(terminate)
    }
    if let pending = outstanding.sync {
      moments.append(pending.since + policy.observeTimeout)
    } else if let sync = syncDueAt {
      moments.append(sync)
    }
    if let crossing = nextCrossing() { moments.append(crossing) }
    return moments.min() ?? now + policy.pollInterval
  }

  private mutating func tick() {
    let outstanding = machine.outstanding
    if let since = outstanding.launchSince, now >= since + policy.launchTimeout {
      // The launch call itself hangs. Whether it launched something is asked by its token.
      machine.outstanding.launchSince = nil
      startFind()
    }
    if let again = outstanding.nextLaunchAt, now >= again { startLaunch() }
    if let pending = outstanding.find {
      if now >= pending.since + policy.observeTimeout { startFind() }
    } else if let find = outstanding.nextFindAt, now >= find {
      startFind()
    }
    if let pending = outstanding.terminate {
      if now >= pending.since + policy.observeTimeout {
        machine.outstanding.terminate = nil
        startTermination()
      }
    } else if let retry = outstanding.nextTerminateAt, now >= retry {
      startTermination()
    }
    syncIfDue()
    if let pending = outstanding.observe {
      if now >= pending.since + policy.observeTimeout {
        machine.outstanding.observe = nil
        observed(.unreachable("no answer within \(DurationText.short(policy.observeTimeout))"))
        startObservation()
      }
    } else if let poll = outstanding.nextPollAt, now >= poll {
      startObservation()
    }
  }

  private mutating func adopt() {
    guard job.isOpen else { return }
    if job.attempt.instance == nil {
      startFind()
    } else {
      startObservation()
      if job.wish != nil { startTermination() }
    }
  }
}

extension JobMachine {
  /// Told after the job's row was written: the store has counted one commit more.
  package mutating func committed() { job.revision += 1 }
}
