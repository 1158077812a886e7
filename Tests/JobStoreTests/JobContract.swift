import JobModel
import Testing

@testable import JobStore

/// What is kept of jobs, their history and the wishes for them, on every engine.
@Suite struct JobContract {
  let a = OwnerID(rawValue: "a")

  @Test(arguments: Engine.allCases) func everyFieldComesBack(_ engine: Engine) async throws {
    try await engine.run { store in
      let full = makeFullJob("job1")
      let lease = try #require(try await store.insert(full, events: [event(full.id, .created)], owner: a, at: at(9)))
      #expect(try await store.job(full.id) == full)
      // A commit that empties every field, and one that fills them again.
      var bare = makeJob("job1", provider: .aws)
      bare.attempt = Attempt(job: bare.id, number: 2, requestedAt: at(1))
      #expect(try await store.commit([LeasedChange(lease, Change(job: bare))], at: at(9)).isEmpty)
      bare.revision = 8
      #expect(try await store.job(full.id) == bare)
      #expect(try await store.commit([LeasedChange(lease, Change(job: full))], at: at(9)).isEmpty)
      var refilled = full
      refilled.revision = 9
      #expect(try await store.job(full.id) == refilled)
    }
  }

  @Test(arguments: Engine.allCases) func eachCopyOfResultsIsRememberedOnce(_ engine: Engine) async throws {
    try await engine.run { store in
      var job = makeJob("job1")
      let lease = try #require(try await store.insert(job, events: [], owner: a, at: at(0)))
      func report(_ result: SyncReport.Result, _ second: Int64) -> SyncReport {
        SyncReport(
          job: "job1", attempt: 1, result: result, startedAt: at(second).rawValue, finishedAt: at(second + 1).rawValue,
          final: false, files: 2, bytes: 20, reason: result == .failing ? "quota" : nil)
      }
      // The same one is seen in many beacons; one that changed nothing is no news.
      for sync in [report(.synced, 1), report(.synced, 1), report(.unchanged, 2), report(.failing, 3)] {
        job.attempt.sync = sync
        #expect(try await store.commit([LeasedChange(lease, Change(job: job))], at: at(9)).isEmpty)
      }
      let syncs = try await store.syncs(of: job.id, limit: 10)
      #expect(syncs.map(\.result) == [.failing, .synced] && syncs.map(\.at) == [at(3), at(1)])
      #expect(syncs.first?.message == "quota" && syncs.last?.bytes == 20)
      #expect(try await store.syncs(of: job.id, limit: 1).count == 1)
      #expect(try await store.syncs(of: id("job2"), limit: 1).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases) func chargesOfEveryAttempt(_ engine: Engine) async throws {
    try await engine.run { store in
      func attempt(_ job: Job, _ number: Int, _ launched: Int64?, _ ended: Int64?) -> Attempt {
        var attempt = Attempt(job: job.id, number: number, requestedAt: at(0))
        attempt.launchedAt = launched.map(at)
        attempt.endedAt = ended.map(at)
        attempt.seenAt = at(40)
        attempt.segments = [PriceSegment(from: at(launched ?? 0), price: HourlyPrice(microdollars: Int64(number)))]
        return attempt
      }
      var job = makeJob("job1", provider: .aws)
      job.attempt = attempt(job, 1, 5, 10)
      let lease = try #require(try await store.insert(job, events: [], owner: a, at: at(0)))
      for (number, launched, ended) in [(2, 20, 30), (3, 35, nil)] as [(Int, Int64?, Int64?)] {
        job.attempt = attempt(job, number, launched, ended)
        #expect(try await store.commit([LeasedChange(lease, Change(job: job))], at: at(9)).isEmpty)
      }
      var other = makeJob("job2")
      other.attempt = attempt(other, 1, nil, nil)
      try await store.insert(other, events: [], owner: nil, at: at(0))
      let all = try await store.charges(since: at(0))
      #expect(all.map(\.attempt) == [1, 2, 3] && all.allSatisfy { $0.provider == .aws && $0.job == job.id })
      #expect(
        all.map { $0.segments.first?.price.microdollars } == [1, 2, 3] && all.map(\.endedAt) == [at(10), at(30), nil])
      #expect(try await store.charges(since: at(30)).map(\.attempt) == [2, 3])
      #expect(try await store.charges(since: at(31)).map(\.attempt) == [3])
      // What is not known to be gone is charged up to when it was last seen.
      #expect(all[2].item(billing: .perSecond).until == at(40) && all[2].item(billing: .perSecond).isLive)
      #expect(all[1].item(billing: .perSecond).until == at(30) && !all[1].item(billing: .perSecond).isLive)
    }
  }

