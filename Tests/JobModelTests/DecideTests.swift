import JobModel
import Testing

@Suite("Decisions")
struct DecideTests {
  @Test("A job goes from launch to completion, and is closed when its instance is gone")
  func happyPath() {
    var driver = Driver()
    #expect(driver.send(.launch) == [.launch])
    driver.send(.launchAnswered(attempt: 1, .launched(makeLaunched())))
    #expect(driver.job.state == .launched)
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch + .seconds(9)))),
      after: .seconds(10))
    #expect(driver.job.state == .running)
    #expect(driver.job.startedAt == epoch + .seconds(9))
    driver.observe(
      .known(
        .init(
          state: .running,
          beacon: beacon(
            .finishing, at: driver.now, started: epoch + .seconds(9), finished: epoch + .seconds(50), exit: 0))))
    #expect(driver.job.state == .completed)
    #expect(driver.job.endedAt == epoch + .seconds(50))
    #expect(driver.job.isOpen)
    driver.observe(.known(.init(state: .terminated)))
    #expect(!driver.job.isOpen)
    #expect(driver.lastDecision.wakeAt == nil)
    #expect(driver.events.map(\.kind) == [.launchRequested, .launched, .started, .completed, .instanceGone])
    #expect(driver.alerts.isEmpty)
  }

  @Test(
    "How the beacon's end becomes a state and a reason",
    arguments: [
      (exit: 0 as Int?, endedBy: nil as String?, state: JobState.completed, reason: nil as Reason?),
      (3, nil, .failed, .exitCode), (137, nil, .failed, .exitCode), (143, "preempted", .failed, .preempted),
      (nil, "bootstrap_error", .failed, .bootstrapError), (143, "max_duration", .terminated, .maxDuration),
      (143, "idle", .terminated, .idle), (143, "budget", .terminated, .budget),
      (143, "stopped_outside", .terminated, .stoppedOutside), (143, "terminated", .terminated, .stoppedOutside),
      (143, "something new", .terminated, .stoppedOutside),
    ])
  func ends(exit: Int?, endedBy: String?, state: JobState, reason: Reason?) {
    var driver = Driver()
    driver.start()
    driver.observe(
      .known(
        .init(
          state: .running,
          beacon: beacon(.finished, at: driver.now, started: epoch, finished: driver.now, exit: exit, endedBy: endedBy))
      ))
    #expect(driver.job.state == state)
    #expect(driver.job.reason == reason)
    let rule: AlertRule? = state == .failed ? (reason == .preempted ? .jobPreempted : .jobFailed) : nil
    #expect(driver.alerts.map(\.rule) == [rule].compactMap { $0 })
  }

  @Test("An instance that vanishes fails its job, and one that was stopped from outside terminates it")
  func vanished() {
    for (report, state, reason): (Observation.Report, JobState, Reason) in [
      (.init(state: .terminated), .failed, .instanceVanished),
      (.init(state: .terminated, endReason: .preempted), .failed, .preempted),
      (.init(state: .terminated, endReason: .stoppedOutside), .terminated, .stoppedOutside),
    ] {
      var driver = Driver()
      driver.start()
      driver.observe(.known(report))
      #expect(driver.job.state == state)
      #expect(driver.job.reason == reason)
      #expect(!driver.job.isOpen)
    }
  }

  @Test("Absent is not gone until it persists")
  func absence() {
    var driver = Driver()
    driver.start()
    driver.observe(.absent)
    #expect(driver.job.state == .running)
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch))), after: .seconds(2))
    #expect(driver.job.attempt.absentSince == nil)
    driver.observe(.absent, after: .seconds(2))
    driver.observe(.absent, after: .seconds(59))
    #expect(driver.job.state == .running)
    driver.observe(.absent, after: .seconds(2))
    #expect(driver.job.state == .failed)
    #expect(driver.job.reason == .instanceVanished)
  }

  @Test("An unreachable provider never changes a job's state, and is told once")
  func unreachable() {
    var driver = Driver()
    driver.start()
    for _ in 0..<200 { driver.observe(.unreachable("timed out"), after: .seconds(60)) }
    #expect(driver.job.state == .running)
    #expect(driver.events.filter { $0.kind == .providerUnreachable }.count == 1)
    driver.observe(.known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch))))
    #expect(driver.events.last?.kind == .providerReachable)
  }

  @Test("Late and doubled answers are ignored")
  func stale() {
    var driver = Driver()
    driver.start()
    guard case .observe(let sequence)? = driver.send(.adopted, after: .seconds(60)).first else {
      Issue.record("no observation")
      return
    }
    let report = Observation.known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch)))
    driver.send(.observed(sequence: sequence, report))
    let job = driver.job
    driver.send(.observed(sequence: sequence, .known(.init(state: .terminated))))
    driver.send(.observed(sequence: sequence - 1, .absent))
    driver.send(.notFound(sequence: 99))
    driver.send(.terminateFailed(sequence: 99, "late"))
    #expect(driver.job == job)
  }

  @Test("A wish to terminate stays open until the provider confirms, and is repeated less and less often")
  func terminate() {
    var driver = Driver()
    driver.start()
    let wish = TerminationWish(reason: .userRequest, message: "Cost optimization", at: driver.now)
    let effects = driver.send(.terminateRequested(wish))
    guard case .terminate(let sequence, let finalSync)? = effects.first else {
      Issue.record("no call")
      return
    }
    #expect(finalSync)
    #expect(driver.job.state == .running)
    driver.send(.terminateFailed(sequence: sequence, "throttled"))
    #expect(driver.job.wish != nil)
    var pauses: [Duration] = []
    var last = driver.now
    for _ in 0..<400 {
      let effects = driver.send(.tick, after: .seconds(1))
      for effect in effects {
        if case .terminate(let sequence, _) = effect {
          pauses.append(driver.now - last)
          last = driver.now
          driver.send(.terminateAccepted(sequence: sequence))
        }
      }
    }
    #expect(pauses.starts(with: [.seconds(10), .seconds(20), .seconds(40), .seconds(80), .seconds(160)]))
    driver.observe(.known(.init(state: .terminated)))
    #expect(driver.job.state == .terminated)
    #expect(driver.job.reason == .userRequest)
    #expect(driver.job.message == "Cost optimization")
    #expect(driver.job.wish == nil)
    #expect(!driver.job.isOpen)
  }

  @Test("A calculation that ended well before its termination took effect is completed")
  func raceWithEnd() {
    var driver = Driver()
    driver.start()
    driver.send(.terminateRequested(TerminationWish(reason: .userRequest, at: driver.now)))
    driver.observe(
      .known(
        .init(state: .running, beacon: beacon(.finished, at: driver.now, started: epoch, finished: driver.now, exit: 0))
      ))
    #expect(driver.job.state == .completed)
    #expect(driver.job.isOpen)
  }

  @Test("A launch without an answer is looked for by its token, and asked again only where that is safe")
  func lostLaunch() {
    var driver = Driver()
    driver.policy.launchTimeout = .seconds(120)
    driver.send(.launch)
    // The process dies here. Its successor knows only the row.
    driver.machine = JobMachine(job: driver.job)
    guard case .find(let sequence)? = driver.send(.adopted, after: .seconds(5)).first else {
      Issue.record("no find")
      return
    }
    #expect(driver.send(.notFound(sequence: sequence)) == [.launch])
    driver.send(.launchAnswered(attempt: 1, .unknown("connection reset")))
    var found: Int?
    for _ in 0..<10 where found == nil {
      for case .find(let sequence) in driver.send(.tick, after: .seconds(1)) { found = sequence }
    }
    #expect(found != nil)
    driver.send(.found(attempt: 1, makeLaunched("i-9", at: driver.now)))
    #expect(driver.job.state == .launched)
    #expect(driver.job.attempt.instance?.id == "i-9")
  }

  @Test("A launch that nobody finds within its time is lost, and only after the absence persisted")
  func launchLost() {
    var driver = Driver()
    driver.policy.launchTimeout = .seconds(100)
    driver.policy.absenceConfirmation = .seconds(10)
    driver.machine = JobMachine(job: makeJob())
    for effect in driver.send(.adopted, after: .seconds(101)) {
      if case .find(let sequence) = effect { #expect(driver.send(.notFound(sequence: sequence)).isEmpty) }
    }
    #expect(driver.job.state == .launching)
    for _ in 0..<15 {
      for case .find(let sequence) in driver.send(.tick, after: .seconds(1)) {
        driver.send(.notFound(sequence: sequence))
      }
    }
    #expect(driver.job.state == .failed)
    #expect(driver.job.reason == .launchLost)
    #expect(driver.alerts.map(\.rule) == [.launchFailed])
  }

  @Test("An instance that appears after its job has ended is ended too")
  func lateInstance() {
    var driver = Driver()
    driver.send(.launch)
    driver.send(.launchAnswered(attempt: 1, .refused(.capacity, "no capacity in us-east-1a")))
    #expect(driver.job.state == .failed)
    let effects = driver.send(.launchAnswered(attempt: 1, .launched(makeLaunched("i-late", at: driver.now))))
    #expect(effects.contains { if case .terminate = $0 { true } else { false } })
    #expect(driver.job.isOpen)
    let second = driver.send(.found(attempt: 1, makeLaunched("i-other", at: driver.now)))
    #expect(second == [.discard(attempt: 1, makeLaunched("i-other").instance)])
  }

  @Test("Termination before the instance is known waits for the launch, then ends it")
  func terminateWhileLaunching() {
    var driver = Driver()
    driver.send(.launch)
    #expect(driver.send(.terminateRequested(TerminationWish(reason: .userRequest, at: driver.now))).isEmpty)
    let effects = driver.send(.launchAnswered(attempt: 1, .launched(makeLaunched(at: driver.now))))
    #expect(effects.contains { if case .terminate = $0 { true } else { false } })
    driver.observe(.known(.init(state: .terminated)))
    #expect(driver.job.state == .terminated)
  }

  @Test("A lost heartbeat is told, taken back, and in the end fails the job and ends its instance")
  func heartbeat() {
    var driver = Driver()
    driver.start()
    let silent = Observation.known(.init(state: .running))
    driver.observe(silent, for: .seconds(310))
    #expect(driver.alerts.map(\.rule) == [.heartbeatLost])
    driver.observe(silent, for: .seconds(60))
    #expect(driver.alerts.count == 1)
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: driver.now + .seconds(60), started: epoch))),
      after: .seconds(60))
    #expect(driver.events.last?.kind == .heartbeatBack)
    driver.observe(silent, for: .seconds(400))
    #expect(driver.alerts.map(\.status) == [.firing, .resolved, .firing])
    #expect(Set(driver.alerts.map(\.id)).count == 3 && Set(driver.alerts.map(\.condition)).count == 1)
    let effects = driver.observe(silent, for: .seconds(1500))
    #expect(driver.job.state == .failed)
    #expect(driver.job.reason == .heartbeatLost)
    #expect(effects.contains { if case .terminate = $0 { true } else { false } })
  }

  @Test("A computer that slept with its instances gives them time to be heard again")
  func sleep() {
    var driver = Driver()
    driver.start()
    let old = driver.now
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: old, started: epoch))), after: .seconds(7200))
    #expect(driver.job.state == .running)
    #expect(driver.alerts.isEmpty)
    let silent = Observation.known(.init(state: .running, beacon: beacon(.running, at: old, started: epoch)))
    driver.observe(silent, for: .seconds(290))
    #expect(driver.alerts.isEmpty)
    driver.observe(silent, for: .seconds(20))
    #expect(driver.alerts.map(\.rule) == [.heartbeatLost])
    driver.observe(silent, for: .seconds(1500))
    #expect(driver.job.reason == .heartbeatLost)
  }

  @Test("A new watcher tells an old silence at once, but gives the instance up only at its second look")
  func silenceBeforeTheWatcher() {
    var driver = Driver()
    driver.start()
    driver.machine = JobMachine(job: driver.job)
    driver.observe(.known(.init(state: .running)), after: .seconds(7200))
    #expect(driver.alerts.map(\.rule) == [.heartbeatLost])
    #expect(driver.job.state == .running)
    var other = driver
    other.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: other.now, started: epoch))), after: .seconds(15))
    #expect(other.events.last?.kind == .heartbeatBack)
    driver.observe(.known(.init(state: .running)), after: .seconds(15))
    #expect(driver.job.reason == .heartbeatLost)
  }

  @Test("What a beacon says of times lies between the launch and now, whatever it says")
  func absurdBeacon() {
    for time: Int64 in [.min, -2_000_000_000_000_000, 0, .max] {
      var driver = Driver()
      driver.start()
      let heard = driver.job.attempt.heartbeatAt
      var absurd = beacon(.running, at: driver.now, started: epoch)
      absurd.heartbeatAt = time
      absurd.lastSyncAt = time
      absurd.startedAt = time
      driver.observe(.known(.init(state: .running, beacon: absurd)), after: .seconds(10))
      #expect(driver.job.attempt.syncedAt == nil)
      #expect(driver.job.attempt.heartbeatAt == (time == .max ? driver.now : heard))
      #expect(driver.job.startedAt ?? epoch >= epoch)
    }
  }

  @Test("A finished machine that does not shut down is ended, but not while its final sync reports itself")
  func shutdown() {
    var driver = Driver()
    driver.start()
    driver.observe(
      .known(
        .init(
          state: .running, beacon: beacon(.finishing, at: driver.now, started: epoch, finished: driver.now, exit: 0))))
    for _ in 0..<20 {
      let effects = driver.observe(
        .known(
          .init(
            state: .running,
            beacon: beacon(.finishing, at: driver.now + .seconds(60), started: epoch, finished: driver.now, exit: 0))))
      #expect(!effects.contains { if case .terminate = $0 { true } else { false } })
    }
    let effects = driver.observe(
      .known(
        .init(
          state: .running,
          beacon: beacon(.finished, at: driver.now + .seconds(60), started: epoch, finished: driver.now, exit: 0))))
    #expect(effects.contains { if case .terminate = $0 { true } else { false } })
    #expect(driver.job.state == .completed)
  }

  @Test("Cost thresholds fire at their computed moment, once each, the budget last")
  func thresholds() throws {
    var driver = Driver(makeJob(budget: Budget(limit: Money("1")!, action: .terminate)))
    driver.policy.alerts.costThresholds = [Money("0.25")!]
    driver.start()
    let expected: [(seconds: Int64, key: String)] = [(250, "d250000"), (500, "b50"), (800, "b80"), (1000, "b100")]
    for (seconds, key) in expected {
      driver.observe(
        .known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch))), after: .zero)
      // The next thing the job wants may be a poll; the crossing is never later than its moment.
      let moment = epoch + .milliseconds((seconds - 1) * 1000 + 1)
      let wake = try #require(driver.lastDecision.wakeAt)
      #expect(wake <= moment)
      driver.send(.tick, after: moment - .milliseconds(1) - driver.now)
      #expect(!driver.events.contains { $0.key == key })
      let effects = driver.send(.tick, after: .milliseconds(1))
      #expect(driver.events.contains { $0.key == key })
      #expect(effects.contains { if case .terminate = $0 { true } else { false } } == (key == "b100"))
    }
    #expect(driver.job.wish?.reason == .budget)
    #expect(driver.alerts.map(\.rule) == [.costThreshold, .costThreshold, .costThreshold, .budgetReached])
    #expect(Set(driver.alerts.map(\.id)).count == 4)
  }

  @Test("A watcher that comes late tells only the highest threshold of each kind")
  func lateThresholds() {
    var driver = Driver(makeJob(budget: Budget(limit: Money("1")!)))
    driver.start()
    driver.observe(.unreachable("asleep"), after: .seconds(5000))
    #expect(driver.alerts.map(\.rule) == [.budgetReached])
    #expect(driver.job.crossed.contains("b50"))
  }

  @Test("A watcher that comes back without a network charges nothing before it knows more")
  func awayAndUnreachable() {
    var driver = Driver(makeJob(budget: Budget(limit: Money("0.5")!, action: .terminate)))
    driver.start()
    driver.machine = JobMachine(job: driver.job)
    driver.observe(.unreachable("no network"), after: .seconds(36_000))
    driver.observe(.unreachable("no network"), for: .seconds(400))
    #expect(driver.alerts.allSatisfy { $0.rule == .providerUnreachable })
    #expect(driver.job.wish == nil)
    let end = epoch + .seconds(100)
    driver.observe(
      .known(
        .init(
          state: .terminated, endedAt: end, beacon: beacon(.finished, at: end, started: epoch, finished: end, exit: 0)))
    )
    #expect(driver.job.state == .completed)
    #expect(driver.job.cost(at: driver.now, rule: .perSecond) == Money("0.1"))
  }

  @Test("A job whose instance was lost from a damaged database gets it back, and goes on")
  func instanceFoundForARunningJob() {
    var driver = Driver()
    driver.start()
    var job = driver.job
    job.attempt = Attempt(job: job.id, number: 1, requestedAt: job.createdAt)
    driver = Driver(job, at: driver.now)
    let asked = driver.send(.adopted)
    #expect(asked.count == 1)
    let effects = driver.send(.found(attempt: 1, makeLaunched()))
    #expect(driver.job.state == .running)
    #expect(driver.job.attempt.instance?.id == "i-1")
    #expect(driver.job.wish == nil)
    #expect(!effects.contains { if case .terminate = $0 { true } else { false } })
    #expect(driver.events.map(\.kind) == [.launched])
  }

  @Test("A watcher that was away charges nothing for the time it was away, and raises no false alarm")
  func awayWatcher() {
    var driver = Driver(makeJob(budget: Budget(limit: Money("0.5")!, action: .terminate)))
    driver.start()
    // The calculation ends at second 100; the next watcher comes an hour later.
    driver.machine = JobMachine(job: driver.job)
    let end = epoch + .seconds(100)
    driver.observe(
      .known(
        .init(
          state: .terminated, endedAt: end, beacon: beacon(.finished, at: end, started: epoch, finished: end, exit: 0))),
      after: .seconds(3600))
    #expect(driver.job.state == .completed)
    #expect(driver.job.cost(at: driver.now, rule: .perSecond) == Money("0.1"))
    #expect(driver.alerts.isEmpty)
  }

  @Test("A job that a person vouches for is closed without a word from its provider")
  func forget() {
    var driver = Driver()
    driver.start()
    var wish = TerminationWish(reason: .userRequest, message: "ended in the console", at: driver.now)
    wish.isForgotten = true
    #expect(driver.send(.terminateRequested(wish)).isEmpty)
    #expect(driver.job.state == .terminated)
    #expect(!driver.job.isOpen)
    #expect(driver.lastDecision.needsCommit)
  }

  @Test("A clock that jumps back makes nothing run backwards")
  func clockJump() {
    var driver = Driver()
    driver.start()
    driver.observe(.known(.init(state: .running)), after: .seconds(100))
    let cost = driver.job.cost(at: driver.job.updatedAt, rule: .perSecond)
    driver.observe(.known(.init(state: .terminated)), after: .seconds(-5000))
    #expect(driver.job.cost(at: driver.job.updatedAt, rule: .perSecond) >= cost)
    #expect(driver.events.map(\.at) == driver.events.map(\.at).sorted())
  }

  @Test("A clock that was set back delays nothing: polls, budgets and retries go on by its new time")
  func clockSetBack() throws {
    var driver = Driver(makeJob(budget: Budget(limit: Money("0.5")!, action: .terminate)))
    driver.start()
    driver.observe(.known(.init(state: .running)), after: .seconds(100))
    driver.now = driver.now - .seconds(7200)
    var polls = 0
    for _ in 0..<40 {
      let wake = try #require(driver.lastDecision.wakeAt)
      driver.now = max(driver.now, min(wake, driver.now + .seconds(60)))
      for case .observe(let sequence) in driver.send(.tick, after: .milliseconds(1)) {
        polls += 1
        driver.send(.observed(sequence: sequence, .known(.init(state: .running))))
      }
    }
    #expect(polls > 20)
    // 0.5 dollars at 3.60 an hour are 500 seconds, which have passed on the job's own time.
    #expect(driver.alerts.map(\.rule).contains(.budgetReached))
    #expect(driver.now < epoch)
    #expect(driver.events.map(\.at) == driver.events.map(\.at).sorted())
  }

  @Test("A failed job can be tried again, and its earlier cost stays")
  func retry() {
    var driver = Driver()
    driver.start()
    driver.observe(.known(.init(state: .terminated)), after: .seconds(95))
    let cost = driver.job.cost(at: driver.now, rule: .perSecond)
    #expect(cost == Money("0.1"))
    #expect(driver.send(.retry) == [.launch])
    #expect(driver.job.state == .launching)
    #expect(driver.job.attempt.number == 2)
    #expect(driver.job.attempt.token == "a1b2c3d4-2")
    #expect(driver.job.cost(at: driver.now, rule: .perSecond) == cost)
    #expect(
      driver.send(.launchAnswered(attempt: 1, .launched(makeLaunched("i-old")))) == [
        .discard(attempt: 1, makeLaunched("i-old").instance)
      ])
  }

  @Test("A price that rises beyond a factor is told, and again when it has risen as much once more")
  func priceRise() {
    var driver = Driver()
    driver.start()
    for price in ["4.00", "5.39", "5.41", "6.00", "10.80", "3.60", "5.41"] {
      driver.send(.priceChanged(HourlyPrice(price)!), after: .seconds(60))
    }
    #expect(driver.alerts.map(\.rule) == [.priceRise, .priceRise])
    #expect(driver.alerts.first?.title.contains("from $3.6000/h to $5.4100/h") == true, "\(driver.alerts.map(\.title))")
  }

  @Test("A calculation that does nothing for long is told once, and its end when it works again or is gone")
  func idle() {
    var driver = Driver()
    driver.policy.alerts.idleAfter = .seconds(600)
    driver.start()
    func look(_ cpu: Int?, for time: Duration) {
      let end = driver.now + time
      while driver.now < end {
        var word = beacon(.running, at: driver.now + .seconds(30), started: epoch)
        word.cpuPercent = cpu
        driver.observe(.known(.init(state: .running, beacon: word)), after: .seconds(30))
      }
    }
    look(100, for: .seconds(900))
    look(2, for: .seconds(500))
    look(7, for: .seconds(60))
    #expect(driver.alerts.isEmpty)
    look(0, for: .seconds(3000))
    #expect(driver.alerts.map(\.rule) == [.instanceIdle] && driver.alerts[0].status == .firing)
    look(50, for: .seconds(60))
    #expect(driver.alerts.map(\.status) == [.firing, .resolved])
    look(0, for: .seconds(900))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(
      driver.alerts.filter { $0.rule == .instanceIdle }.map(\.status) == [.firing, .resolved, .firing, .resolved])
    #expect(driver.job.state == .failed)
  }

  @Test("A calculation that writes nothing for long is told once, and its end when it writes again")
  func stuck() {
    var driver = Driver()
    driver.policy.alerts.stuckAfter = .seconds(600)
    driver.start()
    func look(wrote age: Duration, for time: Duration) {
      let wrote = driver.now - age
      let end = driver.now + time
      while driver.now < end {
        var word = beacon(.running, at: driver.now + .seconds(30), started: epoch)
        word.cpuPercent = 100
        word.progressAt = wrote.rawValue
        driver.observe(.known(.init(state: .running, beacon: word)), after: .seconds(30))
      }
    }
    look(wrote: .zero, for: .seconds(570))
    #expect(driver.alerts.isEmpty)
    look(wrote: .seconds(570), for: .seconds(600))
    #expect(driver.alerts.map(\.rule) == [.jobStuck] && driver.alerts[0].status == .firing)
    look(wrote: .zero, for: .seconds(60))
    #expect(driver.alerts.map(\.status) == [.firing, .resolved])
    look(wrote: .seconds(700), for: .seconds(30))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(
      driver.alerts.filter { $0.rule == .jobStuck }.map(\.status) == [.firing, .resolved, .firing, .resolved])
    #expect(driver.alerts.contains { $0.rule == .jobPreempted && $0.severity == .warning })
  }

  @Test("Liveness alone is written every half minute, everything else at once")
  func commits() {
    var driver = Driver()
    driver.start()
    var commits = 0
    for _ in 0..<60 {
      driver.observe(
        .known(.init(state: .running, beacon: beacon(.running, at: driver.now, started: epoch))), after: .seconds(1))
      if driver.lastDecision.needsCommit { commits += 1 }
    }
    #expect((1...3).contains(commits))
  }
}

