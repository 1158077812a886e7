import Testing

@testable import JobModel

@Suite("What all jobs together cost")
struct SpendTests {
  private let hour = Duration.seconds(3600)

  /// Berlin in 2026: an hour ahead of Greenwich, two from 29 March 01:00Z to 25 October 01:00Z.
  private func berlin(_ moment: Timestamp) -> Int {
    let summer = time("2026-03-29T01:00:00Z")..<time("2026-10-25T01:00:00Z")
    return summer.contains(moment) ? 7200 : 3600
  }

  private func time(_ text: String) -> Timestamp { Timestamp(iso8601: text) ?? epoch }

  @Test(
    "Days and months begin at midnight of the zone, also when the clocks change",
    arguments: [
      ("2026-03-29T10:00:00Z", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
      ("2026-10-25T10:00:00Z", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
      ("2026-12-31T23:30:00Z", "2027-01-01", "2026-12-31T23:00:00Z", "2027-01-01T23:00:00Z"),
      ("2026-07-01T21:59:59Z", "2026-07-01", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z"),
    ])
  func days(_ now: String, _ name: String, _ start: String, _ end: String) {
    let day = SpendPeriod(.day, around: time(now), offset: berlin)
    #expect(day == SpendPeriod(kind: .day, name: name, start: time(start), end: time(end)))
  }

  @Test func months() {
    let month = SpendPeriod(.month, around: time("2026-10-31T22:59:00Z"), offset: berlin)
    #expect(month.name == "2026-10" && month.start == time("2026-09-30T22:00:00Z"))
    #expect(month.end == time("2026-10-31T23:00:00Z"))
    let last = SpendPeriod(.month, around: time("2026-12-05T00:00:00Z"), offset: { _ in 0 })
    #expect(last.name == "2026-12" && last.end == time("2027-01-01T00:00:00Z"))
  }

  private func item(
    _ start: Timestamp, _ until: Timestamp, price: Int64 = 1_000_000, live: Bool = false
  ) -> Spend.Item {
    let charge = Charge(
      start: start, segments: [PriceSegment(from: start, price: HourlyPrice(microdollars: price))], rule: .perSecond)
    return Spend.Item(job: makeJob().id, provider: .local, charge: charge, until: until, isLive: live)
  }

  @Test("Only what was charged within the period counts, and the parts of neighbouring periods add up")
  func amounts() {
    let midnight = time("2026-11-25T00:00:00Z")
    let day = SpendPeriod(.day, around: midnight, offset: { _ in 0 })
    let before = SpendPeriod(.day, around: midnight - .seconds(1), offset: { _ in 0 })
    let across = item(midnight - hour * 2, midnight + hour)
    #expect(across.amount(in: day) == Money(microdollars: 1_000_000))
    #expect(across.amount(in: before) == Money(microdollars: 2_000_000))
    #expect(item(midnight - hour * 2, midnight - hour).amount(in: day) == .zero)
    #expect(item(midnight + hour * 30, midnight + hour * 31).amount(in: day) == .zero)
    // The least that is billed counts on the day on which it began.
    #expect(item(midnight, midnight).amount(in: day) == .zero)
    #expect(
      item(midnight, midnight + .seconds(1)).amount(in: day) == HourlyPrice(microdollars: 1_000_000).cost(seconds: 60))
    for minutes in stride(from: 0, through: 3000, by: 7) {
      let end = midnight - hour * 10 + .seconds(minutes * 60)
      let some = item(midnight - hour * 10, end)
      #expect(some.amount(in: day) + some.amount(in: before) <= some.charge.amount(until: end))
    }
  }

  private func spend(_ items: [Spend.Item], at now: Timestamp) -> Spend {
    Spend(items, periods: [SpendPeriod(.day, around: now, offset: { _ in 0 })], now: now)
  }

  private var policy: AlertPolicy {
    var policy = AlertPolicy(channels: ["ops"])
    policy.spend = [.day: [Money(microdollars: 5_000_000), Money(microdollars: 10_000_000)]]
    policy.spendRate = HourlyPrice(microdollars: 3_000_000)
    return policy
  }

  @Test("The forecast is what is spent and what the rest of the day will cost at the present rate")
  func forecast() {
    let noon = time("2026-11-25T12:00:00Z")
    let spend = spend([item(noon - hour, noon, live: true), item(noon - hour * 2, noon - hour)], at: noon)
    #expect(spend.rate == HourlyPrice(microdollars: 1_000_000) && spend.live == 1)
    #expect(spend.parts[0].amount == Money(microdollars: 2_000_000))
    #expect(spend.parts[0].forecast == Money(microdollars: 14_000_000))
  }

  @Test("An amount is told once a day, of several only the highest, and forecasts end when they hold no more")
  func alerts() {
    let noon = time("2026-11-25T12:00:00Z")
    var firing: [Alert] = []
    func look(_ items: [Spend.Item], _ now: Timestamp) -> [Alert] {
      let made = policy.alerts(for: spend(items, at: now), firing: firing, now: now)
      firing.removeAll { old in made.contains { $0.status == .resolved && $0.condition == old.condition } }
      firing += made.filter { $0.status == .firing }
      return made
    }
    // $2 spent and $1/h for 12 hours: $14, so $5 will be reached.
    let cheap = [item(noon - hour * 2, noon, live: true)]
    var made = look(cheap, noon)
    #expect(made.map(\.rule) == [.spendForecast] && made[0].channels == ["ops"])
    #expect(made[0].facts.contains(Alert.Fact("Reached", "in 3h")))
    #expect(look(cheap, noon).isEmpty)
    // Nearly over is not over; gone is.
    let ends = noon + hour * 10
    #expect(
      look(
        [item(noon - hour * 2, ends - hour * 9, price: 1_250_000), item(ends, ends, price: 500_000, live: true)], ends
      ).isEmpty)
    made = look([item(noon - hour * 2, noon)], noon)
    #expect(made.map(\.status) == [.resolved] && made[0].title.hasPrefix("Over: "))
    // $12 at once: only the higher amount, the same id at each look, and no forecast of what is reached already.
    let dear = [item(noon - hour * 3, noon, price: 4_000_000, live: true)]
    made = look(dear, noon)
    #expect(Set(made.map(\.rule)) == [.spendPerDay, .spendRate])
    #expect(made[0].id == "spend-day-2026-11-25-10000000" && !made[0].id.contains("."))
    #expect(look(dear, noon).map(\.id) == [made[0].id])
    // The rate swings a little: no news.
    #expect(look([item(noon, noon, price: 2_900_000, live: true)], noon).filter { $0.rule == .spendRate }.isEmpty)
    made = look([item(noon, noon, price: 2_000_000, live: true)], noon)
    #expect(made.contains { $0.rule == .spendRate && $0.status == .resolved })
  }

  @Test("Rules that are off make nothing, and what fired before is ended all the same")
  func off() {
    let noon = time("2026-11-25T12:00:00Z")
    var quiet = policy
    for rule in [AlertRule.spendPerDay, .spendForecast, .spendRate] {
      quiet.rules[rule] = .init(enabled: false, severity: .info)
    }
    let dear = spend([item(noon - hour * 3, noon, price: 4_000_000, live: true)], at: noon)
    #expect(quiet.alerts(for: dear, firing: [], now: noon).isEmpty)
    let fired = policy.alerts(for: dear, firing: [], now: noon).filter { $0.status == .firing }
    quiet.spendRate = nil
    #expect(quiet.alerts(for: dear, firing: fired, now: noon).map(\.status) == [.resolved])
    #expect(!AlertPolicy().watchesSpend && policy.watchesSpend)
  }
}

@Suite("Rules that differ for some jobs")
struct AlertOverrideTests {
  private func job(_ tags: [String: String]) -> Job {
    var spec = makeJob().spec
    spec.tags = tags
    return Job(id: makeJob().id, provider: .local, spec: spec, budget: nil, createdAt: epoch)
  }

