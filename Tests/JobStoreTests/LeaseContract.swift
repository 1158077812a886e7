import JobModel
import Testing

@testable import JobStore

/// Who may write a job, on every engine.
@Suite struct LeaseContract {
  let ttl: Duration = .seconds(30)
  let a = OwnerID(rawValue: "a")
  let b = OwnerID(rawValue: "b")

  @Test(arguments: Engine.allCases) func oneWatcherAtATime(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      let refusal = await #expect(throws: StoreError.self) {
        try await store.acquire(holder("b"), ttl: ttl, at: at(30))
      }
      #expect(refusal?.code == .held)
      #expect(refusal?.holder?.owner == a)
      #expect(refusal?.holder?.expiresAt == at(30))
      try await store.acquire(holder("c", .command), ttl: ttl, at: at(1))
      try await store.acquire(holder("b"), ttl: ttl, at: at(31))
      #expect(try await store.holders().map(\.owner.rawValue) == ["c", "b"])
      #expect(try await store.renew(a, ttl: ttl, at: at(32)) == false)
      #expect(try await store.renew(b, ttl: ttl, at: at(32)))
      #expect(try await store.holders().last?.expiresAt == at(62))
    }
  }

  @Test(arguments: Engine.allCases) func lateRenewalHoldsIfNobodyCame(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      let lease = try #require(try await store.insert(makeJob("job1"), events: [], owner: a, at: at(0)))
      #expect(try await store.renew(a, ttl: ttl, at: at(500)))
      #expect(try await store.commit([LeasedChange(lease, Change(job: makeJob("job1")))], at: at(501)).isEmpty)
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(501)).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases) func expiryByTheStoresClockAndFencing(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      let old = try #require(try await store.insert(makeJob("job1"), events: [], owner: a, at: at(0)))
      #expect(old.epoch == 1)
      try await store.acquire(holder("b", .command), ttl: .seconds(100), at: at(1))
      #expect(try await store.claim(b, jobs: [id("job1")], limit: 0, at: at(30)).isEmpty)
      let claims = try await store.claim(b, jobs: [id("job1"), id("job1"), id("none")], limit: 0, at: at(31))
      #expect(claims.map(\.lease) == [Lease(job: id("job1"), owner: b, epoch: 2)])
      #expect(claims.map(\.job) == [makeJob("job1")])
      var changed = makeJob("job1")
      changed.state = .failed
      let stale = try await store.commit(
        [
          LeasedChange(
            old,
            Change(job: changed, events: [event(id("job1"))], alerts: [alert("x", job: id("job1"))], answered: []))
        ], at: at(32))
      #expect(stale == [old])
      #expect(try await store.job(id("job1"))?.state == .launching)
      #expect(try await store.events(of: id("job1"), limit: nil).isEmpty)
      #expect(try await store.deliveries(DeliveryQuery()).isEmpty)
      // The old holder, back again, gets nothing of what is held, and a new term gets a new epoch.
      #expect(try await store.renew(a, ttl: ttl, at: at(33)))
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(33)).isEmpty)
      try await store.release(b)
      #expect(try await store.commit([LeasedChange(claims[0].lease, Change(job: changed))], at: at(33)).count == 1)
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(33)).map(\.lease.epoch) == [3])
      #expect(try await store.commit([LeasedChange(old, Change(job: changed))], at: at(33)) == [old])
    }
  }

  @Test(arguments: Engine.allCases) func partOfABatchIsWritten(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      var changes: [LeasedChange] = []
      for name in ["job1", "job2", "job3"] {
        let lease = try #require(try await store.insert(makeJob(name), events: [], owner: a, at: at(0)))
        var job = makeJob(name)
        job.state = .failed
        changes.append(LeasedChange(lease, Change(job: job)))
      }
      let stale = Lease(job: id("job2"), owner: a, epoch: 9)
      // A good and a stale lease of one job in one batch are told apart, and a lease of another job is not taken.
      let wrong = LeasedChange(changes[0].lease, changes[2].change)
      let batch = [changes[0], LeasedChange(stale, changes[1].change), changes[1], wrong]
      #expect(try await store.commit(batch, at: at(1)) == [stale, changes[0].lease])
      #expect(try await store.jobs(JobQuery(states: [.failed])).map(\.id) == [id("job2"), id("job1")])
      #expect(try await store.job(id("job1"))?.revision == 1)
      #expect(try await store.job(id("job3"))?.revision == 0)
    }
  }

  @Test(arguments: Engine.allCases) func releaseOfSingleJobs(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      try await store.acquire(holder("b", .command), ttl: ttl, at: at(0))
      for name in ["job1", "job2", "job3"] {
        try await store.insert(makeJob(name), events: [], owner: nil, at: at(0))
      }
      let claims = try await store.claim(a, jobs: nil, limit: 2, at: at(0))
      #expect(claims.map(\.job.id) == [id("job1"), id("job2")])
      try await store.release([claims[0].lease, Lease(job: id("job2"), owner: a, epoch: 5)])
      #expect(try await store.claim(b, jobs: nil, limit: 9, at: at(1)).map(\.job.id) == [id("job1"), id("job3")])
      try await store.release(a)
      #expect(try await store.claim(b, jobs: nil, limit: 9, at: at(1)).map(\.job.id) == [id("job2")])
    }
  }

  @Test(arguments: Engine.allCases) func withoutAValidLeaseNothingIsClaimed(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.insert(makeJob("job1"), events: [], owner: nil, at: at(0))
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(0)).isEmpty)
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(31)).isEmpty)
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(30)).count == 1)
    }
  }

  @Test(arguments: Engine.allCases) func closedJobsAreNotClaimed(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("a"), ttl: ttl, at: at(0))
      var closed = makeJob("job1")
      closed.state = .completed
      try await store.insert(closed, events: [], owner: nil, at: at(0))
      var lingering = makeFullJob("job2")
      lingering.state = .failed
      lingering.wish = nil
      lingering.attempt.endedAt = nil
      try await store.insert(lingering, events: [], owner: nil, at: at(0))
      #expect(try await store.claim(a, jobs: nil, limit: 9, at: at(0)).map(\.job.id) == [id("job2")])
      #expect(try await store.jobs(JobQuery(openOnly: true)).map(\.id) == [id("job2")])
    }
  }

  @Test(arguments: Engine.allCases) func claimersExcludeEachOther(_ engine: Engine) async throws {
    try await engine.run { store in
      let (jobs, claimers) = (1000, 8)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<jobs {
          group.addTask { try await store.insert(makeJob("j\(number)"), events: [], owner: nil, at: at(0)) }
        }
        try await group.waitForAll()
      }
      let claims = try await withThrowingTaskGroup(of: [Lease].self) { group in
        for number in 0..<claimers {
          group.addTask {
            let name = "c\(number)"
            try await store.acquire(holder(name, .command), ttl: .seconds(30), at: at(0))
            var mine: [Lease] = []
            while true {
              let claims = try await store.claim(OwnerID(rawValue: name), jobs: nil, limit: 7, at: at(1))
              if claims.isEmpty { return mine }
              mine += claims.map(\.lease)
            }
          }
        }
        var all: [Lease] = []
        for try await leases in group { all += leases }
        return all
      }
      #expect(claims.count == jobs)
      #expect(Set(claims.map(\.job)).count == jobs)
      #expect(claims.allSatisfy { $0.epoch == 1 })
    }
  }

  @Test(arguments: Engine.allCases) func aForgottenCommandLeavesNoRow(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.acquire(holder("old", .command), ttl: ttl, at: at(0))
      try await store.acquire(holder("a"), ttl: ttl, at: at(86_430))
      #expect(try await store.holders().count == 2)
      try await store.release(a)
      try await store.acquire(holder("b"), ttl: ttl, at: at(86_431))
      #expect(try await store.holders().map(\.owner) == [b])
    }
  }
}
