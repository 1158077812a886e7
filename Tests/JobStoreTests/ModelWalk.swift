import JobModel
import TestSupport
import Testing

@testable import JobStore

/// Random walks through all of `Store`: whatever the engine in memory answers, SQLite answers too.
@Suite struct ModelWalk {
  @Test(arguments: 1...6) func sqliteAnswersAsMemoryDoes(_ seed: UInt64) async throws {
    try await Folder.run { folder in
      let sqlite = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db")))
      let memory = MemoryStore()
      var walk = Walk(seed: seed)
      for number in 0..<250 {
        let step = walk.next()
        let expected = await step.answer(memory)
        let got = await step.answer(sqlite)
        walk.learn(from: expected)
        guard expected == got else {
          Issue.record("seed \(seed), step \(number) \(step.name): memory \(expected.text), sqlite \(got.text)")
          return
        }
      }
      // The whole content at the end, and the same once more from the file.
      let whole = Walk.wholeContent
      let expected = await whole.answer(memory)
      #expect(await whole.answer(sqlite) == expected)
      await sqlite.close()
      let again = try await StoreActor.open(StoreOptions(path: folder.path("jobs.db"), readOnly: true))
      #expect(await whole.answer(again) == expected)
      await again.close()
      #expect(try await Check.run(folder.path("jobs.db")).problems.isEmpty)
    }
  }
}

/// What a store said, as text, with the leases in it.
struct Answer: Equatable {
  var text: String
  var leases: [Lease] = []
  var deliveries: [Int64] = []
}

struct Step: Sendable {
  let name: String
  let run: @Sendable (any Store) async throws -> Answer

  func answer(_ store: any Store) async -> Answer {
    do {
      return try await run(store)
    } catch let error as StoreError {
      return Answer(text: "error \(error.code.rawValue) \(error.holder.map(String.init(describing:)) ?? "")")
    } catch {
      return Answer(text: "\(error)")
    }
  }
}

/// Makes steps out of a seed and of the leases that earlier steps gave out.
struct Walk {
  private var random: SeededGenerator
  private var now: Int64 = 0
  private var leases: [Lease] = []
  private var deliveries: [Int64] = []
  private var serial = 0

  private static let names = (0..<12).map { "job\($0)" } + ["Job-x", "j_b"]
  private static let owners = ["a", "b", "c"].map(OwnerID.init(rawValue:))

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func learn(from answer: Answer) {
    leases += answer.leases
    deliveries += answer.deliveries
  }