@Suite("Instances that are taken away")
struct LossTests {
  private func driver(_ recovery: RecoveryRule? = nil, budget: Budget? = nil) -> Driver {
    var spec = makeJob().spec
    spec.recovery = recovery
    var driver = Driver(Job(id: makeJob().id, provider: .aws, spec: spec, budget: budget, createdAt: epoch))
    driver.policy.billing = .ec2Spot
    driver.start()
    return driver
  }

  @Test(
    "Why an instance is gone becomes the state and the reason",
    arguments: [
      (Reason.preempted, JobState.failed, Reason.preempted), (.stoppedOutside, .terminated, .stoppedOutside),
      (.capacity, .failed, .capacity), (.launchError, .failed, .launchError), (.shutDown, .failed, .shutDown),
      (nil, .failed, .instanceVanished),
    ] as [(Reason?, JobState, Reason)])
  func reasons(_ given: Reason?, _ state: JobState, _ reason: Reason) {
    var driver = driver()
    driver.observe(.known(.init(state: .terminated, endReason: given, endMessage: "EC2's words")))
    #expect(driver.job.state == state && driver.job.reason == reason)
    if given == .preempted || given == .capacity { #expect(driver.job.message?.contains("EC2's words") == true) }
  }

  @Test("An instance that was stopped is ended, since it may go on to cost")
  func stopped() {
    var driver = driver()
    let effects = driver.observe(.known(.init(state: .stopped, endReason: .stoppedOutside, endMessage: "by hand")))
    #expect(driver.job.state == .terminated && driver.job.reason == .stoppedOutside && driver.job.isOpen)
    #expect(effects.contains { if case .terminate(_, finalSync: false) = $0 { true } else { false } })
    driver.observe(.known(.init(state: .terminated, endReason: .stoppedOutside)))
    #expect(!driver.job.isOpen)
  }

  @Test("What EC2 takes back in the first hour is not charged, what it takes back later is", arguments: [59, 61])
  func charge(_ minutes: Int) {
    var driver = driver()
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.running, at: epoch + .seconds(minutes * 60), started: epoch))),
      after: .seconds(minutes * 60))
    #expect(driver.job.cost(at: driver.now, rule: .ec2Spot) > .zero)
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)), after: .seconds(1))
    #expect((driver.job.cost(at: driver.now, rule: .ec2Spot) == .zero) == (minutes < 60))
  }

  @Test("What switches itself off after EC2's notice is charged, for EC2 did not end it")
  func ownEnd() {
    var driver = driver()
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.finished, at: driver.now, started: epoch, endedBy: "preempted"))),
      after: .seconds(60))
    driver.observe(.known(.init(state: .terminated)), after: .seconds(1))
    #expect(driver.job.reason == .preempted && driver.job.cost(at: driver.now, rule: .ec2Spot) > .zero)
  }

  @Test("What waits to be taken away is left in peace for some minutes more than what should have switched itself off")
  func waiting() {
    for (reason, minutes) in [("preempted", 5), (nil, 0)] as [(String?, Int)] {
      var driver = driver()
      let word = beacon(.finished, at: driver.now, started: epoch, exit: reason == nil ? 0 : nil, endedBy: reason)
      let report = Observation.known(.init(state: .running, beacon: word))
      driver.observe(report, after: .seconds(10))
      let grace = driver.policy.shutdownGrace + .seconds(minutes * 60)
      driver.observe(report, after: grace - .seconds(1))
      #expect(driver.job.wish == nil)
      driver.observe(report, after: .seconds(2))
      #expect(driver.job.wish?.reason == .finished)
    }
  }

  @Test("A job that may recover is launched again when its instance was taken back, as often as it may")
  func recovery() {
    var driver = driver(RecoveryRule(maxAttempts: 2))
    // The notice comes first: nothing is launched while the old instance lives.
    driver.observe(
      .known(.init(state: .running, beacon: beacon(.finishing, at: driver.now, started: epoch, endedBy: "preempted"))))
    #expect(driver.job.state == .failed && driver.job.attempt.number == 1)
    let effects = driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(driver.job.state == .launching && driver.job.attempt.number == 2 && effects.contains(.launch))
    #expect(driver.alerts.contains { $0.rule == .jobPreempted && $0.severity == .warning })
    driver.send(.launchAnswered(attempt: 2, .launched(makeLaunched("i-2", at: driver.now))))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(driver.job.state == .failed && driver.job.reason == .preempted && !driver.job.isOpen)
  }

  @Test("Nobody recovers what was ended on purpose, or what has used its budget up")
  func noRecovery() {
    var wanted = driver(RecoveryRule(maxAttempts: 9))
    wanted.send(.terminateRequested(TerminationWish(reason: .userRequest, at: wanted.now)))
    wanted.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(wanted.job.state == .terminated && !wanted.job.isOpen)
    var poor = driver(RecoveryRule(maxAttempts: 9), budget: Budget(limit: Money(microdollars: 1)))
    poor.policy.billing = .perSecond
    poor.observe(.known(.init(state: .terminated, endReason: .preempted)))
    #expect(poor.job.state == .failed && !poor.job.isOpen)
  }

  @Test("An instance whose addresses have run out is told as silent, and not ended for it")
  func mute() {
    // What was silent for long enough while it could speak has hung; so has what spoke later than that, and was not mute.
    let cases = [
      (Duration.seconds(600), false), (.seconds(2400), true), (.seconds(86_400), true), (.seconds(-60), false),
      (.seconds(-600), true),
    ]
    for (left, isEnded) in cases {
      var driver = driver()
      var word = beacon(.running, at: driver.now, started: epoch)
      word.channelUntil = (driver.now + left).rawValue
      driver.observe(.known(.init(state: .running, beacon: word)), every: .seconds(15), for: .seconds(7200))
      #expect(driver.alerts.contains { $0.rule == .heartbeatLost })
      #expect((driver.job.state == .failed) == isEnded && (driver.job.wish != nil) == isEnded)
    }
  }

  @Test("A silence that was found only when the addresses had run out long ago is judged by the time before")
  func muteUnwatched() {
    for (left, isEnded) in [(Duration.seconds(600), false), (.seconds(2400), true)] {
      var driver = driver()
      var word = beacon(.running, at: driver.now, started: epoch)
      word.channelUntil = (driver.now + left).rawValue
      let report = Observation.known(.init(state: .running, beacon: word))
      driver.observe(report, after: .seconds(15))
      // Another process looks the next day.
      driver.machine = JobMachine(job: driver.job)
      driver.observe(report, after: .seconds(86_400))
      driver.observe(report, every: .seconds(15), for: .seconds(7200))
      #expect((driver.job.state == .failed) == isEnded)
    }
  }

  @Test("A job that was taken back waits for room, less and less often, and for a day at most")
  func room() {
    var driver = driver(RecoveryRule(maxAttempts: 2))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    let begun = driver.now
    var pauses: [Int64] = []
    driver.send(.launchAnswered(attempt: 2, .refused(.capacity, "none in us-east-1a")))
    while driver.job.state == .launching, pauses.count < 300 {
      #expect(driver.job.isOpen && driver.job.wish == nil)
      let wake = driver.lastDecision.wakeAt ?? driver.now
      pauses.append((wake - driver.now).components.seconds)
      let effects = driver.send(.tick, after: wake - driver.now)
      #expect(effects == [.launch])
      driver.send(.launchAnswered(attempt: 2, .refused(.capacity, "none in us-east-1a")))
    }
    #expect(pauses.prefix(6) == [60, 120, 240, 480, 900, 900])
    #expect(driver.job.state == .failed && driver.job.reason == .capacity && !driver.job.isOpen)
    let waited = driver.now - begun
    #expect(waited >= driver.policy.capacityPatience && waited < driver.policy.capacityPatience + .seconds(1000))
    #expect(driver.events.filter { $0.kind == .launchDelayed }.count == 1)
    // Two alerts, or the store would take the second for the first.
    let told = driver.alerts.filter { $0.rule == .launchFailed }.map(\.id)
    #expect(told.count == 2 && Set(told).count == 2)
  }

  @Test(
    "A job that waits for room goes on waiting in another process, takes room, and is ended at once if that is wanted")
  func roomComes() {
    var driver = driver(RecoveryRule(maxAttempts: 3))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    driver.send(.launchAnswered(attempt: 2, .refused(.capacity, "none")))
    #expect(driver.machine.nextAction(now: driver.now) == "launch again in 1m")
    #expect(driver.job.waitsForRoom && driver.job.message == "waits for room for attempt 2: none")
    var ended = driver
    #expect(ended.send(.terminateRequested(TerminationWish(reason: .userRequest, at: ended.now))).isEmpty)
    #expect(ended.job.state == .terminated && !ended.job.isOpen)
    // Hours later: the launch is old, and not lost.
    driver.machine = JobMachine(job: driver.job)
    guard case .find(let sequence)? = driver.send(.adopted, after: .seconds(7200)).first else {
      Issue.record("it was not looked for")
      return
    }
    #expect(driver.send(.notFound(sequence: sequence)) == [.launch])
    driver.send(.launchAnswered(attempt: 2, .launched(makeLaunched("i-2", at: driver.now))))
    #expect(driver.job.state == .launched && !driver.job.waitsForRoom && driver.job.message == nil)
    // The next attempt tells of its own lack of room.
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    driver.send(.launchAnswered(attempt: 3, .refused(.capacity, "none")))
    #expect(driver.job.state == .launching && driver.events.filter { $0.kind == .launchDelayed }.count == 2)
    // What fails for another reason fails.
    driver.send(.launchAnswered(attempt: 3, .refused(.launchError, "no such image")))
    #expect(driver.job.state == .failed && driver.job.reason == .launchError)
  }

  @Test("A bucket that can't be read ends no job, however long, and a silence counts from when it can be again")
  func unheard() {
    var driver = driver()
    var report = Observation.Report(state: .running)
    report.isUnheard = true
    driver.observe(.known(report), every: .seconds(15), for: .seconds(7200))
    #expect(driver.alerts.contains { $0.rule == .heartbeatLost })
    #expect(driver.job.state == .running && driver.job.wish == nil)
    // Another process finds the lost heartbeat in the row, and can't read either.
    driver.machine = JobMachine(job: driver.job)
    driver.observe(.known(report), every: .seconds(15), for: .seconds(60))
    #expect(driver.job.state == .running)
    report.isUnheard = false
    driver.observe(.known(report), every: .seconds(15), for: .seconds(1770))
    #expect(driver.job.state == .running)
    driver.observe(.known(report), every: .seconds(15), for: .seconds(60))
    #expect(driver.job.state == .failed && driver.job.reason == .heartbeatLost)
  }

  @Test("A waiting launch whose calls are not answered is tried again with pauses, and ends within its day")
  func roomUnanswered() {
    var driver = driver(RecoveryRule(maxAttempts: 2))
    driver.observe(.known(.init(state: .terminated, endReason: .preempted)))
    driver.send(.launchAnswered(attempt: 2, .refused(.capacity, "none")))
    var launches = 0
    let end = driver.now + .seconds(90_000)
    while driver.job.isOpen, driver.now < end {
      let wake = driver.lastDecision.wakeAt ?? driver.now + .seconds(1)
      for effect in driver.send(.tick, after: max(.seconds(1), wake - driver.now)) {
        switch effect {
        case .launch:
          launches += 1
          driver.send(.launchAnswered(attempt: 2, .unknown("no right to launch")))
        case .find(let sequence): driver.send(.notFound(sequence: sequence))
        default: break
        }
      }
    }
    #expect(driver.job.state == .failed && driver.job.reason == .launchLost)
    #expect(driver.job.message?.hasSuffix("of the launch: no right to launch") == true)
    #expect((80...130).contains(launches), "\(launches)")
  }

  @Test("A first launch that finds no room fails: somebody is there to choose again")
  func noRoom() {
    var spec = makeJob().spec
    spec.recovery = RecoveryRule(maxAttempts: 3)
    var driver = Driver(Job(id: makeJob().id, provider: .aws, spec: spec, budget: nil, createdAt: epoch))
    driver.send(.launch)
    driver.send(.launchAnswered(attempt: 1, .refused(.capacity, "none")))
    #expect(driver.job.state == .failed && driver.job.reason == .capacity)
  }

  @Test("A new instance that is not shown yet is not taken for gone; one that was seen may be")
  func young() {
    for wasSeen in [false, true] {
      var driver = Driver(Job(id: makeJob().id, provider: .aws, spec: makeJob().spec, budget: nil, createdAt: epoch))
      driver.policy.absenceGrace = .seconds(300)
      driver.launch()
      if wasSeen { driver.observe(.known(.init(state: .pending)), after: .seconds(2)) }
      driver.observe(.absent, every: .seconds(5), for: .seconds(200))
      #expect((driver.job.reason == .instanceVanished) == wasSeen)
      driver.observe(.absent, every: .seconds(5), for: .seconds(200))
      #expect(driver.job.reason == .instanceVanished)
    }
  }

  @Test("What was charged while nobody looked is learnt at the end, up to the end, and may cross a threshold")
  func unwatchedPrices() {
    var driver = driver(budget: Budget(limit: Money("10")!, action: .terminate))
    let launched = driver.job.attempt.launchedAt!
    let price = driver.job.attempt.segments[0].price
    func hours(_ count: Int64, _ factor: Int64) -> PriceSegment {
      PriceSegment(
        from: launched + .seconds(count * 3600), price: HourlyPrice(microdollars: price.microdollars * factor))
    }
    var report = Observation.Report(state: .terminated, endedAt: launched + .seconds(3 * 3600))
    report.prices = [hours(-5, 9), hours(0, 1), hours(1, 2), hours(2, 3), hours(4, 50)]
    // Another process looks when it is over.
    driver.machine = JobMachine(job: driver.job)
    driver.observe(.known(report), after: .seconds(9 * 3600))
    #expect(driver.job.attempt.segments == [hours(0, 1), hours(1, 2), hours(2, 3)])
    #expect(driver.job.cost(at: driver.now, rule: .ec2Spot) == Money("21.60")!)
    #expect(
      driver.events.filter { $0.kind == .priceChanged }.map(\.message) == ["$3.6000/h became $10.8000/h, in 2 steps"])
    #expect(driver.alerts.contains { $0.rule == .budgetReached })
  }

  @Test("A price holds from the moment that its history names, but never from before the one that is known")
  func history() {
    var driver = driver()
    let launched = driver.job.attempt.launchedAt!
    driver.send(.priceChanged(HourlyPrice(microdollars: 7), at: launched + .seconds(20)), after: .seconds(60))
    driver.send(.priceChanged(HourlyPrice(microdollars: 8), at: launched - .seconds(20)), after: .seconds(60))
    driver.send(.priceChanged(HourlyPrice(microdollars: 9), at: driver.now + .seconds(999)), after: .seconds(60))
    #expect(
      driver.job.attempt.segments.dropFirst().map(\.from)
        == [launched + .seconds(20), launched + .seconds(20), driver.now])
  }
}

