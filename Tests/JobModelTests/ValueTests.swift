import JobModel
import TestSupport
import Testing

@Suite("Values")
struct ValueTests {
  @Test(
    "Money is read and printed exactly",
    arguments: [
      ("0", "$0.00"), ("1.005", "$1.01"), ("1.004999", "$1.00"), ("$12.5", "$12.50"), ("0.000001", "$0.00"),
      ("999.995", "$1000.00"), ("-3.25", "$-3.25"),
    ])
  func money(text: String, shown: String) throws {
    let money = try #require(Money(text))
    #expect(money.formatted() == shown)
  }

  @Test(
    "What is not an amount is refused",
    arguments: ["", "-", "1.0000001", "1,5", "1e3", "abc", "1.2.3", "99999999999999999999", "٣"])
  func notMoney(text: String) { #expect(Money(text) == nil) }

  @Test("A price finer than a microdollar is rounded up, never down")
  func price() {
    #expect(HourlyPrice("0.45")?.microdollars == 450_000)
    #expect(HourlyPrice("0.0000001")?.microdollars == 1)
    #expect(HourlyPrice(dollars: 0.45)?.microdollars == 450_000)
    #expect(HourlyPrice(dollars: 0.1 + 0.2)?.microdollars == 300_000)
    #expect(HourlyPrice("-1") == nil)
  }

  @Test("A hundred thousand seconds at an odd price are exact")
  func exact() {
    let price = HourlyPrice(microdollars: 123_457)
    var sum = Money.zero
    for _ in 0..<100_000 { sum += price.cost(seconds: 1) }
    #expect(sum == price.cost(seconds: 100_000))
    #expect(Money("1000")!.percent(33) == Money("330")!)
  }

  @Test("Times go there and back for forty years, with zones")
  func timestamps() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<2000 {
      let moment = Timestamp(milliseconds: Int64.random(in: -2_000_000_000_000...4_000_000_000_000, using: &generator))
      for offset in [0, 3600, -12_600, 50_400] {
        let text = moment.iso8601(offset: offset, milliseconds: true)
        #expect(Timestamp(iso8601: text) == moment, "\(text)")
      }
    }
    #expect(
      Timestamp(iso8601: "2024-01-26T10:30:00.123456", offsetIfMissing: { _ in 3600 })?.iso8601(milliseconds: true)
        == "2024-01-26T09:30:00.123Z")
    #expect(Timestamp(iso8601: "2024-02-29")?.iso8601() == "2024-02-29T00:00:00Z")
    #expect(Timestamp(milliseconds: 0).calendar().weekday == 4)
  }

  @Test(
    "What is not a date is refused",
    arguments: [
      "", "2024-13-01", "2023-02-29", "2024-01-26T25:00", "yesterday", "2024-01-26T10:30:00+9", "2024-01-26T10:30:00.Z",
      "2024-01-26T10:30:00Zx",
    ])
  func notADate(text: String) { #expect(Timestamp(iso8601: text) == nil) }

  @Test(
    "Durations are read and shown",
    arguments: [
      ("90", 90, "1m 30s"), ("15m", 900, "15m"), ("1.5h", 5400, "1h 30m"), ("2h30m", 9000, "2h 30m"),
      ("1d 4h", 100_800, "1d 4h"),
      ("0", 0, "0s"),
    ])
  func durations(text: String, seconds: Int64, shown: String) throws {
    let duration = try #require(DurationText.parse(text))
    #expect(duration == .seconds(seconds))
    #expect(DurationText.short(duration) == shown)
  }

  @Test("What is not a duration is refused", arguments: ["", "h", "1x", "1h30", "-5m", "..", "9999999999999h", "nan"])
  func notADuration(text: String) { #expect(DurationText.parse(text) == nil) }

  @Test("Ids are eight characters and refuse everything that a shell or a path could misread")
  func ids() {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<100 {
      let id = JobID.random(using: &generator)
      #expect(id.rawValue.count == 8)
      #expect(JobID(id.rawValue) == id)
    }
    for bad in ["", "a b", "../x", "a;b", "é", "a.b", String(repeating: "a", count: 65)] { #expect(JobID(bad) == nil) }
  }
}

@Suite("Charges")
struct ChargeTests {
  @Test("Seconds are billed from the first, with a minimum of sixty")
  func billing() {
    let rule = BillingRule.perSecond
    #expect(rule.billedSeconds(elapsed: .zero) == 60)
    #expect(rule.billedSeconds(elapsed: .milliseconds(60_000)) == 60)
    #expect(rule.billedSeconds(elapsed: .milliseconds(60_001)) == 61)
    #expect(BillingRule(increment: 3600, minimum: 0).billedSeconds(elapsed: .seconds(3601)) == 7200)
    #expect(BillingRule(increment: 1, minimum: 0).billedSeconds(elapsed: .zero) == 0)
  }

  @Test("A price change is charged from its moment on")
  func segments() {
    let charge = Charge(
      start: epoch,
      segments: [
        PriceSegment(from: epoch, price: HourlyPrice("3.60")!),
        PriceSegment(from: epoch + .seconds(100), price: HourlyPrice("7.20")!),
      ], rule: .perSecond)
    #expect(charge.amount(until: epoch + .seconds(100)) == Money("0.1"))
    #expect(charge.amount(until: epoch + .seconds(200)) == Money("0.3"))
  }

  @Test("The computed moment of a crossing is the first millisecond at which the amount is reached")
  func crossings() {
    var generator = SeededGenerator(seed: 42)
    for round in 0..<3000 {
      var moment = epoch
      var segments: [PriceSegment] = []
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        segments.append(
          PriceSegment(
            from: moment, price: HourlyPrice(microdollars: Int64.random(in: 0...5_000_000, using: &generator))))
        moment = moment + .milliseconds(Int64.random(in: 1...500_000, using: &generator))
      }
      let rule = [
        BillingRule.perSecond, BillingRule(increment: 1, minimum: 0), BillingRule(increment: 60, minimum: 600),
      ].randomElement(using: &generator)!
      let charge = Charge(start: epoch, segments: segments, rule: rule)
      let amount = Money(microdollars: Int64.random(in: 1...2_000_000, using: &generator))
      guard let crossing = charge.moment(reaching: amount) else {
        #expect(charge.amount(until: epoch + .seconds(1_000_000)) < amount, "round \(round)")
        continue
      }
      #expect(charge.amount(until: crossing) >= amount, "round \(round)")
      if crossing > epoch { #expect(charge.amount(until: crossing - .milliseconds(1)) < amount, "round \(round)") }
    }
  }

  @Test("A charge never shrinks as time goes on")
  func monotone() {
    var generator = SeededGenerator(seed: 3)
    let charge = Charge(
      start: epoch,
      segments: (0..<5).map {
        PriceSegment(
          from: epoch + .milliseconds($0 * 33_333),
          price: HourlyPrice(microdollars: Int64.random(in: 0...9_999_999, using: &generator)))
      },
      rule: .perSecond)
    var last = Money.zero
    for step in 0..<400 {
      let amount = charge.amount(until: epoch + .milliseconds(Int64(step) * 777))
      #expect(amount >= last)
      last = amount
    }
  }

  @Test("A launch over budget is refused with its arithmetic")
  func refusal() throws {
    let budget = Budget(limit: Money("1")!)
    let text = try #require(
      budget.refusal(price: HourlyPrice("0.45")!, estimatedRuntime: .seconds(3 * 3600), billing: .perSecond))
    #expect(text.contains("$0.4500/h × 3h = $1.3500"))
    #expect(text.contains("budget is $1.0000"))
    #expect(text.contains("2h 13m"))
    #expect(
      budget.refusal(price: HourlyPrice("0.45")!, estimatedRuntime: .seconds(2 * 3600), billing: .perSecond) == nil)
  }
}

@Suite("Transition table")
struct TransitionTests {
  @Test("Only the moves of the design are legal")
  func table() {
    let legal: Set<[JobState]> = [
      [.launching, .launched], [.launching, .failed], [.launching, .terminated], [.launched, .running],
      [.launched, .completed], [.launched, .failed], [.launched, .terminated], [.running, .completed],
      [.running, .failed], [.running, .terminated], [.failed, .launching],
    ]
    for from in JobState.allCases {
      for to in JobState.allCases { #expect(TransitionTable.allows(from, to) == legal.contains([from, to])) }
    }
  }

  @Test("Raw strings are stable, because databases and scripts hold them")
  func rawStrings() {
    #expect(
      JobState.allCases.map(\.rawValue) == ["launching", "launched", "running", "completed", "failed", "terminated"])
    #expect(
      Reason.allCases.map(\.rawValue) == [
        "launch_error", "launch_lost", "capacity", "exit_code", "bootstrap_error", "preempted", "heartbeat_lost",
        "instance_vanished", "shut_down", "user_request", "budget", "max_duration", "idle", "stopped_outside",
        "finished",
        "imported",
      ])
  }
}
