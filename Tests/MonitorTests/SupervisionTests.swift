import JobModel
import JobStore
import Monitor
import Notifiers
import ProviderKit
import TestSupport
import Testing

@Suite("Supervision", .timeLimit(.minutes(1)))
struct SupervisionTests {
  @Test("A watcher launches what was left launching, follows it to its end, and lets it go")
  func wholeLife() async throws {
    let ground = Ground()
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    let end = try await ground.drive(watch) {
      let job = try await ground.job()
      switch job.state {
      case .launched: await ground.provider.report("a1b2c3d4-1", ground.beacon(.running))
      case .running: await ground.provider.report("a1b2c3d4-1", ground.beacon(.finished, exit: 0), state: .terminated)
      default: break
      }
      return !job.isOpen
    }
    #expect(end == .stopped)
    let job = try await ground.job()
    #expect(job.state == .completed)
    #expect(await watch.pool.count == 0)
    #expect(ground.events == [.launched, .started, .completed, .instanceGone])
    #expect(await ground.provider.count(.launch) == 1)
  }

  @Test("The intent is on disk before the provider is called, and the call is made once though its answer is lost")
  func lostLaunchAnswer() async throws {
    let ground = Ground()
    await ground.provider.loseNextLaunchAnswers()
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    _ = try await ground.drive(watch) { try await ground.job().state == .launched }
    #expect(try await ground.job().state == .launched)
    #expect(await ground.provider.world.count == 1)
  }

  @Test("A second watcher is refused and told who holds the database; after the lease ran out it takes over")
  func secondWatcher() async throws {
    let ground = Ground()
    try await ground.insert(ground.makeJob())
    let first = ground.supervision("w1")
    try await first.begin()
    try await first.sweep()
    #expect(await first.pool.count == 1)
    let second = ground.supervision("w2")
    let error = await #expect(throws: StoreError.self) { try await second.begin() }
    #expect(error?.code == .held)
    #expect(error?.holder?.owner.rawValue == "w1")
    // The first one was killed: it renews nothing.
    ground.clock.advance(by: .seconds(31))
    try await second.begin()
    try await second.sweep()
    #expect(await second.pool.count == 1)
    // Woken again, the first one may not write any more and lets the job go.
    await first.pool.trust(until: Timestamp(milliseconds: .max))
    _ = await first.pool.post(
      .terminateRequested(TerminationWish(reason: .userRequest, at: ground.clock.now())), to: JobID("a1b2c3d4")!)
    #expect(await first.pool.count == 0)
    #expect(try await ground.job().wish == nil)
  }

  @Test("A watcher that was replaced stops by itself")
  func replaced() async throws {
    let ground = Ground()
    let first = ground.supervision("w1")
    try await first.begin()
    ground.clock.advance(by: .seconds(31))
    let second = ground.supervision("w2")
    try await second.begin()
    #expect(try await first.run() == .replaced)
  }

  @Test("A wish that another process filed is carried out until the instance is gone")
  func wish() async throws {
    let ground = Ground()
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    try await watch.sweep()
    await ground.provider.report("a1b2c3d4-1", ground.beacon(.running))
    await ground.provider.nextTerminations(.failed("throttled"), .accepted)
    try await ground.store.file(
      JobRequest(
        id: "r1", job: JobID("a1b2c3d4")!,
        kind: .terminate(TerminationWish(reason: .userRequest, message: "enough", at: ground.clock.now())),
        at: ground.clock.now()))
    _ = try await ground.drive(watch) { try await !ground.job().isOpen }
    let job = try await ground.job()
    #expect(job.state == .terminated)
    #expect(job.message == "enough")
    #expect(ground.events.contains(.terminateFailed))
    #expect(try await ground.store.openRequests(of: nil).isEmpty)
  }

  @Test("A command drives its own job when nobody watches, and gives it back")
  func command() async throws {
    let ground = Ground()
    try await ground.insert(ground.makeJob())
    try await ground.insert(ground.makeJob("zzzzzzzz"))
    let command = ground.supervision("c1", role: .command, scope: .jobs([JobID("a1b2c3d4")!]))
    try await command.begin()
    _ = try await ground.drive(command) { try await ground.job().state == .launched }
    #expect(await command.pool.count == 1)
    #expect(await command.pool.holds(JobID("a1b2c3d4")!))
    await command.end(grace: .seconds(5))
    #expect(try await ground.store.holders().isEmpty)
    let watch = ground.supervision("w1")
    try await watch.begin()
    try await watch.sweep()
    #expect(await watch.pool.count == 2)
  }

  @Test("A single sweep may last longer than the lease")
  func longSweep() async throws {
    let ground = Ground()
    await ground.provider.hold(.observe)
    var job = ground.makeJob()
    job.state = .running
    job.attempt.instance = Instance(id: "i-1", type: "t", region: "r")
    job.attempt.launchedAt = ground.clock.now()
    try await ground.insert(job)
    await ground.provider.report(job.attempt.token, ground.beacon(.finishing, exit: 1))
    let watch = ground.supervision("w1")
    try await watch.begin()
    let sweep = Task { try await watch.sweep() }
    await ground.provider.arrival(of: .observe)
    for _ in 0..<10 { await ground.clock.advanceToNextSleeper() }
    let held = try #require(try await ground.store.holders().first)
    #expect(held.expiresAt > ground.clock.now())
    await ground.provider.release(.observe)
    try await sweep.value
    #expect(try await ground.job().state == .failed)
  }