  private var policy: AlertPolicy {
    var policy = AlertPolicy(channels: ["ops", "mail"], costThresholds: [Money(microdollars: 1_000_000)])
    var project = AlertPolicy.Override(
      match: ["tag.project": "ice*"],
      rules: [.jobFailed: .init(severity: .info), .jobCompleted: .init(enabled: true, channels: ["mail"])])
    project.costThresholds = [Money(microdollars: 9_000_000)]
    project.stuckAfter = .seconds(60)
    let one = AlertPolicy.Override(
      match: ["job": makeJob().id.rawValue, "tag.project": "iceland"], rules: [.jobFailed: .init(enabled: false)])
    policy.overrides = [project, one]
    return policy
  }

  @Test("An override changes only what it names, and the last one that fits has the last word")
  func effective() {
    let plain = policy.effective(for: job([:]))
    #expect(plain.setting(.jobFailed).severity == .critical && plain.stuckAfter == nil)
    let some = policy.effective(for: job(["project": "ice-core"]))
    #expect(some.setting(.jobFailed) == .init(enabled: true, severity: .info))
    #expect(some.setting(.jobCompleted) == .init(enabled: true, severity: .info, channels: ["mail"]))
    #expect(some.costThresholds == [Money(microdollars: 9_000_000)] && some.stuckAfter == .seconds(60))
    #expect(!policy.effective(for: job(["project": "iceland"])).setting(.jobFailed).enabled)
  }

  @Test("Alerts are made by the rules of their job")
  func alerts() {
    let event = Event(job: makeJob().id, attempt: 1, at: epoch, kind: .completed, message: "exit code 0")
    #expect(policy.alerts(for: event, job: job([:]), billing: .perSecond).isEmpty)
    let made = policy.alerts(for: event, job: job(["project": "ice"]), billing: .perSecond)
    #expect(made.map(\.channels) == [["mail"]] && made[0].labels["tag.project"] == "ice")
    #expect(policy.sample(.jobFailed, job: job(["project": "ice"]), at: epoch).severity == .info)
  }
}
