package import JobModel
internal import JobStore

/// Looks after one job: takes its inputs one at a time, decides, commits, and hands the effects to the pool.
///
/// It owns no truth and no task: an idle supervisor is a value in memory. The first sender of an input carries the
/// whole turn; whoever sends meanwhile only leaves the input in the inbox, so nothing interleaves.
package actor JobSupervisor {
  package nonisolated let id: JobID
  private var machine: JobMachine
  /// Of the lease; the job and the owner are known.
  private let epoch: Int64
  private var inbox: [Letter] = []
  private var isTurning = false
  private var retirement: Retirement?

  /// Why a supervisor takes no inputs any more.
  private enum Retirement {
    /// Nothing is left to do for the job.
    case closed
    /// Somebody else looks after it.
    case lost
  }

  /// An input, with the request that it answers.
  struct Letter: Sendable {
    var input: Input
    var request: String?
  }

  init(claim: Claim) {
    id = claim.job.id
    machine = JobMachine(job: claim.job)
    epoch = claim.lease.epoch
  }

  var job: Job { machine.job }

  func view(now: Timestamp) -> JobView {
    JobView(job: machine.job, nextAction: machine.nextAction(now: now))
  }

  /// Delivers one input. Returns when the turn that handles it is over, or at once if a turn is under way.
  func send(_ letter: Letter, in pool: SupervisorPool) async {
    guard retirement == nil else { return await takeLate(letter.input, in: pool) }
    // What could not be handled before comes first.
    guard !isTurning, inbox.isEmpty else {
      inbox.append(letter)
      if !isTurning { await drain(in: pool) }
      return
    }
    isTurning = true
    let isDone = await handle(letter, in: pool)
    isTurning = false
    // Nothing was written, so nothing has happened: the machine stays as it was and the input comes again.
    if !isDone { inbox.insert(letter, at: 0) } else if !inbox.isEmpty { await drain(in: pool) }
  }

  private func drain(in pool: SupervisorPool) async {
    isTurning = true
    defer { isTurning = false }
    while let next = inbox.first, retirement == nil {
      inbox.removeFirst()
      guard await handle(next, in: pool) else {
        inbox.insert(next, at: 0)
        return
      }
    }
    // An empty array keeps its memory, for which an idle job has no use.
    inbox = []
  }

  /// Gives the job up without a word: another supervisor speaks for it.
  func retire() { retirement = retirement ?? .lost }

  /// An instance that shows itself after its job was closed is ended. If the job was lost, whoever has it finds the
  /// instance by its token.
  private func takeLate(_ input: Input, in pool: SupervisorPool) async {
    guard retirement == .closed else { return }
    switch input {
    case .launchAnswered(let attempt, .launched(let launched)), .found(let attempt, let launched):
      guard launched.instance.id != machine.job.attempt.instance?.id else { return }
      await pool.discard(launched, attempt: attempt, supervisor: self, job: machine.job)
    default: return
    }
  }

  /// One turn. False if the store did not take the change.
  private func handle(_ letter: Letter, in pool: SupervisorPool) async -> Bool {
    let context = pool.context
    let lease = Lease(job: id, owner: context.owner, epoch: epoch)
    let now = context.clock.now()
    var trial = machine
    let decision = trial.decide(letter.input, now: now, policy: context.policy(for: machine.job.provider))
    if decision.needsCommit || letter.request != nil {
      let change = Change(
        job: trial.job, events: decision.events, alerts: decision.alerts,
        answered: letter.request.map { [$0] } ?? [])
      do {
        let stale = try await context.store.commit([LeasedChange(lease, change)], at: now)
        guard stale.isEmpty else {
          retirement = .lost
          await pool.lost(self)
          return true
        }
      } catch {
        await pool.storeFailed(error, self)
        return false
      }
      machine = trial
      machine.committed()
      await pool.storeAnswers()
      context.hooks.committed(change)
      if !change.alerts.isEmpty { context.hooks.alertsWaiting() }
    } else {
      machine = trial
    }
    for effect in decision.effects { await pool.start(effect, for: self, job: machine.job) }
    await pool.arm(self, at: decision.wakeAt)
    if !machine.job.isOpen {
      retirement = .closed
      await pool.closed(self, lease: lease)
    }
    return true
  }
}

/// What the live table shows of one job.
package struct JobView: Sendable, Hashable {
  package var job: Job
  package var nextAction: String

  package init(job: Job, nextAction: String) {
    self.job = job
    self.nextAction = nextAction
  }
}
