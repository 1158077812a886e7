import JobModel
import TestSupport
import Testing

/// Every input in any order, with duplicates, late arrivals, lost answers, restarts and clock jumps.
@Suite("Random walks")
struct RandomWalkTests {
  @Test("No illegal move, no lost instance, no cost that shrinks, no repeated alert", arguments: 0..<40)
  func walk(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    for round in 0..<12 {
      var world = World(seed: generator.next())
      for step in 0..<120 {
        if let fault = world.step() {
          Issue.record("seed \(seed) round \(round) step \(step): \(fault)")
          return
        }
      }
      if let fault = world.finish() {
        Issue.record("seed \(seed) round \(round) at the end: \(fault)")
        return
      }
    }
  }
}

/// A world that answers at random, and checks what must always hold.
private struct World {
  var generator: SeededGenerator
  var machine: JobMachine
  var now = epoch
  var policy = SupervisionPolicy()
  /// Everything the machine ever asked for, answered in any order, any number of times.
  var effects: [Effect] = [.launch]
  /// Instances that were named to the machine for its latest attempt, or that it was told to discard.
  var named: Set<String> = []
  var ended: Set<String> = []
  var alertIDs: Set<String> = []
  var events: [Event] = []
  var lastStored = Money.zero

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
    let budgets: [Budget?] = [nil, Budget(limit: Money("0.5")!), Budget(limit: Money("0.2")!, action: .terminate)]
    machine = JobMachine(job: makeJob(budget: budgets.randomElement(using: &generator)!))
    policy.alerts.channels = ["ops"]
    policy.alerts.costThresholds = [Money("0.1")!, Money("1")!]
    policy.alerts.rules[.jobCompleted] = .init(enabled: true, severity: .info)
    policy.alerts.rules[.jobTerminated] = .init(enabled: true, severity: .info)
  }

  mutating func step() -> String? {
    now = now + .milliseconds(Int64.random(in: -2000...200_000, using: &generator))
    if Int.random(in: 0..<25, using: &generator) == 0 {
      // The process died: what was under way is forgotten, late answers still arrive.
      machine = JobMachine(job: machine.job)
      return send(.adopted)
    }
    return send(randomInput())
  }

  /// A provider that answers the truth ends every story.
  mutating func finish() -> String? {
    for _ in 0..<4000 where machine.job.isOpen {
      now = now + .seconds(30)
      if let fault = send(.tick) { return fault }
      let pending = effects
      effects = []
      for effect in pending {
        let input: Input? =
          switch effect {
          case .launch: .launchAnswered(attempt: machine.job.attempt.number, .refused(.capacity, "none left"))
          case .find(let sequence): .notFound(sequence: sequence)
          case .observe(let sequence): .observed(sequence: sequence, .known(.init(state: .terminated)))
          case .terminate(let sequence, _): .terminateAccepted(sequence: sequence)
          case .sync(let sequence): .syncAnswered(sequence: sequence)
          case .discard: nil
          }
        if let input, let fault = send(input) { return fault }
      }
    }
    if machine.job.isOpen { return "never closed: \(machine.job.state), wish \(String(describing: machine.job.wish))" }
    let left = named.subtracting(ended).subtracting(machine.job.attempt.instance.map { [$0.id] } ?? [])
    return left.isEmpty ? nil : "instances forgotten: \(left)"
  }

  private mutating func send(_ input: Input) -> String? {
    let before = machine.job
    let decision = machine.decide(input, now: now, policy: policy)
    if decision.needsCommit { machine.committed() }
    let job = machine.job
    effects += decision.effects
    if effects.count > 60 { effects.removeFirst(effects.count - 60) }
    for effect in decision.effects { if case .discard(_, let instance) = effect { ended.insert(instance.id) } }
    if let instance = before.attempt.instance, job.attempt.number > before.attempt.number {
      if before.attempt.isLive { return "attempt \(before.attempt.number) was replaced while its instance lived" }
      ended.insert(instance.id)
    }
    switch input {
    case .launchAnswered(let attempt, .launched(let launched)), .found(let attempt, let launched):
      named.insert(launched.instance.id)
      let kept = attempt == job.attempt.number && job.attempt.instance?.id == launched.instance.id
      if !kept, !ended.contains(launched.instance.id) { return "instance \(launched.instance.id) was dropped" }
    default: break
    }
    if before.state != job.state, !decision.needsCommit { return "a move that is not committed" }
    var state = before.state
    for event in decision.events {
      if let next = Self.state(of: event.kind) {
        if !TransitionTable.allows(state, next) { return "illegal move \(state) -> \(next)" }
        state = next
      }
    }
    if state != job.state { return "state \(job.state) without an event" }
    if !decision.effects.isEmpty, decision.effects != [], before != job, !decision.needsCommit,
      decision.effects.contains(where: { if case .terminate = $0 { true } else { false } })
    {
      return "a termination before its intent was committed"
    }
    if job.attempt.isLive, !job.isOpen { return "a live instance that nobody looks after" }
    if job.isOpen, decision.wakeAt == nil { return "an open job without a deadline" }
    let stored = job.cost(at: job.updatedAt, rule: policy.billing)
    if decision.needsCommit {
      // A history may tell that less was charged than was thought.
      if stored < lastStored, !Self.tellsPrices(input) {
        return "cost shrank from \(lastStored.formatted(decimals: 6)) to \(stored.formatted(decimals: 6)) by \(input)"
      }
      lastStored = stored
    }
    for alert in decision.alerts {
      // The store ends what fires, and gives each end the id of its beginning.
      if alert.status == .resolved { continue }
      if !alertIDs.insert(alert.id).inserted { return "alert \(alert.id) told twice" }
    }
    if decision.events.map(\.at).contains(where: { $0 < events.last?.at ?? epoch }) { return "history runs backwards" }
    events += decision.events
    return nil
  }

  private static func state(of kind: Event.Kind) -> JobState? {
    switch kind {
    case .launched: .launched
    case .started: .running
    case .completed: .completed
    case .failed, .launchFailed: .failed
    case .terminated: .terminated
    case .retried: .launching
    default: nil
    }
  }

  private mutating func randomInput() -> Input {
    let attempt = Bool.random(using: &generator) ? machine.job.attempt.number : Int.random(in: 1...3, using: &generator)
    switch Int.random(in: 0..<14, using: &generator) {
    case 0: return .tick
    case 1: return .adopted
    case 2:
      return .terminateRequested(
        TerminationWish(reason: .userRequest, at: now, finalSync: Bool.random(using: &generator)))
    case 3: return .priceChanged(HourlyPrice(microdollars: Int64.random(in: 0...9_000_000, using: &generator)))
    case 4: return .retry
    case 5: return .launchAnswered(attempt: attempt, randomLaunchAnswer())
    default:
      guard let effect = effects.randomElement(using: &generator) else { return .tick }
      switch effect {
      case .launch: return .launchAnswered(attempt: attempt, randomLaunchAnswer())
      case .find(let sequence):
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: return .notFound(sequence: sequence)
        case 1: return .findFailed(sequence: sequence, "timed out")
        default: return .found(attempt: attempt, randomLaunched())
        }
      case .observe(let sequence): return .observed(sequence: sequence, randomObservation())
      case .terminate(let sequence, _):
        return Bool.random(using: &generator)
          ? .terminateAccepted(sequence: sequence) : .terminateFailed(sequence: sequence, "throttled")
      case .sync(let sequence): return .syncAnswered(sequence: sequence)
      case .discard: return .tick
      }
    }
  }

  private mutating func randomLaunched() -> Launched {
    makeLaunched(
      "i-\(Int.random(in: 1...3, using: &generator))",
      price: HourlyPrice(microdollars: Int64.random(in: 0...5_000_000, using: &generator)),
      at: now + .milliseconds(Int64.random(in: -90_000...5000, using: &generator)))
  }

  private static func tellsPrices(_ input: Input) -> Bool {
    if case .observed(_, .known(let report)) = input { !report.prices.isEmpty } else { false }
  }

  private mutating func randomLaunchAnswer() -> LaunchAnswer {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: .refused(.capacity, "none left")
    case 1: .unknown("connection reset")
    default: .launched(randomLaunched())
    }
  }

  private mutating func randomObservation() -> Observation {
    switch Int.random(in: 0..<10, using: &generator) {
    case 0: return .absent
    case 1: return .unreachable("timed out")
    default:
      let state = [InstanceState.pending, .running, .running, .running, .stopping, .stopped, .terminated].randomElement(
        using: &generator)!
      let reasons: [Reason?] = [nil, nil, .preempted, .stoppedOutside]
      let moments: [Timestamp?] = [nil, now, now - .seconds(100), now + .seconds(100)]
      var report = Observation.Report(
        state: state,
        publicIP: Bool.random(using: &generator) ? "10.0.0.\(Int.random(in: 1...3, using: &generator))" : nil,
        endedAt: moments.randomElement(using: &generator)!, endReason: reasons.randomElement(using: &generator)!,
        beacon: Bool.random(using: &generator) ? randomBeacon() : nil)
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        report.prices.append(
          PriceSegment(
            from: now + .milliseconds(Int64.random(in: -90_000...5000, using: &generator)),
            price: HourlyPrice(microdollars: Int64.random(in: 0...5_000_000, using: &generator))))
      }
      return .known(report)
    }
  }

  private mutating func randomBeacon() -> Beacon {
    let moments: [Timestamp?] = [nil, now - .seconds(500), now - .seconds(5), now + .seconds(50)]
    let exits: [Int?] = [nil, nil, nil, 0, 1, 137]
    let ends: [String?] = [
      nil, nil, nil, nil, "preempted", "idle", "budget", "bootstrap_error", "terminated", "nonsense",
    ]
    var beacon = beacon(
      Beacon.Phase.allCases.randomElement(using: &generator)!,
      at: moments.randomElement(using: &generator)! ?? now, attempt: Int.random(in: 1...2, using: &generator),
      started: moments.randomElement(using: &generator)!, finished: moments.randomElement(using: &generator)!,
      exit: exits.randomElement(using: &generator)!, endedBy: ends.randomElement(using: &generator)!)
    if Bool.random(using: &generator) {
      let began = (moments.randomElement(using: &generator)! ?? now).rawValue
      beacon.sync = SyncReport(
        job: "a1b2c3d4", attempt: Int.random(in: 1...2, using: &generator),
        result: SyncReport.Result.allCases.randomElement(using: &generator)!, startedAt: began,
        finishedAt: began + Int64.random(in: -5...60_000, using: &generator),
        final: Bool.random(using: &generator),
        reason: ["quota", "network", "nonsense", nil].randomElement(using: &generator)!)
      beacon.lastSyncAt = moments.randomElement(using: &generator)!?.rawValue
    }
    return beacon
  }
}
