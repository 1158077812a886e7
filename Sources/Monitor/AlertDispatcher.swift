package import JobModel
package import JobStore
package import Logging
package import Notifiers
package import Transport

/// Drives the outbox: takes due deliveries, gives each to its channel, and records what came of it.
///
/// Each channel has at most one task, so a hung channel delays no other. A delivery that is not recorded after it was
/// pushed is pushed again with the same id: at least once, never zero.
package actor AlertDispatcher {
  private let store: any Store
  private let clock: any WallClock
  private let logger: Logger
  private var channels: [String: any Notifier]
  private var policy: RetryPolicy
  private var generator: any RandomNumberGenerator

  private var busy: [String: Task<Void, Never>] = [:]
  /// Deliveries that a channel's task has in hand.
  private var inHand: Set<Int64> = []
  /// Deliveries that ended while the outbox was being read: what was read of them is old.
  private var endedMeanwhile: Set<Int64> = []
  private var isPumping = false
  private var pumpAgain = false
  private var isClosing = false
  private var nextDue: Timestamp?
  private var idleWaiters: [CheckedContinuation<Void, Never>] = []

  /// How many due deliveries one look into the outbox takes.
  private static let batch = 200
  /// A pause that full jitter draws as nothing would hammer the receiver.
  private static let shortestPause = Duration.milliseconds(100)

  package init(
    store: any Store, channels: [any Notifier], policy: RetryPolicy, clock: any WallClock, logger: Logger,
    generator: any RandomNumberGenerator = SystemRandomNumberGenerator()
  ) {
    self.store = store
    self.channels = Dictionary(channels.map { ($0.name, $0) }) { first, _ in first }
    self.policy = policy
    self.clock = clock
    self.logger = logger
    self.generator = generator
  }

  /// Replaces the channels and the policy; deliveries under way end on the old ones.
  package func configure(channels: [any Notifier], policy: RetryPolicy) async {
    self.channels = Dictionary(channels.map { ($0.name, $0) }) { first, _ in first }
    self.policy = policy
    await pump()
  }

  /// When the outbox wants to be looked at again, as far as is known.
  package var nextDeadline: Timestamp? { nextDue }

  /// Looks into the outbox if something is due.
  package func tick(now: Timestamp) async {
    if let nextDue, nextDue <= now { await pump() }
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
        nextDue = clock.now() + .seconds(1)
        logger.error("Outbox can't be read", metadata: ["error": "\(error)"])
      }
    } while pumpAgain && !isClosing
  }

  private func startDue() async throws {
    let now = clock.now()
    endedMeanwhile = []
    let due = try await store.dueDeliveries(at: now, limit: Self.batch + inHand.count)
    var batches: [String: [Delivery]] = [:]
    for delivery in due where !inHand.contains(delivery.id) && !endedMeanwhile.contains(delivery.id) {
      batches[delivery.channel, default: []].append(delivery)
    }
    for (channel, deliveries) in batches where busy[channel] == nil {
      for delivery in deliveries { inHand.insert(delivery.id) }
      busy[channel] = Task {
        await self.send(deliveries, through: channel)
        await self.channelEnded(channel)
      }
    }
    let next = try await store.nextDeliveryAt()
    // What is due for a busy channel is taken when its task ends.
    nextDue = next.map { max($0, now + .milliseconds(500)) }
  }

  private func channelEnded(_ channel: String) async {
    busy[channel] = nil
    if busy.isEmpty {
      for waiter in idleWaiters { waiter.resume() }
      idleWaiters = []
    }
    await pump()
  }

  private func send(_ deliveries: [Delivery], through name: String) async {
    for delivery in deliveries {
      defer {
        inHand.remove(delivery.id)
        endedMeanwhile.insert(delivery.id)
      }
      if isClosing || Task.isCancelled { continue }
      let outcome = await push(delivery, through: name)
      await record(outcome, of: delivery)
    }
  }

  private func push(_ delivery: Delivery, through name: String) async -> DeliveryOutcome {
    let now = clock.now()
    guard let notifier = channels[name] else {
      return DeliveryOutcome(
        delivery: delivery.id, at: now, result: .dead, answer: "no notifier of this name is configured")
    }
    let message = AlertMessage(id: Self.messageID(delivery), alert: delivery.alert, now: now)
    let answer = await notifier.deliver(message)
    let ended = clock.now()
    switch answer {
    case .delivered(let text):
      return DeliveryOutcome(delivery: delivery.id, at: ended, result: .delivered, answer: text)
    case .permanent(let text):
      return DeliveryOutcome(delivery: delivery.id, at: ended, result: .dead, answer: text)
    case .retry(let text, let after):
      let next = policy.next(
        afterTry: delivery.tries + 1, age: ended - delivery.createdAt, retryAfter: after, using: &generator)
      switch next {
      case .wait(let pause):
        return DeliveryOutcome(
          delivery: delivery.id, at: ended, result: .retry(at: ended + max(pause, Self.shortestPause)), answer: text)
      case .dead(let why):
        return DeliveryOutcome(delivery: delivery.id, at: ended, result: .dead, answer: "\(why): \(text)")
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
    }
    do {
      try await store.settle([outcome])
    } catch {
      // It stays pending and is pushed again with the same id.
      logger.error("Delivery can't be recorded", metadata: ["alert.id": "\(delivery.alert.id)", "error": "\(error)"])
    }
  }

  /// The id that every try of a delivery carries. Standard Webhooks forbids a `.` in it.
  package static func messageID(_ delivery: Delivery) -> String {
    "msg_"
      + "\(delivery.alert.id)-\(delivery.channel)".map {
        $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") ? $0 : "_"
      }
  }

  /// Returns when nothing is being sent, or when the task is cancelled.
  package func untilIdle() async {
    guard !busy.isEmpty else { return }
    await withCheckedContinuation { idleWaiters.append($0) }
  }

  /// Starts nothing more; what is being sent ends or is cut by its own time-out.
  package func close() async {
    isClosing = true
    await untilIdle()
  }

  package func cancel() { for task in busy.values { task.cancel() } }
}
