/// A calendar day or month, in the time zone of whoever pays attention.
package struct SpendPeriod: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case day
    case month

    /// As people say it of now.
    package var phrase: String {
      switch self {
      case .day: "today"
      case .month: "this month"
      }
    }
  }

  package var kind: Kind
  /// What tells it from others of its kind: `2026-11-25`, `2026-11`.
  package var name: String
  package var start: Timestamp
  /// The first moment that is not part of it.
  package var end: Timestamp

  package init(kind: Kind, name: String, start: Timestamp, end: Timestamp) {
    self.kind = kind
    self.name = name
    self.start = start
    self.end = end
  }

  /// The period of this kind around `now`.
  ///
  /// - Parameter offset: seconds east of Greenwich at a moment.
  package init(_ kind: Kind, around now: Timestamp, offset: (Timestamp) -> Int) {
    var first = now.calendar(offset: offset(now))
    (first.hour, first.minute, first.second, first.millisecond) = (0, 0, 0, 0)
    if kind == .month { first.day = 1 }
    var next = first
    switch kind {
    case .day: next = Timestamp(milliseconds: first.millisecondsSince1970 + 86_400_000).calendar()
    case .month: (next.year, next.month) = first.month == 12 ? (first.year + 1, 1) : (first.year, first.month + 1)
    }
    let name = Timestamp(milliseconds: first.millisecondsSince1970).iso8601().prefix(kind == .day ? 10 : 7)
    self.init(
      kind: kind, name: String(name), start: Self.moment(of: first, offset), end: Self.moment(of: next, offset))
  }

  private static func moment(of time: CalendarTime, _ offset: (Timestamp) -> Int) -> Timestamp {
    let wall = time.millisecondsSince1970
    let guess = Timestamp(milliseconds: wall - Int64(offset(Timestamp(milliseconds: wall))) * 1000)
    // The clocks may have changed between the two.
    return Timestamp(milliseconds: wall - Int64(offset(guess)) * 1000)
  }
}

/// What all jobs together have cost and cost now.
package struct Spend: Sendable, Hashable {
  /// An instance and what it is charged.
  package struct Item: Sendable, Hashable {
    package var job: JobID
    package var provider: ProviderName
    package var charge: Charge
    /// Up to when it is known to have existed.
    package var until: Timestamp
    package var isLive: Bool

    package init(job: JobID, provider: ProviderName, charge: Charge, until: Timestamp, isLive: Bool) {
      self.job = job
      self.provider = provider
      self.charge = charge
      self.until = until
      self.isLive = isLive
    }

    /// What it was charged within a period.
    package func amount(in period: SpendPeriod) -> Money {
      let last = min(until, period.end)
      guard last > period.start, last >= charge.start else { return .zero }
      let before = charge.start < period.start ? charge.amount(until: period.start) : .zero
      return charge.amount(until: last) - before
    }
  }

  package struct Part: Sendable, Hashable {
    package var period: SpendPeriod
    package var amount: Money
    /// What it will be at the end of the period if everything goes on as it is now.
    package var forecast: Money
  }

  package var parts: [Part]
  /// What everything that lives costs an hour.
  package var rate: HourlyPrice
  package var live: Int

  /// `$3.6000/h for 1 instance`.
  var rateText: String { "\(rate.formatted) for \(live) instance\(live == 1 ? "" : "s")" }

  package init(_ items: [Item], periods: [SpendPeriod], now: Timestamp) {
    let live = items.filter(\.isLive)
    self.live = live.count
    let microdollars = live.reduce(Int64(0)) { sum, item in
      let (total, overflow) = sum.addingReportingOverflow(item.charge.segments.last?.price.microdollars ?? 0)
      return overflow ? .max : total
    }
    rate = HourlyPrice(microdollars: microdollars)
    let rate = rate
    parts = periods.map { period in
      let amount = items.reduce(Money.zero) { $0 + $1.amount(in: period) }
      let left = max(.zero, period.end - now)
      return Part(period: period, amount: amount, forecast: amount + rate.cost(seconds: left.milliseconds / 1000))
    }
  }
}
