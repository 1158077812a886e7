package import JobModel
package import JobStore
internal import Transport

/// What a process remembers of the channels of alerts, and what follows from it: when each may be given more. No I/O and
/// no clock.
///
/// What must outlive the process stands in the outbox; this may be lost, and then a channel is only tried once too early.
package struct ChannelStates: Sendable {
  private struct State {
    /// How often in a row it failed.
    var failures = 0
    /// Before when it is not tried again.
    var pausedUntil: Timestamp?
    var bucket: TokenBucket?
    /// When a condition last began on it, so that one that flaps is told of once in a while only.
    var begun: [String: Timestamp] = [:]
    /// What it said when it could not be used, until that was written down.
    var refusal: String?
    /// Whether it has taken a message since this process began, or since it could not be used.
    var isUsable = false
    /// Whether it takes messages again, of which the store has not been told.
    var isRecovered = false
  }

  private var states: [String: State] = [:]

  /// A channel that failed is tried again after this, doubled with each failure in a row up to the longest.
  private static let firstPause = Duration.milliseconds(500)
  private static let longestPause = Duration.seconds(30)
  /// More conditions are not remembered, but for those that can still matter.
  private static let conditionLimit = 2000

  package init() {}

  // MARK: When

  /// When a channel may be given what is due at `due`.
  package func start(of channel: String, due: Timestamp) -> Timestamp {
    max(due, states[channel]?.pausedUntil ?? due)
  }

  /// When a channel that has had its share may be given more, or nil for now.
  package mutating func waitForToken(_ channel: String, _ limit: TokenBucket.Limit?, at now: Timestamp) -> Timestamp? {
    guard let limit else { return nil }
    var bucket = states[channel]?.bucket ?? TokenBucket(limit, at: now)
    if bucket.limit != limit { bucket = TokenBucket(limit, at: now) }
    let next = bucket.nextAt(now)
    states[channel, default: State()].bucket = bucket
    return next > now ? next : nil
  }

  /// A message goes out.
  package mutating func take(_ channel: String, at now: Timestamp) { _ = states[channel]?.bucket?.take(at: now) }

  /// Other channels stand behind the names now, with limits of their own.
  package mutating func forgetLimits() {
    for channel in states.keys { states[channel]?.bucket = nil }
  }

  // MARK: Flapping

  /// A condition's beginning is told.
  package mutating func noteBeginning(_ condition: String, on channel: String, at now: Timestamp, window: Duration) {
    var begun = states[channel]?.begun ?? [:]
    // Taken out, so that the dictionary is changed in place.
    states[channel, default: State()].begun = [:]
    begun[condition] = now
    if begun.count > Self.conditionLimit { begun = begun.filter { $0.value + window > now } }
    states[channel]?.begun = begun
  }

  /// Why the beginning of what began a moment ago is kept back, or nil. It may be over again before that, and then nobody
  /// hears of it.
  package func flapping(_ delivery: Delivery, at now: Timestamp, window: Duration) -> DeliveryRules.Hold? {
    let alert = delivery.alert
    guard alert.status == .firing, delivery.repeats == 0, delivery.tries == 0,
      let last = states[delivery.channel]?.begun[alert.condition], last + window > now
    else { return nil }
    return DeliveryRules.Hold(until: last + window, why: "flapping")
  }

  // MARK: Answers

  /// Keeps account of what came of a try.
  ///
  /// - Parameter wish: how long the receiver asked to be left alone.
  /// - Returns: false if the channel is to be left alone for a while.
  package mutating func note(_ outcome: DeliveryOutcome, wish: Duration?, through channel: String) -> Bool {
    guard case .retry = outcome.result else {
      if states[channel]?.refusal != nil { return false }
      // What failed before need not wait for its own time: the channel takes messages again.
      if states[channel]?.pausedUntil != nil, outcome.result == .delivered { states[channel]?.isRecovered = true }
      states[channel]?.failures = 0
      states[channel]?.pausedUntil = nil
      return true
    }
    let failures = (states[channel]?.failures ?? 0) + 1
    let pause = min(Self.longestPause, Self.firstPause * (1 << min(failures - 1, 10)))
    states[channel, default: State()].failures = failures
    states[channel]?.pausedUntil = outcome.at + (wish.map(RetryAfter.clamp) ?? pause)
    return false
  }

  /// The channel can't be used as it is.
  package mutating func refuse(_ channel: String, saying answer: String) {
    states[channel, default: State()].refusal = answer
  }

  /// What a channel that can't be used said, once.
  package mutating func takeRefusal(of channel: String) -> String? {
    guard let refusal = states[channel]?.refusal else { return nil }
    states[channel]?.refusal = nil
    states[channel]?.isUsable = false
    return refusal
  }

  /// Whether a channel that has just taken a message was not known to do so.
  package mutating func becameUsable(_ channel: String) -> Bool {
    defer { states[channel, default: State()].isUsable = true }
    return states[channel]?.isUsable != true
  }

  /// That it takes messages could not be written down.
  package mutating func forgetUsable(_ channel: String) { states[channel]?.isUsable = false }

  /// The channels that take messages again, each once.
  package mutating func takeRecovered() -> [String] {
    let recovered = states.filter(\.value.isRecovered).keys.sorted()
    for channel in recovered { states[channel]?.isRecovered = false }
    return recovered
  }
}