  @Test(arguments: Engine.allCases) func theDatabaseHasAName(_ engine: Engine) async throws {
    try await engine.run { store in
      let name = try await store.databaseID()
      #expect(!name.isEmpty && name.count <= 32)
      #expect(try await store.databaseID() == name)
    }
  }

  @Test(arguments: Engine.allCases) func specProviderAndCreationStay(_ engine: Engine) async throws {
    try await engine.run { store in
      let lease = try #require(try await store.insert(makeJob("job1"), events: [], owner: a, at: at(0)))
      var other = Job(
        id: id("job1"), provider: .gcp, spec: JobSpec(name: "other", directory: "/", command: "false"), budget: nil,
        createdAt: at(99))
      other.state = .launched
      _ = try await store.commit([LeasedChange(lease, Change(job: other))], at: at(1))
      let stored = try #require(try await store.job(id("job1")))
      #expect(stored.spec == makeJob("job1").spec)
      #expect(stored.provider == .local)
      #expect(stored.createdAt == start)
      #expect(stored.state == .launched)
    }
  }

  @Test(arguments: Engine.allCases) func aTakenIdIsRefusedAlone(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.insert(makeJob("job1"), events: [], owner: nil, at: at(0))
      // Many at once, so that the refused one shares a transaction with good ones.
      let refusals = try await withThrowingTaskGroup(of: StoreError?.self) { group in
        for number in 0..<50 {
          group.addTask {
            do throws(StoreError) {
              let name = number % 10 == 0 ? "job1" : "x\(number)"
              try await store.insert(makeJob(name), events: [event(id(name))], owner: nil, at: at(1))
              return nil
            } catch {
              return error
            }
          }
        }
        var refusals: [StoreError] = []
        for try await refusal in group { if let refusal { refusals.append(refusal) } }
        return refusals
      }
      #expect(refusals.map(\.code) == Array(repeating: .exists, count: 5))
      #expect(try await store.jobs(JobQuery()).count == 46)
      #expect(try await store.recentEvents(limit: 999).count == 45)
    }
  }

  @Test(arguments: Engine.allCases) func filtersApplyBeforeTheLimit(_ engine: Engine) async throws {
    try await engine.run { store in
      for number in 0..<60 {
        var job = makeJob("job\(number)", provider: number % 3 == 0 ? .aws : .local, created: at(Int64(number / 2)))
        job.state = JobState.allCases[number % JobState.allCases.count]
        job.spec.name = number == 1 ? "BÄR%_x" : "n\(number)"
        try await store.insert(job, events: [], owner: nil, at: at(100))
      }
      let all = try await store.jobs(JobQuery())
      #expect(all.count == 60)
      #expect(zip(all, all.dropFirst()).allSatisfy { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) })
      let aws = try await store.jobs(JobQuery(provider: .aws, limit: 5))
      #expect(aws == Array(all.filter { $0.provider == .aws }.prefix(5)))
      let states = try await store.jobs(JobQuery(states: [.failed, .running], provider: .local, limit: 7))
      #expect(
        states == Array(all.filter { [.failed, .running].contains($0.state) && $0.provider == .local }.prefix(7)))
      #expect(try await store.jobs(JobQuery(createdSince: at(29))).count == 2)
      #expect(try await store.jobs(JobQuery(name: "bär%_", limit: 1)).map(\.id) == [id("job1")])
      #expect(try await store.jobs(JobQuery(name: "n_")).isEmpty)
      #expect(try await store.jobs(JobQuery(openOnly: true)) == all.filter(\.isOpen))
      #expect(try await store.jobs(JobQuery(limit: 0)).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases) func prefixes(_ engine: Engine) async throws {
    try await engine.run { store in
      for name in ["abc", "abd", "ab", "b", "A", "a_z", "a-z"] {
        try await store.insert(makeJob(name), events: [], owner: nil, at: at(0))
      }
      #expect(try await store.ids(prefix: "ab", limit: 9).map(\.rawValue) == ["ab", "abc", "abd"])
      #expect(try await store.ids(prefix: "ab", limit: 2).map(\.rawValue) == ["ab", "abc"])
      #expect(try await store.ids(prefix: "", limit: 99).count == 7)
      #expect(try await store.ids(prefix: "ab%", limit: 9).isEmpty)
      #expect(try await store.job(id("nojob")) == nil)
    }
  }

  @Test(arguments: Engine.allCases) func summaryCountsStoredCosts(_ engine: Engine) async throws {
    try await engine.run { store in
      var running = makeFullJob("job1")
      running.attempt.endedAt = nil
      let lease = try #require(try await store.insert(running, events: [], owner: a, at: at(62)))
      let cost = running.cost(at: at(62), rule: .perSecond)
      #expect(cost > running.earlierCost)
      try await store.insert(makeJob("job2", provider: .aws), events: [], owner: nil, at: at(0))
      #expect(
        try await store.summary(JobQuery(limit: 1)) == [
          SummaryRow(state: .launching, provider: .aws, count: 1, cost: .zero),
          SummaryRow(state: .running, provider: .aws, count: 1, cost: cost),
        ])
      running.state = .failed
      running.attempt.endedAt = at(3602)
      _ = try await store.commit([LeasedChange(lease, Change(job: running))], at: at(9999))
      #expect(
        try await store.summary(JobQuery(states: [.failed])) == [
          SummaryRow(
            state: .failed, provider: .aws, count: 1, cost: running.cost(at: at(3602), rule: .perSecond))
        ])
    }
  }

  @Test(arguments: Engine.allCases) func regionsOfWhatWasLaunchedAndIsToBe(_ engine: Engine) async throws {
    try await engine.run { store in
      var launched = makeFullJob("job1")
      launched.attempt.instance?.region = "eu-west-1"
      launched.spec.region = nil
      let lease = try #require(try await store.insert(launched, events: [], owner: a, at: at(62)))
      for (id, region, provider) in [
        ("job2", "eu-west-3", ProviderName.aws), ("job3", "moon", .gcp), ("job4", nil, .aws),
      ] {
        var job = makeJob(id, provider: provider)
        job.spec.region = region
        try await store.insert(job, events: [], owner: nil, at: at(0))
      }
      #expect(Set(try await store.regions(provider: .aws, endedSince: at(9999))) == ["eu-west-1", "eu-west-3"])
      // A job that is over may have left something where it was, for a while.
      launched.state = .failed
      launched.wish = nil
      launched.endedAt = at(3602)
      launched.attempt.endedAt = at(3602)
      _ = try await store.commit([LeasedChange(lease, Change(job: launched))], at: at(9999))
      #expect(try await store.regions(provider: .aws, endedSince: at(3602)).sorted() == ["eu-west-1", "eu-west-3"])
      #expect(try await store.regions(provider: .aws, endedSince: at(3603)) == ["eu-west-3"])
      #expect(try await store.regions(provider: .azure, endedSince: at(0)).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases) func historyInTheOrderOfCommits(_ engine: Engine) async throws {
    try await engine.run { store in
      let one = try #require(
        try await store.insert(makeJob("job1"), events: [event(id("job1"), .created)], owner: a, at: at(0)))
      let two = try #require(
        try await store.insert(makeJob("job2"), events: [event(id("job2"), .created)], owner: a, at: at(0)))
      for (lease, kind) in [(one, Event.Kind.launched), (two, .launched), (one, .failed)] {
        let change = Change(
          job: makeJob(lease.job.rawValue), events: [event(lease.job, kind), event(lease.job, .priceChanged)])
        #expect(try await store.commit([LeasedChange(lease, change)], at: at(1)).isEmpty)
      }
      let events = try await store.events(of: id("job1"), limit: nil)
      #expect(events.map(\.event.kind) == [.created, .launched, .priceChanged, .failed, .priceChanged])
      #expect(events.first?.event == event(id("job1"), .created))
      #expect(try await store.events(of: id("job1"), limit: 2) == Array(events.prefix(2)))
      #expect(try await store.events(of: id("job1"), after: events[1].id, limit: 2) == Array(events[2...3]))
      #expect(try await store.recentEvents(limit: 3).map(\.event.kind) == [.priceChanged, .failed, .priceChanged])
    }
  }

  @Test(arguments: Engine.allCases) func wishesStayUntilTheyAreAnswered(_ engine: Engine) async throws {
    try await engine.run { store in
      let lease = try #require(try await store.insert(makeJob("job1"), events: [], owner: a, at: at(0)))
      let other = try #require(try await store.insert(makeJob("job2"), events: [], owner: a, at: at(0)))
      func wish(_ name: String, _ job: String, _ seconds: Int64) -> JobRequest {
        JobRequest(
          id: name, job: id(job),
          kind: .terminate(TerminationWish(reason: .userRequest, message: "“now”", at: at(seconds), finalSync: false)),
          at: at(seconds))
      }
      for request in [wish("r2", "job1", 2), wish("r1", "job1", 1), wish("r3", "job2", 1), wish("r1", "job1", 9)] {
        try await store.file(request)
      }
      #expect(
        try await store.openRequests(of: nil) == [wish("r1", "job1", 1), wish("r3", "job2", 1), wish("r2", "job1", 2)])
      #expect(try await store.openRequests(of: id("job2")) == [wish("r3", "job2", 1)])
      let refusal = await #expect(throws: StoreError.self) { try await store.file(wish("r4", "nojob", 1)) }
      #expect(refusal?.code == .notFound)
      // Another job's commit does not answer it.
      _ = try await store.commit([LeasedChange(other, Change(job: makeJob("job2"), answered: ["r1"]))], at: at(3))
      _ = try await store.commit([LeasedChange(lease, Change(job: makeJob("job1"), answered: ["r2"]))], at: at(3))
      #expect(try await store.openRequests(of: nil).map(\.id) == ["r1", "r3"])
      try await store.file(wish("r2", "job1", 5))
      #expect(try await store.openRequests(of: nil).map(\.id) == ["r1", "r3"])
    }
  }

  @Test(arguments: Engine.allCases) func cleanupLeavesOpenJobs(_ engine: Engine) async throws {
    try await engine.run { store in
      func add(_ name: String, _ state: JobState, ended: Timestamp?, live: Bool = false) async throws {
        var job = makeJob(name)
        job.state = state
        job.endedAt = ended
        job.updatedAt = at(50)
        if live { job.attempt.instance = Instance(id: "i", type: "t", region: "r") }
        let lease = try #require(try await store.insert(job, events: [event(job.id)], owner: a, at: at(0)))
        _ = try await store.commit(
          [LeasedChange(lease, Change(job: job, alerts: [alert("alert-\(name)", job: job.id)]))], at: at(0))
        try await store.file(
          JobRequest(
            id: "r-\(name)", job: job.id, kind: .terminate(TerminationWish(reason: .budget, at: start)), at: start))
      }
      try await add("old", .completed, ended: at(10))
      try await add("edge", .completed, ended: at(60))
      try await add("undated", .terminated, ended: nil)
      try await add("active", .running, ended: at(10))
      try await add("living", .failed, ended: at(10), live: true)
      let deliveries = try await store.deliveries(DeliveryQuery(job: id("old")))
      #expect(try await store.cleanup(endedBefore: at(60), dryRun: true) == [id("old"), id("undated")])
      #expect(try await store.jobs(JobQuery()).count == 5)
      try await store.settle(deliveries.map { DeliveryOutcome(delivery: $0.id, at: at(1), result: .dead, answer: "") })
      #expect(try await store.cleanup(endedBefore: at(60), dryRun: false) == [id("old"), id("undated")])
      #expect(try await store.jobs(JobQuery()).count == 3)
      #expect(try await store.events(of: id("old"), limit: nil).isEmpty)
      #expect(try await store.openRequests(of: nil).map(\.id) == ["r-active", "r-living"])
      // What was still on its way goes on; what was given up went with the job.
      #expect(
        try await store.deliveries(DeliveryQuery()).map(\.alert.id)
          == ["alert-living", "alert-active", "alert-undated", "alert-edge"])
      #expect(try await store.cleanup(endedBefore: at(60), dryRun: false).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases) func afterTheEndEverythingIsRefused(_ engine: Engine) async throws {
    try await engine.run { store in
      await store.close()
      await store.close()
      let read = await #expect(throws: StoreError.self) { try await store.job(id("job1")) }
      #expect(read?.code == .closed)
      let write = await #expect(throws: StoreError.self) {
        try await store.insert(makeJob("job1"), events: [], owner: nil, at: at(0))
      }
      #expect(write?.code == .closed)
    }
  }

  @Test(arguments: Engine.allCases) func aCancelledCallersWriteIsKept(_ engine: Engine) async throws {
    try await engine.run { store in
      let task = Task { try await insertWhileCancelled(store) }
      let seen = try await task.value
      #expect(seen?.id == id("job1"))
      #expect(try await store.job(id("job1")) != nil)
    }
  }

  private func insertWhileCancelled(_ store: any Store) async throws -> Job? {
    withUnsafeCurrentTask { $0?.cancel() }
    try await store.insert(makeJob("job1"), events: [], owner: nil, at: at(0))
    #expect(Task.isCancelled)
    return try await store.job(id("job1"))
  }
}
