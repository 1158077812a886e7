import JobModel
import JobStore
import Monitor
import Notifiers
import TestSupport
import Testing

@Suite("The life of alerts", .timeLimit(.minutes(1)))
struct AlertLifeTests {
  private func alert(
    _ id: String, _ ground: Ground, status: Alert.Status = .event, condition: String? = nil,
    severity: Alert.Severity = .warning, channels: [String] = ["ops"]
  ) -> Alert {
    Alert(
      id: id, rule: .heartbeatLost, severity: severity, at: ground.clock.now(), job: nil, title: id, facts: [],
      nextCommand: nil, channels: status == .resolved ? [] : channels, status: status, condition: condition,
      labels: ["rule": "heartbeat_lost", "name": "water"])
  }

  private func settle(_ dispatcher: AlertDispatcher) async {
    for _ in 0..<4 {
      await dispatcher.pump()
      await dispatcher.untilIdle()
    }
  }

  private func pass(_ time: Duration, _ ground: Ground, _ dispatcher: AlertDispatcher, steps: Int = 20) async {
    for _ in 0..<steps {
      ground.clock.advance(by: .milliseconds(time.milliseconds / Int64(steps)))
      await dispatcher.tick()
      await dispatcher.untilIdle()
    }
    await settle(dispatcher)
  }

  private func told(_ ground: Ground) async -> [String] { await ground.channel.messages.map(\.alert.id) }

