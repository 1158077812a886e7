internal import DequeModule
package import JobModel
package import JobStore
internal import Logging
internal import ProviderKit

/// All supervisors of this process, their deadlines, and the calls that are under way for them.
///
/// There is no task for an idle job. A due job costs a turn of one of a few workers; observations of many jobs share
/// one provider call; launches and terminations run in short tasks of their own, a bounded number at a time.
package actor SupervisorPool {
  package nonisolated let context: SupervisionContext

  private var supervisors: [JobID: JobSupervisor] = [:]
  private var deadlines = Deadlines()
  private var texts = SharedTexts()
  private var health: [ProviderName: ProviderHealth] = [:]

  /// Jobs whose observation was asked for, by provider, in the order of asking.
  private var asked: [ProviderName: Deque<JobID>] = [:]
  /// What they ask. A job that asks anew keeps its place, or a slow provider's queue would grow with every time-out.
  private var asks: [JobID: Ask] = [:]
  private var pumps: [ProviderName: Int] = [:]
  /// How many rounds of turns are under way. What they ask goes together when they are over.
  private var rounds = 0

  /// Calls in the order of asking; one that is asked for anew keeps its place too.
  private var waiting: Deque<CallKey> = []
  private var waitingCalls: [CallKey: Call] = [:]
  private var runningCalls = 0
  private var tasks: [Int: Task<Void, Never>] = [:]
  private var nextTask = 0
  private var idleWaiters: [CheckedContinuation<Void, Never>] = []

  /// Until when side effects are allowed: past it the lease may be somebody else's.
  private var trustedUntil = Timestamp(milliseconds: .max)
  private var isClosing = false
  package private(set) var storeTrouble: StoreTrouble?

  private struct Ask {
    let supervisor: JobSupervisor
    let sequence: Int
    let reference: InstanceReference
  }

  private struct Call {
    let effect: Effect
    let supervisor: JobSupervisor
    let job: Job

    var key: CallKey {
      switch effect {
      case .observe: CallKey(job: job.id, name: "observe")
      case .launch: CallKey(job: job.id, name: "launch")
      case .find: CallKey(job: job.id, name: "find")
      case .terminate: CallKey(job: job.id, name: "terminate")
      case .sync: CallKey(job: job.id, name: "sync")
      case .discard(_, let instance): CallKey(job: job.id, name: instance.id)
      }
    }
  }

  private struct CallKey: Hashable {
    let job: JobID
    let name: String
  }

  /// How many workers share the turns of due jobs, and how many launches and terminations run at a time.
  private static let workers = 64
  private static let callLimit = 32
  /// Calls of one provider's observe that may be under way at once.
  private static let pumpLimit = 4

  package init(context: SupervisionContext) { self.context = context }

  // MARK: Jobs

  package var count: Int { supervisors.count }
  package func holds(_ job: JobID) -> Bool { supervisors[job] != nil }

  /// Takes over claimed jobs; each starts with `input` (`.adopted`, or `.launch` for one that was just made).
  package func adopt(_ claims: [Claim], input: Input = .adopted) async {
    for claim in claims {
      let claim = Claim(lease: claim.lease, job: texts.shared(claim.job))
      // One that was lost while it waited for an answer must not speak for the job any more.
      await supervisors.updateValue(JobSupervisor(claim: claim), forKey: claim.job.id)?.retire()
    }
    await turn(claims.map(\.job.id), input)
  }

  /// Delivers an input to a job of this pool; false if it is not here.
  package func post(_ input: Input, to job: JobID, request: String? = nil) async -> Bool {
    guard let supervisor = supervisors[job] else { return false }
    await supervisor.send(.init(input: input, request: request), in: self)
    return true
  }

  /// Delivers many requests, by a bounded number of workers, so that their commits share transactions.
  package func post(_ letters: [(job: JobID, input: Input, request: String)]) async {
    let targets = letters.compactMap { letter in
      supervisors[letter.job].map { ($0, JobSupervisor.Letter(input: letter.input, request: letter.request)) }
    }
    await distribute(targets) { target, pool in await target.0.send(target.1, in: pool) }
  }

  package func views(now: Timestamp) async -> [JobView] {
    var views: [JobView] = []
    for supervisor in supervisors.values { views.append(await supervisor.view(now: now)) }
    return views
  }

  // MARK: Deadlines

  package var nextDeadline: Timestamp? { deadlines.next }

  func arm(_ supervisor: JobSupervisor, at moment: Timestamp?) {
    guard isCurrent(supervisor) else { return }
    deadlines.set(supervisor.id, moment)
  }

  /// Whether a supervisor is the one that speaks for its job here.
  private func isCurrent(_ supervisor: JobSupervisor) -> Bool { supervisors[supervisor.id] === supervisor }

  /// Gives every due job its turn.
  package func tick(now: Timestamp) async {
    guard now < trustedUntil, !isClosing else { return }
    let due = deadlines.due(at: now)
    if !due.isEmpty { await turn(due, .tick) }
  }

  /// Sends one input to many jobs by a bounded number of workers.
  private func turn(_ jobs: [JobID], _ input: Input) async {
    let targets = jobs.compactMap { supervisors[$0] }
    rounds += 1
    await distribute(targets) { supervisor, pool in
      await supervisor.send(.init(input: input), in: pool)
    }
    rounds -= 1
    if rounds == 0 { for provider in asked.keys { startPump(provider) } }
  }

  private nonisolated func distribute<Item: Sendable>(
    _ items: [Item], _ body: @escaping @Sendable (Item, SupervisorPool) async -> Void
  ) async {
    guard items.count > 1 else {
      if let only = items.first { await body(only, self) }
      return
    }
    let workers = min(Self.workers, items.count)
    await withTaskGroup { group in
      for worker in 0..<workers {
        group.addTask {
          for index in stride(from: worker, to: items.count, by: workers) { await body(items[index], self) }
        }
      }
    }
  }

  // MARK: Effects

  func start(_ effect: Effect, for supervisor: JobSupervisor, job: Job) {
    switch effect {
    case .observe(let sequence):
      guard let reference = InstanceReference(job) else { return }
      let ask = Ask(supervisor: supervisor, sequence: sequence, reference: reference)
      if asks.updateValue(ask, forKey: job.id) == nil { asked[job.provider, default: []].append(job.id) }
      startPump(job.provider)
    case .launch, .find, .terminate, .discard, .sync:
      let call = Call(effect: effect, supervisor: supervisor, job: job)
      if waitingCalls.updateValue(call, forKey: call.key) == nil { waiting.append(call.key) }
      startCalls()
    }
  }

  private func startCalls() {
    while runningCalls < Self.callLimit, !isClosing, let key = waiting.popFirst() {
      guard let call = waitingCalls.removeValue(forKey: key) else { continue }
      runningCalls += 1
      track {
        await self.perform(call)
        await self.callEnded()
      }
    }
  }

  private func callEnded() {
    runningCalls -= 1
    startCalls()
    if waitingCalls.isEmpty { (waiting, waitingCalls) = ([], [:]) }
  }

  private nonisolated func perform(_ call: Call) async {
    let job = call.job
    let attempt = job.attempt.number
    guard let provider = context.providers[job.provider] else {
      await answer(call, missingProvider: job.provider)
      return
    }
    guard await mayAct() else { return }
    let input: Input
    switch call.effect {
    case .launch:
      input = .launchAnswered(attempt: attempt, await provider.launch(LaunchRequest(job)))
    case .find(let sequence):
      switch await provider.find(LaunchRequest(job)) {
      case .found(let launched): input = .found(attempt: attempt, launched)
      case .absent: input = .notFound(sequence: sequence)
      case .unreachable(let message):
        await note(job.provider, heard: false, error: message, waiting: 1)
        input = .findFailed(sequence: sequence, message)
      }
    case .terminate(let sequence, let finalSync):
      guard let reference = InstanceReference(job) else { return }
      switch await provider.terminate(reference, finalSync: finalSync) {
      case .accepted: input = .terminateAccepted(sequence: sequence)
      case .failed(let message): input = .terminateFailed(sequence: sequence, message)
      }
    case .sync(let sequence):
      if let message = await context.startSync(job) {
        context.logger.warning(
          "Copy of results could not be started", metadata: ["job.id": "\(job.id)", "error": "\(message)"])
      }
      input = .syncAnswered(sequence: sequence)
    case .discard(let attempt, let instance):
      let reference = InstanceReference(
        job: job.id, attempt: attempt, token: Attempt.token(job: job.id, number: attempt), instance: instance)
      return await discard(reference, provider)
    case .observe: return
    }
    await call.supervisor.send(.init(input: input), in: self)
  }

  /// Ends an instance that nobody wants. It stands in no row, so it is tried again here until it is accepted.
  private nonisolated func discard(_ reference: InstanceReference, _ provider: any Provider) async {
    var pause = Duration.seconds(2)
    while case .failed(let message) = await provider.terminate(reference, finalSync: false) {
      context.logger.error(
        "Stray instance could not be ended",
        metadata: [
          "job.id": "\(reference.job)", "instance.id": "\(reference.instance.id)", "error": "\(message)",
        ])
      guard await !isClosing else { return }
      do { try await context.clock.sleep(until: context.clock.now() + pause) } catch { return }
      pause = min(pause * 2, .seconds(300))
    }
  }

  /// An instance came to light for a job that is closed.
  func discard(_ launched: Launched, attempt: Int, supervisor: JobSupervisor, job: Job) {
    context.logger.warning(
      "Stray instance is ended", metadata: ["job.id": "\(job.id)", "instance.id": "\(launched.instance.id)"])
    start(.discard(attempt: attempt, launched.instance), for: supervisor, job: job)
  }

  /// A job of a provider that this version or this configuration does not have: nothing can be asked, nothing changes.
  private nonisolated func answer(_ call: Call, missingProvider name: ProviderName) async {
    let message = Self.notConfigured(name)
    let input: Input
    switch call.effect {
    case .launch: input = .launchAnswered(attempt: call.job.attempt.number, .refused(.launchError, message))
    case .find(let sequence): input = .findFailed(sequence: sequence, message)
    case .terminate(let sequence, _): input = .terminateFailed(sequence: sequence, message)
    case .sync(let sequence): input = .syncAnswered(sequence: sequence)
    case .discard, .observe: return
    }
    await call.supervisor.send(.init(input: input), in: self)
  }

  private static func notConfigured(_ name: ProviderName) -> String {
    "this version of cloudjobs, or its configuration, has no provider \(name)"
  }

  /// Waits until the lease is trusted again. False if it never will be here: the pool is closing, or the task is cancelled.
  private func mayAct() async -> Bool {
    while !isClosing {
      let now = context.clock.now()
      if now < trustedUntil { return true }
      do { try await context.clock.sleep(until: now + .milliseconds(200)) } catch { return false }
    }
    return false
  }

  // MARK: Observations

  private func startPump(_ provider: ProviderName) {
    let count = asked[provider]?.count ?? 0
    guard count > 0, pumps[provider, default: 0] < Self.pumpLimit else { return }
    // Beside another pump, or while others are about to ask, only what fills a call is worth one.
    guard pumps[provider, default: 0] == 0 && rounds == 0 || count >= observeLimit(provider) else { return }
    pumps[provider, default: 0] += 1
    track { await self.pump(provider) }
  }

  private func observeLimit(_ provider: ProviderName) -> Int {
    max(1, context.providers[provider]?.observeLimit ?? 1000)
  }

  private func nextBatch(_ provider: ProviderName) -> [Ask] {
    let limit = observeLimit(provider)
    let count = min(asked[provider]?.count ?? 0, limit)
    // In the middle of a round only a full call is made; the end of the round asks for the rest.
    guard count > 0, rounds == 0 || count == limit, !isClosing else {
      pumps[provider, default: 1] -= 1
      // What held the questions of many jobs is given back.
      if asks.isEmpty { (asks, asked) = ([:], [:]) }
      return []
    }
    let batch = asked[provider]?.prefix(count).compactMap { asks.removeValue(forKey: $0) } ?? []
    asked[provider]?.removeFirst(count)
    return batch
  }

  private nonisolated func pump(_ name: ProviderName) async {
    while true {
      // Lets turns that are under way add their asks, so that they share the call.
      await Task.yield()
      let batch = await nextBatch(name)
      if batch.isEmpty { return }
      let answers: [String: Observation]
      if let provider = context.providers[name] {
        answers = await provider.observe(batch.map(\.reference))
      } else {
        answers = [:]
      }
      await note(name, answers)
      let silence =
        context.providers[name] == nil ? Self.notConfigured(name) : "\(name) gave no answer for this instance"
      await distribute(batch) { ask, pool in
        let observation = answers[ask.reference.token] ?? .unreachable(silence)
        await ask.supervisor.send(.init(input: .observed(sequence: ask.sequence, observation)), in: pool)
      }
    }
  }

  /// Keeps account of whether a provider answers, and raises one alert for all jobs that wait for it.
  private func note(_ provider: ProviderName, _ answers: [String: Observation]) async {
    var silent: String?
    var waiting = 0
    for case .unreachable(let message) in answers.values {
      silent = message
      waiting += 1
    }
    await note(provider, heard: waiting < answers.count, error: silent, waiting: waiting)
  }

  private func note(_ provider: ProviderName, heard: Bool, error silent: String?, waiting: Int) async {
    var state = health[provider] ?? ProviderHealth()
    let policy = context.policy
    let now = context.clock.now()
    let due = state.note(heard: heard, error: silent, now: now, patience: policy.unreachableAfter)
    let hasEnded = state.takeEnd(heard: heard)
    health[provider] = state
    if hasEnded { await raise(policy.alerts.providerReachable(provider, now: now)) }
    guard due, let since = state.silentSince else { return }
    guard
      let alert = policy.alerts.providerUnreachable(
        provider, since: since, now: now, waiting: waiting, message: state.lastError)
    else { return }
    if await !raise(alert) { health[provider]?.isReported = false }
  }

  @discardableResult
  private func raise(_ alert: Alert) async -> Bool {
    do {
      if try await context.store.raise([alert], at: alert.at) > 0 { context.hooks.alertsWaiting() }
      return true
    } catch {
      context.logger.error("Alert could not be written", metadata: ["error": "\(error)"])
      return false
    }
  }

  // MARK: Ends

  func closed(_ supervisor: JobSupervisor, lease: Lease) async {
    let job = supervisor.id
    forget(supervisor)
    do { try await context.store.release([lease]) } catch {
      // The lease runs out by itself.
      context.logger.debug("Lease could not be released", metadata: ["job.id": "\(job)", "error": "\(error)"])
    }
  }

  /// Somebody else has claimed the job: everything here about it is forgotten. The instance is not touched.
  func lost(_ supervisor: JobSupervisor) {
    guard isCurrent(supervisor) else { return }
    forget(supervisor)
    context.logger.warning("Another process has taken the job over", metadata: ["job.id": "\(supervisor.id)"])
  }

  private func forget(_ supervisor: JobSupervisor) {
    guard isCurrent(supervisor) else { return }
    supervisors[supervisor.id] = nil
    deadlines.set(supervisor.id, nil)
  }

  /// The store did not take a change: the job's turn comes again in a second.
  func storeFailed(_ error: any Error, _ supervisor: JobSupervisor) {
    let now = context.clock.now()
    arm(supervisor, at: now + .seconds(1))
    guard storeTrouble == nil else { return }
    storeTrouble = StoreTrouble(since: now, message: "\(error)")
    context.logger.error("Store does not take changes", metadata: ["error": "\(error)"])
  }

  func storeAnswers() {
    guard let trouble = storeTrouble else { return }
    storeTrouble = nil
    context.logger.notice("Store takes changes again", metadata: ["since": "\(trouble.since.iso8601())"])
  }

  package func trust(until moment: Timestamp) { trustedUntil = moment }

  // MARK: Shutdown

  private func track(_ body: @escaping @Sendable () async -> Void) {
    nextTask += 1
    let number = nextTask
    tasks[number] = Task {
      await body()
      self.ended(number)
    }
  }

  private func ended(_ number: Int) {
    tasks[number] = nil
    guard tasks.isEmpty else { return }
    for waiter in idleWaiters { waiter.resume() }
    idleWaiters = []
  }

  /// Whether no call is under way.
  package var isIdle: Bool { tasks.isEmpty }

  /// Takes no new deadlines and waits for the calls that are under way.
  package func drain() async {
    stopIntake()
    await untilIdle()
  }

  /// Starts nothing more; what is under way goes on.
  package func stopIntake() {
    isClosing = true
    waiting = []
    waitingCalls = [:]
  }

  /// Returns when no call is under way.
  package func untilIdle() async {
    guard !tasks.isEmpty else { return }
    await withCheckedContinuation { idleWaiters.append($0) }
  }

  package func cancelCalls() { for task in tasks.values { task.cancel() } }
}

package struct StoreTrouble: Sendable, Hashable {
  package var since: Timestamp
  package var message: String
}
