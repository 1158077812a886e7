import JobModel
import JobStore
import Monitor
import Notifiers
import TestSupport
import Testing

@Suite("Alert dispatcher", .timeLimit(.minutes(1)))
struct DispatcherTests {
  private func alert(_ id: String, _ ground: Ground, channels: [String] = ["ops"]) -> Alert {
    Alert(
      id: id, rule: .jobFailed, severity: .critical, at: ground.clock.now(), job: nil, title: id, facts: [],
      nextCommand: nil, channels: channels)
  }

  @Test("What is pushed and recorded is pushed once, in order")
  func once() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    for index in 0..<20 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await dispatcher.pump()
    await dispatcher.untilIdle()
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(await ground.channel.messages.map(\.alert.id) == (0..<20).map { "a\($0)" })
    #expect(try await ground.store.nextDeliveryAt() == nil)
  }

  @Test("Every try of a delivery carries the same id, without a dot, and heeds the receiver's pause")
  func retries() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    await ground.channel.answer(.retry("503", after: .seconds(120)), .retry("503", after: nil))
    try await ground.store.raise([alert("a.1", ground)], at: ground.clock.now())
    await dispatcher.pump()
    await dispatcher.untilIdle()
    ground.clock.advance(by: .seconds(119))
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(await ground.channel.messages.count == 1)
    for _ in 0..<200 {
      ground.clock.advance(by: .seconds(10))
      await dispatcher.tick()
      await dispatcher.untilIdle()
    }
    let ids = await ground.channel.messages.map(\.id)
    #expect(ids.count == 3)
    #expect(Set(ids).count == 1)
    #expect(ids.first?.contains(".") == false)
  }

  @Test("A permanent error is a dead letter at once; sent again it is delivered")
  func deadLetter() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    await ground.channel.answer(.permanent("410 gone"))
    try await ground.store.raise([alert("a", ground)], at: ground.clock.now())
    await dispatcher.pump()
    await dispatcher.untilIdle()
    let dead = try await ground.store.deliveries(DeliveryQuery(states: [.dead]))
    #expect(dead.map(\.answer) == ["410 gone"])
    #expect(try await ground.store.resend(nil, at: ground.clock.now()) == 1)
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.delivered])).count == 1)
  }

  @Test("A hung channel delays no other")
  func isolation() async throws {
    let ground = Ground()
    let slow = RecordingNotifier("slow")
    await slow.hold()
    let dispatcher = ground.dispatcher([slow, ground.channel])
    try await ground.store.raise([alert("a", ground, channels: ["slow", "ops"])], at: ground.clock.now())
    try await ground.store.raise([alert("b", ground, channels: ["slow", "ops"])], at: ground.clock.now())
    await dispatcher.pump()
    while await ground.channel.messages.count < 2 {
      await Task.yield()
      await dispatcher.pump()
    }
    while await slow.messages.isEmpty { await Task.yield() }
    #expect(await slow.messages.count == 1)
    await slow.release()
    await dispatcher.untilIdle()
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(await slow.messages.map(\.alert.id) == ["a", "b"])
  }

  @Test("What was pushed but can't be written is not pushed again: only the writing is")
  func fullDisk() async throws {
    let store = FailingStore()
    let ground = Ground(store: store)
    let dispatcher = ground.dispatcher()
    try await ground.store.raise([alert("a", ground), alert("b", ground)], at: ground.clock.now())
    store.settleFails = true
    for _ in 0..<20 {
      await dispatcher.pump()
      await dispatcher.untilIdle()
      ground.clock.advance(by: .seconds(5))
    }
    #expect(await ground.channel.messages.map(\.alert.id) == ["a"])
    store.settleFails = false
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(await ground.channel.messages.map(\.alert.id) == ["a", "b"])
    #expect(try await store.deliveries(DeliveryQuery(states: [.delivered])).count == 2)
  }

  @Test("What can be written at last when the watcher stops is not pushed by the next one")
  func settledAtTheEnd() async throws {
    let store = FailingStore()
    let ground = Ground(store: store)
    let dispatcher = ground.dispatcher()
    try await ground.store.raise([alert("a", ground)], at: ground.clock.now())
    store.settleFails = true
    await dispatcher.pump()
    await dispatcher.untilIdle()
    store.settleFails = false
    await dispatcher.close()
    #expect(try await store.nextDeliveryAt() == nil)
  }

  @Test("A channel that fails is left alone for a while, with all that waits for it untried")
  func pausedChannel() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    for index in 0..<50 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await ground.channel.answer(.retry("429", after: .seconds(60)))
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(await ground.channel.messages.count == 1)
    #expect(try await ground.store.deliveries(DeliveryQuery()).filter { $0.tries > 0 }.count == 1)
    ground.clock.advance(by: .seconds(59))
    await dispatcher.tick()
    await dispatcher.untilIdle()
    #expect(await ground.channel.messages.count == 1)
    ground.clock.advance(by: .seconds(1))
    await dispatcher.tick()
    await dispatcher.untilIdle()
    // The one that failed goes with the others: the channel takes messages again.
    #expect(await ground.channel.messages.count == 51)
    #expect(try await ground.store.nextDeliveryAt() == nil)
  }

  @Test("A channel that stays broken is probed every half minute at the longest")
  func probes() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    for index in 0..<100 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await ground.channel.answerAlways(.retry("refused", after: nil))
    await dispatcher.pump()
    for _ in 0..<600 {
      await dispatcher.tick()
      await dispatcher.untilIdle()
      ground.clock.advance(by: .seconds(1))
    }
    let probes = await ground.channel.messages.count
    #expect((20...60).contains(probes), "\(probes)")
    await ground.channel.answerAlways(nil)
    for _ in 0..<31 {
      await dispatcher.tick()
      await dispatcher.untilIdle()
      ground.clock.advance(by: .seconds(1))
    }
    #expect(await ground.channel.messages.count > 100)
  }

  @Test("A hung channel delays no other, however much waits for it")
  func isolationOfMany() async throws {
    let ground = Ground()
    let slow = RecordingNotifier("slow")
    await slow.hold()
    let dispatcher = ground.dispatcher([slow, ground.channel])
    for index in 0..<1000 {
      try await ground.store.raise([alert("a\(index)", ground, channels: ["slow", "ops"])], at: ground.clock.now())
    }
    await dispatcher.pump()
    while await ground.channel.messages.count < 1000 { await Task.yield() }
    while await slow.messages.isEmpty { await Task.yield() }
    #expect(await slow.messages.count == 1)
    await slow.release()
    await dispatcher.close()
  }

  @Test("A clock that is set back delays no delivery")
  func clockSetBack() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    await ground.channel.answer(.retry("503", after: .seconds(60)))
    try await ground.store.raise([alert("a", ground)], at: ground.clock.now())
    await dispatcher.pump()
    await dispatcher.untilIdle()
    ground.clock.advance(by: .seconds(-7200))
    await dispatcher.tick()
    ground.clock.advance(by: .seconds(70))
    await dispatcher.tick()
    await dispatcher.untilIdle()
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.delivered])).count == 1)
  }

  @Test("A push that was not recorded is pushed again with the same id: a killed watcher loses nothing")
  func crash() async throws {
    let ground = Ground()
    await ground.channel.hold()
    try await ground.store.raise([alert("a", ground)], at: ground.clock.now())
    let killed = ground.dispatcher()
    await killed.pump()
    while await ground.channel.messages.isEmpty { await Task.yield() }
    // The process dies here; its successor finds the delivery pending.
    let successor = ground.dispatcher()
    await ground.channel.release()
    await successor.pump()
    await successor.untilIdle()
    let ids = await ground.channel.messages.map(\.id)
    #expect(ids.count == 2)
    #expect(Set(ids).count == 1)
  }

  @Test("A delivery through a channel that is not configured any more is a dead letter, not a hole")
  func unknownChannel() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    try await ground.store.raise([alert("a", ground, channels: ["gone"])], at: ground.clock.now())
    await dispatcher.pump()
    await dispatcher.untilIdle()
    #expect(
      try await ground.store.deliveries(DeliveryQuery(states: [.dead])).first?.answer?.contains("no notifier") == true)
  }
}