  @Test("The end follows the beginning, also when the receiver was away in between")
  func order() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    await ground.channel.answerAlways(.retry("503", after: nil))
    try await ground.store.raise([alert("f", ground, status: .firing, condition: "c")], at: ground.clock.now())
    await settle(dispatcher)
    try await ground.store.raise([alert("x", ground, status: .resolved, condition: "c")], at: ground.clock.now())
    await pass(.seconds(60), ground, dispatcher)
    await ground.channel.answerAlways(nil)
    // Longer than any pause that chance may have drawn after the tries of a minute.
    await pass(.seconds(3600), ground, dispatcher)
    let ids = await told(ground)
    #expect(ids.last == "f-resolved" && ids.dropLast().allSatisfy { $0 == "f" })
    #expect(ids.filter { $0 == "f-resolved" }.count == 1)
  }

  @Test("A silence keeps back what begins, and takes nothing back that it should not")
  func silences() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher()
    let now = ground.clock.now()
    try await ground.store.raise([alert("before", ground, status: .firing, condition: "c1")], at: now)
    await settle(dispatcher)
    try await ground.store.put(
      Silence(
        id: "s1", labels: ["rule": "heart*"], createdAt: now, until: now + .seconds(3600), comment: "", createdBy: "me")
    )
    for (id, condition) in [("over", "c2"), ("lasts", "c3")] {
      try await ground.store.raise([alert(id, ground, status: .firing, condition: condition)], at: now)
    }
    await settle(dispatcher)
    #expect(await told(ground) == ["before"])
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.pending])).allSatisfy { $0.held == "silence s1" })
    // What was told is taken back in spite of the silence; what was not is over for good.
    for condition in ["c1", "c2"] {
      try await ground.store.raise([alert("x", ground, status: .resolved, condition: condition)], at: now)
    }
    await settle(dispatcher)
    #expect(await told(ground) == ["before", "before-resolved"])
    await pass(.seconds(3700), ground, dispatcher)
    #expect(await told(ground) == ["before", "before-resolved", "lasts"])
    // One that is lifted lets go at once.
    let later = ground.clock.now()
    try await ground.store.put(
      Silence(
        id: "s2", labels: ["name": "water"], createdAt: later, until: later + .seconds(3600), comment: "",
        createdBy: "me"))
    try await ground.store.raise([alert("event", ground)], at: later)
    await settle(dispatcher)
    #expect(await told(ground).count == 3)
    #expect(try await ground.store.endSilence("s2", at: ground.clock.now()))
    await settle(dispatcher)
    #expect(await told(ground).last == "event")
  }

  @Test("Quiet hours keep back what can wait until they end, and nothing grave")
  func quietHours() async throws {
    let ground = Ground()
    // 2027-01-15 08:00 UTC.
    let dispatcher = ground.dispatcher { $0.quietHours = [QuietHours(from: 7 * 60, to: 9 * 60)] }
    try await ground.store.raise(
      [alert("mild", ground), alert("grave", ground, severity: .critical)], at: ground.clock.now())
    await settle(dispatcher)
    #expect(await told(ground) == ["grave"])
    await pass(.seconds(3590), ground, dispatcher)
    #expect(await told(ground) == ["grave"])
    await pass(.seconds(20), ground, dispatcher)
    #expect(await told(ground) == ["grave", "mild"])
  }

  @Test("Fifteen changes in half a minute are at most three messages, and the last one is true")
  func flapping() async throws {
    for changes in [15, 16] {
      let ground = Ground()
      let dispatcher = ground.dispatcher()
      for index in 0..<changes {
        let begins = index.isMultiple(of: 2)
        try await ground.store.raise(
          [alert("f\(index)", ground, status: begins ? .firing : .resolved, condition: "c")], at: ground.clock.now())
        await pass(.seconds(2), ground, dispatcher, steps: 4)
      }
      await pass(.seconds(300), ground, dispatcher)
      let messages = await ground.channel.messages.map(\.alert)
      #expect(messages.count <= 3, "\(messages.map(\.id))")
      #expect(messages.last?.status == (changes.isMultiple(of: 2) ? .resolved : .firing))
      #expect(try await ground.store.nextDeliveryAt() == nil)
    }
  }

  @Test("What piles up is sent as one, and what is recorded is that each was delivered")
  func digest() async throws {
    let ground = Ground()
    let single = RecordingNotifier("single", takesDigests: false)
    let dispatcher = ground.dispatcher([ground.channel, single]) { $0.digestOver = 20 }
    await ground.channel.answerAlways(.retry("503", after: nil))
    let alerts = (0..<2500).map { alert("a\($0)", ground, channels: $0 < 50 ? ["ops", "single"] : ["ops"]) }
    try await ground.store.raise(alerts, at: ground.clock.now())
    await settle(dispatcher)
    await ground.channel.answerAlways(nil)
    let before = await ground.channel.messages.count
    await pass(.seconds(400), ground, dispatcher)
    let messages = await ground.channel.messages.dropFirst(before)
    #expect(messages.count <= 6, "\(messages.count)")
    #expect(messages.first?.alert.rule == .digest)
    #expect(messages.first?.alert.title.contains(" alerts about ") == true)
    #expect(messages.allSatisfy { $0.alert.facts.count <= 40 && !$0.id.contains(".") })
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.delivered], channel: "ops")).count == 2500)
    #expect(await single.messages.count == 50)
  }

  @Test("Alerts of one job that are due together are one message, where that is wanted and the channel can")
  func groupsOfOneJob() async throws {
    let ground = Ground()
    let single = RecordingNotifier("single", takesDigests: false)
    let dispatcher = ground.dispatcher([ground.channel, single]) {
      $0.groupBy = ["job"]
      $0.groupWait = .seconds(5)
    }
    var alerts = (0..<6).map { alert("a\($0)", ground, channels: ["ops", "single"]) }
    for index in alerts.indices {
      alerts[index].labels = index == 5 ? [:] : ["job": "j\(index % 2)", "name": "n\(index % 2)"]
    }
    try await ground.store.raise(alerts, at: ground.clock.now())
    await pass(.seconds(10), ground, dispatcher)
    let messages = await ground.channel.messages.map(\.alert)
    #expect(messages.map(\.rule) == [.digest, .digest, alerts[5].rule])
    #expect(messages[0].title.hasPrefix("3 alerts about n0 (j0): ") && messages[0].labels["job"] == "j0")
    #expect(await single.messages.count == 6)
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.delivered])).count == 12)
  }

  @Test("A limited channel gets its share and the rest together")
  func limit() async throws {
    let ground = Ground()
    let channel = RecordingNotifier("ops", limit: .init(burst: 5, perMinute: 6))
    let dispatcher = ground.dispatcher([channel]) { $0.digestOver = 50 }
    for index in 0..<30 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await settle(dispatcher)
    #expect(await channel.messages.count == 5)
    await pass(.seconds(60), ground, dispatcher)
    #expect((10...12).contains(await channel.messages.count))
    await pass(.seconds(600), ground, dispatcher, steps: 600)
    #expect(await channel.messages.count == 30)
  }

  @Test("A receiver that comes back gets everything within half a minute, once")
  func recovery() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher { $0.digestOver = 0 }
    await ground.channel.answerAlways(.retry("refused", after: nil))
    for index in 0..<100 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await pass(.seconds(600), ground, dispatcher, steps: 600)
    let before = await ground.channel.messages.count
    await ground.channel.answerAlways(nil)
    await pass(.seconds(35), ground, dispatcher, steps: 70)
    let after = await told(ground).dropFirst(before)
    #expect(after.count == 100 && Set(after).count == 100)
  }

  @Test("What still fires is told again until somebody takes note of it")
  func repeats() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher { $0.repeatAfter = .seconds(600) }
    try await ground.store.raise([alert("f", ground, status: .firing, condition: "c")], at: ground.clock.now())
    try await ground.store.raise([alert("e", ground)], at: ground.clock.now())
    await settle(dispatcher)
    await pass(.seconds(1900), ground, dispatcher, steps: 200)
    let messages = await ground.channel.messages.filter { $0.alert.id == "f" }
    #expect(messages.count == 3 || messages.count == 4, "\(messages.count)")
    #expect(Set(messages.map(\.id)).count == messages.count)
    #expect(await told(ground).filter { $0 == "e" }.count == 1)
    #expect(try await ground.store.acknowledge(["f", "e", "x"], by: "me", telling: [], at: ground.clock.now()) == 1)
    #expect(try await ground.store.firingAlerts().map(\.acknowledgedBy) == ["me"])
    let count = await ground.channel.messages.count
    await pass(.seconds(3000), ground, dispatcher, steps: 200)
    #expect(await ground.channel.messages.count == count)
    try await ground.store.raise([alert("x", ground, status: .resolved, condition: "c")], at: ground.clock.now())
    await settle(dispatcher)
    #expect(await told(ground).last == "f-resolved")
    #expect(try await ground.store.firingAlerts().isEmpty)
  }

  @Test("That somebody took note of an alert is told to channels that know of it, behind the beginning")
  func acknowledgement() async throws {
    let ground = Ground()
    let pager = RecordingNotifier("pager", takesAcknowledgements: true)
    let dispatcher = ground.dispatcher([ground.channel, pager])
    var firing = alert("f", ground, status: .firing, condition: "c")
    firing.channels = ["ops", "pager"]
    await pager.answer(.retry("busy", after: nil))
    try await ground.store.raise([firing], at: ground.clock.now())
    await settle(dispatcher)
    // A channel that has become another one since is named here too.
    #expect(
      try await ground.store.acknowledge(["f"], by: "me", telling: ["ops", "pager"], at: ground.clock.now()) == 1)
    await pass(.seconds(60), ground, dispatcher)
    #expect(await pager.messages.map(\.alert.status) == [.firing, .firing, .acknowledged])
    #expect(await told(ground) == ["f"])
    let dead = try await ground.store.deliveries(DeliveryQuery(states: [.dead]))
    #expect(dead.map(\.channel) == ["ops"] && dead.map(\.alert.status) == [.acknowledged])
  }

  @Test("Alerts that come together wait for each other, if that is wanted")
  func grouping() async throws {
    let ground = Ground()
    let dispatcher = ground.dispatcher {
      $0.groupWait = .seconds(30)
      $0.digestOver = 2
    }
    for index in 0..<5 {
      try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now())
      await settle(dispatcher)
    }
    #expect(await ground.channel.messages.isEmpty)
    await pass(.seconds(40), ground, dispatcher)
    #expect(await ground.channel.messages.map(\.alert.rule) == [.digest])
  }

  @Test("A provider that is silent and answers again is one alert and its end, also when the watcher died in between")
  func provider() async throws {
    let ground = Ground()
    try await ground.insert(ground.makeJob())
    await ground.provider.setUnreachable("timed out")
    let first = ground.supervision("first", policy: ground.policy { $0.unreachableAfter = .seconds(120) })
    try await first.begin()
    _ = try await ground.drive(first, steps: 4000) {
      try await !ground.store.deliveries(DeliveryQuery()).isEmpty
    }
    await first.end(grace: .seconds(1))
    #expect(try await ground.store.firingAlerts().map(\.alert.rule) == [.providerUnreachable])
    await ground.provider.setUnreachable(nil)
    let second = ground.supervision("second")
    try await second.begin()
    _ = try await ground.drive(second, steps: 4000) { try await ground.store.firingAlerts().isEmpty }
    await second.end(grace: .seconds(1))
    let statuses = try await ground.store.deliveries(DeliveryQuery()).map(\.alert.status)
    #expect(statuses.filter { $0 == .firing }.count == 1 && statuses.filter { $0 == .resolved }.count == 1)
  }

  @Test(
    "A channel that can't be used gives up what waits for it at one request, and the others are told once, and of the end"
  )
  func unusable() async throws {
    let ground = Ground()
    let other = RecordingNotifier("other")
    let dispatcher = ground.dispatcher([ground.channel, other])
    await ground.channel.answerAlways(.unusable("410 gone"))
    for index in 0..<50 { try await ground.store.raise([alert("a\(index)", ground)], at: ground.clock.now()) }
    await settle(dispatcher)
    #expect(await ground.channel.messages.count == 1)
    #expect(try await ground.store.deliveries(DeliveryQuery(states: [.dead])).count == 50)
    #expect(await other.messages.map(\.alert.rule) == [.channelUnusable])
    try await ground.store.raise([alert("later", ground)], at: ground.clock.now())
    await settle(dispatcher)
    #expect(await ground.channel.messages.count == 2)
    #expect(await other.messages.count == 1)
    // Somebody has mended it.
    await ground.channel.answerAlways(nil)
    #expect(try await ground.store.resend(nil, at: ground.clock.now()) == 51)
    await settle(dispatcher)
    #expect(await ground.channel.messages.count == 53)
    #expect(await other.messages.map(\.alert.status) == [.firing, .resolved])
    #expect(try await ground.store.nextDeliveryAt() == nil)
  }
}