@Suite("Alert rules")
struct AlertRuleTests {
  @Test("Each event kind falls under its rule or none")
  func rules() {
    let expected: [Event.Kind: AlertRule] = [
      .failed: .jobFailed, .launchFailed: .launchFailed, .launchDelayed: .launchFailed, .completed: .jobCompleted,
      .terminated: .jobTerminated,
      .costThreshold: .costThreshold, .budgetReached: .budgetReached, .heartbeatLost: .heartbeatLost,
      .syncFailing: .syncFailing, .syncStale: .syncStale, .finalSyncMissing: .finalSyncIncomplete,
      .resultsDamaged: .resultsDamaged, .priceRise: .priceRise, .instanceIdle: .instanceIdle, .jobStuck: .jobStuck,
    ]
    for kind in Event.Kind.allCases {
      let event = Event(job: makeJob().id, attempt: 1, at: epoch, kind: kind, message: "m")
      #expect(AlertPolicy.rule(for: event) == expected[kind])
    }
  }

  @Test("A rule can be switched off, and names its own channels and severity")
  func settings() throws {
    var policy = AlertPolicy(channels: ["ops", "mail"])
    let event = Event(
      job: makeJob().id, attempt: 2, at: epoch, kind: .failed, reason: .exitCode, message: "exit code 3")
    let alert = try #require(policy.alerts(for: event, job: makeJob(), billing: .perSecond).first)
    #expect(alert.id == "a1b2c3d4-2-job_failed")
    #expect(!alert.id.contains("."))
    #expect(alert.channels == ["ops", "mail"])
    #expect(alert.severity == .critical)
    #expect(alert.nextCommand == "cloudjobs logs a1b2c3d4")
    policy.rules[.jobFailed] = .init(enabled: true, severity: .info, channels: ["mail"])
    #expect(policy.alerts(for: event, job: makeJob(), billing: .perSecond).first?.channels == ["mail"])
    policy.rules[.jobFailed]?.enabled = false
    #expect(policy.alerts(for: event, job: makeJob(), billing: .perSecond).first == nil)
    let completed = Event(job: makeJob().id, attempt: 1, at: epoch, kind: .completed, message: "exit code 0")
    #expect(policy.alerts(for: completed, job: makeJob(), billing: .perSecond).first == nil)
  }

  @Test("One silence of a provider is reported once, after the patience")
  func providerHealth() {
    var health = ProviderHealth()
    var reports = 0
    for second in 0..<1000 {
      if health.note(heard: false, error: "timeout", now: epoch + .seconds(second), patience: .seconds(300)) {
        reports += 1
      }
    }
    #expect(reports == 1)
    #expect(health.silentSince == epoch)
    let again = health.note(heard: true, error: "one of two", now: epoch + .seconds(1001), patience: .seconds(300))
    #expect(!again)
    #expect(health.silentSince == nil)
  }
}
