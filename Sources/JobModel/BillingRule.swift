/// How a provider turns running time into billed seconds.
///
/// The default is what AWS, GCP and Azure do for Linux spot machines: by the second with a minimum of 60.
package struct BillingRule: Sendable, Hashable {
  /// Billed time is a multiple of this many seconds.
  package var increment: Int64
  /// The shortest time that is billed, in seconds.
  package var minimum: Int64
  /// A spot instance that the provider takes back before this time costs nothing; nil if it does.
  package var freeIfPreemptedWithin: Duration?

  /// How long an instance that has saved everything waits at most to be taken back for nothing. EC2's notice is two minutes.
  package static let longestWait = Duration.seconds(300)

  package init(increment: Int64, minimum: Int64) {
    self.increment = max(1, increment)
    self.minimum = max(0, minimum)
  }

  package static let perSecond = BillingRule(increment: 1, minimum: 60)

  /// EC2's Linux spot instances: free if EC2 takes them back in their first hour
  /// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/billing-for-interrupted-spot-instances.html).
  package static let ec2Spot: BillingRule = {
    var rule = perSecond
    rule.freeIfPreemptedWithin = .seconds(3600)
    return rule
  }()

  /// Seconds that are billed after `elapsed` time; a second that has begun counts whole.
  package func billedSeconds(elapsed: Duration) -> Int64 {
    let seconds = Self.ceiling(max(0, elapsed.milliseconds), 1000)
    let increments = Self.ceiling(max(seconds, minimum), increment)
    return increments.multipliedReportingOverflow(by: increment).partialValue
  }

  /// The latest elapsed time at which no more than `seconds` are billed, plus one millisecond: the first moment
  /// at which second number `seconds + 1` is on the bill. Zero while the minimum covers it.
  func firstMoment(billing seconds: Int64) -> Duration {
    guard seconds > billedSeconds(elapsed: .zero) else { return .zero }
    let increments = Self.ceiling(seconds, increment)
    return .milliseconds((increments - 1) * increment * 1000 + 1)
  }

  static func ceiling(_ value: Int64, _ divisor: Int64) -> Int64 {
    value <= 0 ? 0 : (value - 1) / divisor + 1
  }
}

/// A price that held from one moment until the next segment begins.
package struct PriceSegment: Sendable, Hashable {
  package var from: Timestamp
  package var price: HourlyPrice

  package init(from: Timestamp, price: HourlyPrice) {
    self.from = from
    self.price = price
  }

  /// What a history tells that is not known yet, oldest first, each with another price than the one before. The price of a
  /// launch was an offer; what held at that moment may have been another one, and replaces it.
  package static func news(_ history: [PriceSegment], after last: PriceSegment) -> [PriceSegment] {
    var price = last.price
    var news: [PriceSegment] = []
    for segment in history.sorted(by: { $0.from < $1.from }) where segment.from >= last.from && segment.price != price {
      news.append(segment)
      price = segment.price
    }
    return news
  }
}

/// What an attempt costs: its price segments under a billing rule.
///
/// Billed second number k begins at the start plus its share of the time, and costs the price that held then,
/// so a sum over segments never depends on when it was taken.
package struct Charge: Sendable, Hashable {
  package var start: Timestamp
  /// Ascending; the first one also prices whatever lies before it.
  package var segments: [PriceSegment]
  package var rule: BillingRule

  package init(start: Timestamp, segments: [PriceSegment], rule: BillingRule) {
    self.start = start
    self.segments = segments
    self.rule = rule
  }

  /// What has been charged if the instance ran from the start until `end`.
  package func amount(until end: Timestamp) -> Money {
    guard let first = segments.first else { return .zero }
    let billed = rule.billedSeconds(elapsed: end - start)
    var total = Money.zero
    var price = first.price
    var done: Int64 = 0
    for segment in segments.dropFirst() {
      let boundary = min(billed, secondsBilled(before: segment.from))
      if boundary > done {
        total += price.cost(seconds: boundary - done)
        done = boundary
      }
      price = segment.price
    }
    return total + price.cost(seconds: billed - done)
  }

  /// The first moment at which the charge is at least `amount` if the last price goes on, or nil if it never is.
  package func moment(reaching amount: Money) -> Timestamp? {
    guard let first = segments.first else { return nil }
    if self.amount(until: start) >= amount { return start }
    var total = Money.zero
    var price = first.price
    var done: Int64 = 0
    for segment in segments.dropFirst() {
      let boundary = secondsBilled(before: segment.from)
      if boundary > done {
        if let moment = crossing(total, price, done, upTo: boundary, amount) { return moment }
        total += price.cost(seconds: boundary - done)
        done = boundary
      }
      price = segment.price
    }
    return crossing(total, price, done, upTo: .max, amount)
  }

  private func crossing(
    _ total: Money, _ price: HourlyPrice, _ done: Int64, upTo boundary: Int64, _ amount: Money
  ) -> Timestamp? {
    if total >= amount { return start + rule.firstMoment(billing: done) }
    guard price.microdollars > 0 else { return nil }
    let needed = BillingRule.ceiling(amount.units - total.units, price.microdollars)
    guard needed <= boundary - done else { return nil }
    // Beyond three hundred years nobody waits, and milliseconds would overflow.
    guard done + needed < 10_000_000_000 else { return nil }
    return start + rule.firstMoment(billing: done + needed)
  }

  /// Billed seconds that begin before `moment`. The minimum is bought at the start, at the price of the start.
  private func secondsBilled(before moment: Timestamp) -> Int64 { rule.billedSeconds(elapsed: moment - start) }
}
