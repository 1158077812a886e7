import JobModel

let epoch = Timestamp(seconds: 1_800_000_000)

func makeJob(budget: Budget? = nil, results: String? = nil, at: Timestamp = epoch) -> Job {
  Job(
    id: JobID("a1b2c3d4")!, provider: .local,
    spec: JobSpec(name: "water", directory: "/data/water", command: "sh run.sh", gdrivePath: results), budget: budget,
    createdAt: at)
}

func makeLaunched(_ id: String = "i-1", price: HourlyPrice = HourlyPrice("3.60")!, at: Timestamp = epoch) -> Launched {
  Launched(instance: Instance(id: id, type: "r5.4xlarge", region: "us-east-1"), price: price, at: at)
}

func beacon(
  _ phase: Beacon.Phase, at: Timestamp, attempt: Int = 1, started: Timestamp? = nil, finished: Timestamp? = nil,
  exit: Int? = nil, endedBy: String? = nil
) -> Beacon {
  Beacon(
    job: "a1b2c3d4", attempt: attempt, phase: phase, heartbeatAt: at.rawValue, startedAt: started?.rawValue,
    finishedAt: finished?.rawValue, exitCode: exit, endedBy: endedBy)
}

/// Drives a machine and answers for the world, one input at a time.
struct Driver {
  var machine: JobMachine
  var now: Timestamp
  var policy = SupervisionPolicy()
  var events: [Event] = []
  var alerts: [Alert] = []
  var lastDecision = Decision()

  init(_ job: Job = makeJob(), at now: Timestamp = epoch) {
    machine = JobMachine(job: job)
    self.now = now
    policy.alerts.channels = ["ops"]
  }

  var job: Job { machine.job }

  @discardableResult
  mutating func send(_ input: Input, after pause: Duration = .zero) -> [Effect] {
    now = now + pause
    lastDecision = machine.decide(input, now: now, policy: policy)
    if lastDecision.needsCommit { machine.committed() }
    events += lastDecision.events
    alerts += lastDecision.alerts
    return lastDecision.effects
  }

  /// Sends an observation with the sequence number that is waited for, asking first if nothing is under way.
  @discardableResult
  mutating func observe(_ observation: Observation, after pause: Duration = .seconds(60)) -> [Effect] {
    let asked = send(.adopted, after: pause)
    guard case .observe(let sequence)? = asked.first(where: { if case .observe = $0 { true } else { false } }) else {
      return asked
    }
    return send(.observed(sequence: sequence, observation))
  }

  /// Observes the same again and again, as often as a watcher does.
  @discardableResult
  mutating func observe(_ observation: Observation, every pause: Duration = .seconds(15), for time: Duration)
    -> [Effect]
  {
    let end = now + time
    var effects: [Effect] = []
    while now < end { effects += observe(observation, after: min(pause, end - now)) }
    return effects
  }

  mutating func launch() {
    send(.launch)
    send(.launchAnswered(attempt: 1, .launched(makeLaunched(at: now))))
  }

  mutating func start() {
    launch()
    observe(
      .known(.init(state: .running, beacon: beacon(.running, at: now + .seconds(5), started: now + .seconds(4)))),
      after: .seconds(5))
  }
}