  @Test("An instance that shows itself after its job was closed is ended, and tried again until that is accepted")
  func lateInstance() async throws {
    let ground = Ground()
    await ground.provider.hold(.launch)
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    await ground.provider.nextFinds(.absent)
    try await watch.pool.adopt(
      ground.store.claim(OwnerID(rawValue: "w1"), jobs: nil, limit: 1, at: ground.clock.now()))
    await ground.provider.arrival(of: .launch)
    var wish = TerminationWish(reason: .userRequest, at: ground.clock.now())
    wish.isForgotten = true
    _ = await watch.pool.post(.terminateRequested(wish), to: JobID("a1b2c3d4")!)
    #expect(await watch.pool.count == 0)
    await ground.provider.nextTerminations(.failed("throttled"), .failed("throttled"), .accepted)
    await ground.provider.release(.launch)
    while await ground.provider.count(.terminate) < 3 {
      await ground.clock.advanceToNextSleeper()
      await Task.yield()
    }
    await watch.pool.untilIdle()
    #expect(try await ground.job().state == .terminated)
  }

  @Test("A watcher that is told to stop does not wait for a call that hangs")
  func hungCall() async throws {
    let ground = Ground()
    await ground.provider.hold(.launch)
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    await ground.provider.nextFinds(.absent)
    try await watch.pool.adopt(
      ground.store.claim(OwnerID(rawValue: "w1"), jobs: nil, limit: 1, at: ground.clock.now()))
    await ground.provider.arrival(of: .launch)
    await watch.end(grace: .milliseconds(50))
    #expect(try await ground.store.holders().isEmpty)
    await ground.provider.release(.launch)
  }

  @Test("A queue that is longer than the time-out grows no further, and every answer counts")
  func slowProvider() async throws {
    let ground = Ground()
    await ground.provider.hold(.observe)
    for index in 0..<1000 {
      var job = ground.makeJob("job" + String(10_000 + index))
      job.state = .running
      job.attempt.instance = Instance(id: "i-\(index)", type: "t", region: "r")
      job.attempt.launchedAt = ground.clock.now()
      try await ground.insert(job)
      await ground.provider.report(job.attempt.token, ground.beacon(.finishing, exit: 0, job: job.id.rawValue))
    }
    let watch = ground.supervision("w1")
    try await watch.begin()
    await watch.pool.trust(until: Timestamp(milliseconds: .max))
    try await watch.pool.adopt(
      ground.store.claim(OwnerID(rawValue: "w1"), jobs: nil, limit: 1000, at: ground.clock.now()))
    for _ in 0..<5 {
      ground.clock.advance(by: .seconds(61))
      await watch.pool.tick(now: ground.clock.now())
    }
    await ground.provider.release(.observe)
    await watch.pool.untilIdle()
    #expect(try await ground.store.jobs(JobQuery(states: [.completed])).count >= 600)
    // Ten calls for all; those that were under way at the time-outs were asked for again.
    #expect(await ground.provider.count(.observe) < 40)
  }

  @Test("Ten thousand jobs are polled by a handful of calls")
  func coalescing() async throws {
    let ground = Ground()
    for index in 0..<10_000 {
      let id = "job" + String(100_000 + index)
      var job = ground.makeJob(String(id.prefix(9)))
      job.state = .running
      job.attempt.instance = Instance(id: "i-\(index)", type: "t", region: "r")
      job.attempt.launchedAt = ground.clock.now()
      job.attempt.segments = [PriceSegment(from: ground.clock.now(), price: .zero)]
      try await ground.insert(job)
      await ground.provider.report(job.attempt.token, ground.beacon(.running, job: job.id.rawValue))
    }
    let watch = ground.supervision("w1")
    try await watch.begin()
    try await watch.sweep()
    #expect(await watch.pool.count == 10_000)
    let calls = await ground.provider.calls.filter { $0.kind == .observe }
    #expect(Set(calls.flatMap(\.tokens)).count == 10_000)
    #expect(calls.count < 300)
  }

  @Test("A provider that is silent for long raises one alert for all its jobs, and no job changes its state")
  func unreachable() async throws {
    let ground = Ground()
    for id in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] { try await ground.insert(ground.makeJob(id)) }
    let dispatcher = ground.dispatcher()
    let watch = ground.supervision("w1", dispatcher: dispatcher)
    try await watch.begin()
    try await watch.sweep()
    await ground.provider.setUnreachable("connection refused")
    let start = ground.clock.now()
    _ = try await ground.drive(watch, steps: 20_000) { ground.clock.now() - start > .seconds(1200) }
    await dispatcher.untilIdle()
    let messages = await ground.channel.messages.filter { $0.alert.rule == .providerUnreachable }
    #expect(messages.count == 1)
    #expect(try await ground.job("aaaaaaaa").state == .launched)
  }
}