  private mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }
  private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  private mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }
  private mutating func maybe<Value>(_ value: Value) -> Value? { chance(50) ? value : nil }
  private mutating func name() -> String { pick(Self.names) ?? "job0" }
  private mutating func owner() -> OwnerID { pick(Self.owners) ?? OwnerID(rawValue: "a") }
  private mutating func moment() -> Timestamp { at(Int64(number(0...300))) }

  private mutating func job(_ jobName: String) -> Job {
    var job = chance(50) ? makeFullJob(jobName) : makeJob(jobName)
    job.state = pick(JobState.allCases) ?? .failed
    job.reason = maybe(.budget)
    job.message = maybe("text \(number(0...9))")
    job.updatedAt = moment()
    job.endedAt = maybe(moment())
    job.attempt = Attempt(job: job.id, number: number(1...3), requestedAt: moment())
    if chance(60) {
      job.attempt.instance = Instance(id: "i-\(number(0...9))", type: "t", region: "r", publicIP: maybe("1.1.1.1"))
      job.attempt.launchedAt = moment()
      job.attempt.endedAt = maybe(moment())
    }
    job.attempt.segments = (0..<number(0...3)).map {
      PriceSegment(from: at(Int64($0 * 7)), price: HourlyPrice(microdollars: Int64($0) * 1000 + 17))
    }
    if chance(70) { job.wish = nil }
    job.crossed = chance(50) ? [] : ["b50", "d1"]
    return job
  }

  private mutating func alerts(_ job: JobID?) -> [Alert] {
    (0..<number(0...2)).map { _ in
      alert("al\(number(0...30))", job: job, channels: [["hook"], ["hook", "mail"], []][number(0...2)], at: moment())
    }
  }

  mutating func next() -> Step {
    now += Int64(number(0...8))
    serial += 1
    let moment = at(now)
    switch number(0...20) {
    case 0...2: return insert(moment)
    case 3: return acquire(moment)
    case 4...5: return claim(moment)
    case 6...9: return commit(moment)
    case 10: return release(moment)
    case 11: return request()
    case 12...13: return outbox(moment)
    case 14: return raise(moment)
    case 15: return chance(40) ? cleanup() : Self.wholeContent
    default: return query(moment)
    }
  }

  private mutating func insert(_ moment: Timestamp) -> Step {
    let job = job(name())
    let owner = maybe(self.owner())
    let events = (0..<number(0...2)).map { _ in event(job.id, .created, at: moment) }
    return Step(name: "insert") { store in
      let lease = try await store.insert(job, events: events, owner: owner, at: moment)
      return Answer(text: "\(lease as Any)", leases: lease.map { [$0] } ?? [])
    }
  }

  private mutating func acquire(_ moment: Timestamp) -> Step {
    let (owner, ttl) = (owner(), Duration.seconds(number(5...60)))
    if chance(40) {
      return Step(name: "renew") { Answer(text: "\(try await $0.renew(owner, ttl: ttl, at: moment))") }
    }
    let entering = holder(owner.rawValue, chance(50) ? .watch : .command)
    return Step(name: "acquire") { store in
      try await store.acquire(entering, ttl: ttl, at: moment)
      return Answer(text: "\(try await store.holders())")
    }
  }

  private mutating func claim(_ moment: Timestamp) -> Step {
    let owner = owner()
    let named = chance(40) ? [id(name()), id(name()), id("nojob")] : nil
    let limit = number(0...5)
    return Step(name: "claim") { store in
      let claims = try await store.claim(owner, jobs: named, limit: limit, at: moment)
      return Answer(text: "\(claims)", leases: claims.map(\.lease))
    }
  }

  private mutating func commit(_ moment: Timestamp) -> Step {
    let batch: [LeasedChange] = (0..<number(1...4)).compactMap { _ in
      guard var lease = chance(80) ? pick(leases.suffix(20)) : pick(leases) else { return nil }
      if chance(5) { lease = Lease(job: lease.job, owner: lease.owner, epoch: lease.epoch + 1) }
      let job = job(lease.job.rawValue)
      return LeasedChange(
        lease,
        Change(
          job: job, events: (0..<number(0...2)).map { _ in event(job.id, .launched, at: moment) },
          alerts: alerts(job.id), answered: chance(30) ? ["r\(number(0...20))"] : []))
    }
    return Step(name: "commit") { store in
      let stale = try await store.commit(batch, at: moment)
      return Answer(text: "\(stale.map { "\($0)" }.sorted())")
    }
  }

  private mutating func release(_ moment: Timestamp) -> Step {
    if chance(50) {
      let owner = owner()
      return Step(name: "release owner") { store in
        try await store.release(owner)
        return Answer(text: "")
      }
    }
    let some = (0..<3).compactMap { _ in pick(leases) }
    return Step(name: "release leases") { store in
      try await store.release(some)
      return Answer(text: "")
    }
  }

  private mutating func request() -> Step {
    let wish = TerminationWish(reason: .userRequest, message: maybe("why"), at: moment(), finalSync: chance(50))
    let request = JobRequest(id: "r\(number(0...20))", job: id(name()), kind: .terminate(wish), at: moment())
    return Step(name: "file") { store in
      try await store.file(request)
      return Answer(text: "\(try await store.openRequests(of: nil))")
    }
  }

  private mutating func outbox(_ moment: Timestamp) -> Step {
    if chance(20) {
      let ids = chance(50) ? nil : (0..<3).compactMap { _ in pick(deliveries) }
      return Step(name: "resend") { Answer(text: "\(try await $0.resend(ids, at: moment))") }
    }
    let outcomes = (0..<3).compactMap { _ -> DeliveryOutcome? in
      guard let delivery = pick(deliveries) else { return nil }
      let result: DeliveryOutcome.Result = [.delivered, .retry(at: self.moment()), .dead][number(0...2)]
      return DeliveryOutcome(delivery: delivery, at: moment, result: result, answer: "said \(number(0...9))")
    }
    return Step(name: "settle") { store in
      try await store.settle(outcomes)
      return Answer(text: "\(try await store.deliveries(DeliveryQuery()))")
    }
  }

  private mutating func raise(_ moment: Timestamp) -> Step {
    let alerts = alerts(nil) + alerts(id(name()))
    return Step(name: "raise") { Answer(text: "\(try await $0.raise(alerts, at: moment))") }
  }

  private mutating func cleanup() -> Step {
    let (moment, dryRun) = (moment(), chance(30))
    return Step(name: "cleanup") { Answer(text: "\(try await $0.cleanup(endedBefore: moment, dryRun: dryRun))") }
  }

  private mutating func query(_ moment: Timestamp) -> Step {
    let query = JobQuery(
      states: chance(50) ? [] : [pick(JobState.allCases) ?? .failed, .running], provider: maybe(.aws),
      name: chance(30) ? ["CALC", "job1", "x"][number(0...2)] : nil, createdSince: chance(20) ? moment : nil,
      openOnly: chance(30), limit: maybe(number(0...6)))
    let (deliveryQuery, limit, prefix, one) = (
      DeliveryQuery(
        states: chance(50) ? [] : [.dead, .pending], job: maybe(id(name())), channel: maybe("mail"),
        limit: maybe(number(0...5))),
      number(0...6), ["", "j", "job1", "J", "%"][number(0...4)], id(name())
    )
    let last = chance(50) ? 0 : Int64(number(0...40))
    return Step(name: "query") { store in
      var parts: [String] = []
      parts.append("\(try await store.jobs(query))")
      parts.append("\(try await store.summary(query))")
      parts.append("\(try await store.ids(prefix: prefix, limit: limit))")
      parts.append("\(try await store.events(of: one, after: last, limit: limit))")
      parts.append("\(try await store.recentEvents(limit: limit))")
      parts.append("\(try await store.openRequests(of: one))")
      for channel in ["mail", "hook"] {
        parts.append("\(try await store.dueDeliveries(through: channel, at: moment, limit: limit))")
      }
      parts.append("\(try await store.nextDeliveries().sorted { $0.key < $1.key })")
      let found = try await store.deliveries(deliveryQuery)
      parts.append("\(found)")
      return Answer(text: parts.joined(separator: "\n"), deliveries: found.map(\.id))
    }
  }

  static let wholeContent = Step(name: "all") { store in
    var parts: [String] = []
    let jobs = try await store.jobs(JobQuery())
    parts.append("\(jobs)")
    for job in jobs {
      parts.append("\(try await store.job(job.id) as Any)")
      parts.append("\(try await store.events(of: job.id, limit: nil))")
    }
    parts.append("\(try await store.summary(JobQuery()))")
    parts.append("\(try await store.holders())")
    parts.append("\(try await store.openRequests(of: nil))")
    let deliveries = try await store.deliveries(DeliveryQuery())
    parts.append("\(deliveries)")
    return Answer(text: parts.joined(separator: "\n"), deliveries: deliveries.map(\.id))
  }
}
