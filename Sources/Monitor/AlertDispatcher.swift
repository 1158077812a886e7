package import JobModel
package import JobStore
package import Logging
package import Notifiers
package import Transport

/// Drives the outbox: takes due deliveries, gives each to its channel, and records what came of it.
///
/// Each channel has its own queue and at most one task, so a hung channel delays no other. A delivery that was pushed by
/// a process that died before it was recorded is pushed again with the same id: at least once, never zero.
package actor AlertDispatcher {
  private let store: any Store
  private let clock: any WallClock
  private let logger: Logger
  private var channels: [String: any Notifier]
  private var policy: RetryPolicy
  private var rules: DeliveryRules
  private let offset: @Sendable (String?, Timestamp) -> Int
  private var generator: any RandomNumberGenerator

  private var busy: [String: Task<Void, Never>] = [:]
  /// Deliveries that a channel's task has in hand.
  private var inHand: Set<Int64> = []
  /// What came of tries and could not be written yet. Nothing more is pushed meanwhile: it could not be written either.
  private var unsettled: [Int64: DeliveryOutcome] = [:]
  private var settleAt = Timestamp(milliseconds: 0)
  private var states = ChannelStates()
  private var repeatAt = Timestamp(milliseconds: 0)
  /// Deliveries that ended while the outbox was being read: what was read of them is old.
  private var endedMeanwhile: Set<Int64> = []
  private var isPumping = false
  private var pumpAgain = false
  private var isClosing = false
  private var nextDue: Timestamp?
  /// By how much the wall clock was set back while this process ran: what is due is due by the old time.
  private var setBack = Duration.zero
  private var latest = Timestamp(milliseconds: .min)
  private var idleWaiters: [CheckedContinuation<Void, Never>] = []

  /// How many due deliveries a channel takes at a time.
  private static let batch = 1000
  /// A pause that full jitter draws as nothing would hammer the receiver.
  private static let shortestPause = Duration.milliseconds(100)

  package init(
    store: any Store, channels: [any Notifier], policy: RetryPolicy, rules: DeliveryRules = DeliveryRules(),
    clock: any WallClock, logger: Logger, offset: @escaping @Sendable (String?, Timestamp) -> Int = { _, _ in 0 },
    generator: any RandomNumberGenerator = SystemRandomNumberGenerator()
  ) {
    self.store = store
    self.channels = Dictionary(channels.map { ($0.name, $0) }) { first, _ in first }
    self.policy = policy
    self.rules = rules
    self.offset = offset
    self.clock = clock
    self.logger = logger
    self.generator = generator
  }

  /// Replaces the channels and the rules; deliveries under way end on the old ones.
  package func configure(channels: [any Notifier], policy: RetryPolicy, rules: DeliveryRules) async {
    self.channels = Dictionary(channels.map { ($0.name, $0) }) { first, _ in first }
    self.policy = policy
    self.rules = rules
    states.forgetLimits()
    await pump()
  }

  /// When the outbox wants to be looked at again, as far as is known.
  package var nextDeadline: Timestamp? { nextDue.map { $0 - setBack } }

  /// Looks into the outbox if something is due.
  package func tick() async {
    await repeatFiring()
    if let nextDue, nextDue <= time() { await pump() }
  }

  /// Tells again, now and then, what still fires and nobody has taken note of.
  private func repeatFiring() async {
    let now = time()
    guard let pause = rules.repeatAfter, now >= repeatAt, !isClosing else { return }
    repeatAt = now + min(.seconds(30), pause)
    do {
      if try await store.repeatFiring(deliveredBefore: now - pause, at: now) > 0 { await pump() }
    } catch {
      logger.error("Outbox can't be read", metadata: ["error": "\(error)"])
    }
  }

  /// The wall clock's time, which here never runs backwards.
  private func time() -> Timestamp {
    let now = clock.now()
    if now < latest { setBack += latest - now }
    latest = now
    return now + setBack
  }

  /// Looks into the outbox now and starts what is due.
  package func pump() async {
    guard !isClosing else { return }
    guard !isPumping else {
      pumpAgain = true
      return
    }
    isPumping = true
    defer { isPumping = false }
    repeat {
      pumpAgain = false
      do {
        try await startDue()
      } catch {
        nextDue = time() + .seconds(1)
        logger.error("Outbox can't be read", metadata: ["error": "\(error)"])
      }
    } while pumpAgain && !isClosing
  }

  private func startDue() async throws {
    let now = time()
    guard await settle(now) else {
      nextDue = settleAt
      return
    }
    nextDue = nil
    let silences = try await store.silences(at: now)
    for (channel, next) in try await store.nextDeliveries() {
      let moment = states.start(of: channel, due: next)
      guard moment <= now else {
        nextDue = min(nextDue ?? moment, moment)
        continue
      }
      // A busy channel takes what is due when its task ends.
      guard busy[channel] == nil else { continue }
      if let moment = states.waitForToken(channel, channels[channel]?.limit, at: now) {
        nextDue = min(nextDue ?? moment, moment)
        continue
      }
      endedMeanwhile = []
      let due = try await store.dueDeliveries(through: channel, at: now, limit: Self.batch)
      let held = due.compactMap { delivery in
        inHand.contains(delivery.id) ? nil : hold(delivery, silences, now).map { (delivery.id, $0) }
      }
      if !held.isEmpty {
        try await store.settle(
          held.map { DeliveryOutcome(delivery: $0.0, at: now, result: .held(until: $0.1.until), answer: $0.1.why) })
        // What is due behind them is looked at next.
        pumpAgain = true
      }
      let kept = Set(held.map(\.0))
      start(
        due.filter { !inHand.contains($0.id) && !endedMeanwhile.contains($0.id) && !kept.contains($0.id) },
        through: channel)
    }
  }

  private func hold(_ delivery: Delivery, _ silences: [Silence], _ now: Timestamp) -> DeliveryRules.Hold? {
    rules.hold(delivery.alert, silences: silences, at: now, offset: offset)
      ?? states.flapping(delivery, at: now, window: rules.flapWindow)
  }

  private func start(_ deliveries: [Delivery], through channel: String) {
    guard !deliveries.isEmpty, busy[channel] == nil, !isClosing else { return }
    for delivery in deliveries { inHand.insert(delivery.id) }
    busy[channel] = Task {
      await self.send(deliveries, through: channel)
      await self.channelEnded(channel)
    }
  }

  private func channelEnded(_ channel: String) async {
    if let answer = states.takeRefusal(of: channel) { await park(channel, answer) }
    busy[channel] = nil
    await pump()
    guard busy.isEmpty else { return }
    for waiter in idleWaiters { waiter.resume() }
    idleWaiters = []
  }

  /// Gives up what waits for a channel that can't be used, and tells the others, once until it can be used again. The next
  /// alert tries it anew.
  private func park(_ channel: String, _ answer: String) async {
    let now = time()
    do {
      let count = try await store.park(channel: channel, answer: answer, at: now)
      logger.error(
        "Channel can't be used; what waited for it is given up",
        metadata: ["alert.channel": "\(channel)", "deliveries": "\(count)", "alert.answer": "\(answer)"])
      let isKnown = try await store.firingAlerts().contains { $0.alert.condition == Self.condition(channel) }
      let others = channels.keys.filter { $0 != channel }.sorted()
      guard !isKnown else { return }
      try await store.raise(
        [
          Alert(
            id: "\(Self.condition(channel))-\(now.rawValue)", rule: .channelUnusable, severity: .critical, at: now,
            job: nil,
            title: "Alerts no longer arrive through \(channel)",
            facts: [
              Alert.Fact("Channel", channel), Alert.Fact("It says", answer),
              Alert.Fact("Done by itself", "what waited for it is kept; after mending it: cloudjobs notify resend"),
            ], nextCommand: "cloudjobs notify test \(channel)", channels: others, status: .firing,
            condition: Self.condition(channel),
            labels: ["rule": AlertRule.channelUnusable.rawValue, "severity": "critical", "channel": channel])
        ], at: now)
    } catch {
      logger.error("Outbox can't be written", metadata: ["error": "\(error)"])
    }
  }

  /// A channel that takes messages ends the alert that it does not, whoever raised that.
  private func noteUsable(_ channel: String, at now: Timestamp) async {
    guard states.becameUsable(channel) else { return }
    let end = Alert(
      id: "\(Self.condition(channel))-resolved", rule: .channelUnusable, severity: .info, at: now, job: nil,
      title: "Alerts arrive through \(channel) again", facts: [Alert.Fact("Channel", channel)], nextCommand: nil,
      channels: [], status: .resolved, condition: Self.condition(channel),
      labels: ["rule": AlertRule.channelUnusable.rawValue, "channel": channel])
    do {
      if try await store.raise([end], at: now) > 0 { pumpAgain = true }
    } catch {
      states.forgetUsable(channel)
      logger.error("Outbox can't be written", metadata: ["error": "\(error)"])
    }
  }

  private static func condition(_ channel: String) -> String { "channel-\(channel)-unusable" }

  /// Pushes one after the other, up to the first that is to be tried again: the channel has a problem, not the message.
  private func send(_ deliveries: [Delivery], through name: String) async {
    let messages = rules.messages(deliveries, takesDigests: channels[name]?.takesDigests == true) { $0.alert }
    var isOpen = true
    for message in messages {
      if isOpen, states.waitForToken(name, channels[name]?.limit, at: time()) != nil { isOpen = false }
      if isOpen, !isClosing, !Task.isCancelled, unsettled.isEmpty {
        if message.count > 1 {
          isOpen = await sendTogether(message, through: name)
        } else {
          let (outcome, wish) = await push(message[0], through: name)
          isOpen = states.note(outcome, wish: wish, through: name)
          await record(outcome, of: message[0])
        }
      }
      for delivery in message where unsettled[delivery.id] == nil {
        inHand.remove(delivery.id)
        endedMeanwhile.insert(delivery.id)
      }
    }
  }

  /// Pushes many alerts as one message. What becomes of it becomes of each. False if the channel has a problem.
  private func sendTogether(_ deliveries: [Delivery], through name: String) async -> Bool {
    let digest = AlertDigest.alert(deliveries.map(\.alert), at: time(), channel: name)
    // The same for every try of the same alerts.
    let ids = "\(deliveries.first?.id ?? 0)-\(deliveries.last?.id ?? 0)-\(deliveries.count)"
    let first = deliveries.min { $0.tries < $1.tries } ?? deliveries[0]
    var carrier = first
    carrier.alert = digest
    let (outcome, wish) = await push(carrier, through: name, id: "msg_digest-" + WebhookFormat.id("\(ids)-\(name)"))
    let isOpen = states.note(outcome, wish: wish, through: name)
    for delivery in deliveries {
      var each = outcome
      each.delivery = delivery.id
      unsettled[delivery.id] = each
    }
    logger.info(
      "Alerts sent together",
      metadata: [
        "alert.channel": "\(name)", "alerts": "\(deliveries.count)", "alert.answer": "\(outcome.answer)",
      ])
    settleAt = min(settleAt, outcome.at)
    _ = await settle(outcome.at)
    return isOpen
  }

  private func push(
    _ delivery: Delivery, through name: String, id: String? = nil
  ) async -> (DeliveryOutcome, Duration?) {
    let now = time()
    states.take(name, at: now)
    if delivery.alert.status == .firing {
      states.noteBeginning(delivery.alert.condition, on: name, at: now, window: rules.flapWindow)
    }
    guard let notifier = channels[name] else {
      return (
        DeliveryOutcome(
          delivery: delivery.id, at: now, result: .dead, answer: "no notifier of this name is configured"), nil
      )
    }
    guard delivery.alert.status != .acknowledged || notifier.takesAcknowledgements else {
      return (
        DeliveryOutcome(
          delivery: delivery.id, at: now, result: .dead, answer: "a channel of this type knows no acknowledgements"),
        nil
      )
    }
    let message = AlertMessage(id: id ?? Self.messageID(delivery), alert: delivery.alert, now: now)
    let answer = await notifier.deliver(message)
    let ended = time()
    switch answer {
    case .delivered(let text):
      await noteUsable(name, at: ended)
      return (DeliveryOutcome(delivery: delivery.id, at: ended, result: .delivered, answer: text), nil)
    case .permanent(let text):
      return (DeliveryOutcome(delivery: delivery.id, at: ended, result: .dead, answer: text), nil)
    case .unusable(let text):
      states.refuse(name, saying: text)
      return (DeliveryOutcome(delivery: delivery.id, at: ended, result: .dead, answer: text), nil)
    case .retry(let text, let after):
      let next = policy.next(
        afterTry: delivery.tries + 1, age: ended - delivery.createdAt, retryAfter: after, using: &generator)
      switch next {
      case .wait(let pause):
        let moment = ended + max(pause, Self.shortestPause)
        return (DeliveryOutcome(delivery: delivery.id, at: ended, result: .retry(at: moment), answer: text), after)
      case .dead(let why):
        return (DeliveryOutcome(delivery: delivery.id, at: ended, result: .dead, answer: "\(why): \(text)"), nil)
      }
    }
  }

  private func record(_ outcome: DeliveryOutcome, of delivery: Delivery) async {
    let metadata: Logger.Metadata = [
      "alert.id": "\(delivery.alert.id)", "alert.channel": "\(delivery.channel)", "alert.answer": "\(outcome.answer)",
      "alert.try": "\(delivery.tries + 1)",
    ]
    switch outcome.result {
    case .delivered: logger.info("Alert delivered", metadata: metadata)
    case .retry: logger.warning("Alert not delivered, will be tried again", metadata: metadata)
    case .dead: logger.error("Alert given up; see notify list", metadata: metadata)
    case .held: logger.info("Alert kept back", metadata: metadata)
    }
    unsettled[outcome.delivery] = outcome
    settleAt = min(settleAt, outcome.at)
    _ = await settle(outcome.at)
  }

  /// Writes what came of tries. False if that is not possible now; a row that still says "pending" would be sent again.
  private func settle(_ now: Timestamp) async -> Bool {
    guard !unsettled.isEmpty else { return true }
    guard now >= settleAt else { return false }
    let outcomes = unsettled
    do {
      try await store.settle(Array(outcomes.values))
    } catch {
      settleAt = now + .seconds(2)
      logger.error("Deliveries can't be recorded", metadata: ["deliveries": "\(outcomes.count)", "error": "\(error)"])
      return false
    }
    await hurryRecovered(now)
    for (id, outcome) in outcomes where unsettled[id] == outcome {
      unsettled[id] = nil
      inHand.remove(id)
      endedMeanwhile.insert(id)
    }
    return true
  }

  private func hurryRecovered(_ now: Timestamp) async {
    for channel in states.takeRecovered() {
      pumpAgain = true
      do { try await store.hurry(channel: channel, at: now) } catch {
        logger.error("Outbox can't be read", metadata: ["error": "\(error)"])
      }
    }
  }

  /// The id that every try of a delivery carries; one that is told again is another message.
  package static func messageID(_ delivery: Delivery) -> String {
    let again = delivery.repeats > 0 ? "-r\(delivery.repeats)" : ""
    return "msg_" + WebhookFormat.id("\(delivery.alert.id)-\(delivery.channel)\(again)")
  }

  /// Returns when nothing is being sent.
  package func untilIdle() async {
    guard !busy.isEmpty else { return }
    await withCheckedContinuation { idleWaiters.append($0) }
  }

  /// Starts nothing more; what is being sent ends or is cut by its own time-out.
  package func close() async {
    isClosing = true
    await untilIdle()
    settleAt = Timestamp(milliseconds: 0)
    _ = await settle(time())
  }

  package func cancel() { for task in busy.values { task.cancel() } }
}
