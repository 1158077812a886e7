import JobModel
import Testing

@testable import JobStore

/// Alerts on their way to people, on every engine.
@Suite struct OutboxContract {
  @Test(arguments: Engine.allCases) func oneDeliveryAChannelAndNoAlertTwice(_ engine: Engine) async throws {
    try await engine.run { store in
      let owner = OwnerID(rawValue: "a")
      let lease = try #require(try await store.insert(makeJob("job1"), events: [], owner: owner, at: at(0)))
      let first = alert("one", job: id("job1"), channels: ["mail", "hook", "mail"])
      let change = Change(job: makeJob("job1"), alerts: [first, alert("one", job: nil, channels: ["third"])])
      _ = try await store.commit([LeasedChange(lease, change)], at: at(5))
      _ = try await store.commit([LeasedChange(lease, change)], at: at(6))
      #expect(
        try await store.raise([first, alert("two", job: nil), alert("quiet", job: nil, channels: [])], at: at(7)) == 2)
      let all = try await store.deliveries(DeliveryQuery())
      #expect(all.map(\.channel) == ["hook", "hook", "mail"])
      #expect(all.map(\.alert.id) == ["two", "one", "one"])
      #expect(all[2].alert == first)
      #expect(all[2].createdAt == at(5))
      #expect(all.allSatisfy { $0.state == .pending && $0.tries == 0 && $0.lastTryAt == nil && $0.answer == nil })
      #expect(try await store.deliveries(DeliveryQuery(job: id("job1"), limit: 1)) == [all[1]])
      #expect(try await store.deliveries(DeliveryQuery(channel: "mail")) == [all[2]])
    }
  }

  @Test(arguments: Engine.allCases) func dueOrderRetryDeadAndResend(_ engine: Engine) async throws {
    try await engine.run { store in
      #expect(try await store.nextDeliveryAt() == nil)
      for (name, seconds) in [("late", Int64(20)), ("early", 10), ("mid", 15)] {
        try await store.raise([alert(name, job: nil)], at: at(seconds))
      }
      #expect(try await store.nextDeliveries() == ["hook": at(10)])
      #expect(try await store.dueDeliveries(through: "mail", at: at(99), limit: 9).isEmpty)
      #expect(try await store.dueDeliveries(through: "hook", at: at(9), limit: 9).isEmpty)
      let due = try await store.dueDeliveries(through: "hook", at: at(15), limit: 9)
      #expect(due.map(\.alert.id) == ["early", "mid"])
      #expect(try await store.dueDeliveries(through: "hook", at: at(99), limit: 1).map(\.alert.id) == ["early"])
      let (early, mid) = (due[0].id, due[1].id)
      try await store.settle([
        DeliveryOutcome(delivery: early, at: at(16), result: .retry(at: at(30)), answer: "503"),
        DeliveryOutcome(delivery: mid, at: at(16), result: .dead, answer: "410"),
        DeliveryOutcome(delivery: 999, at: at(16), result: .dead, answer: "nobody"),
      ])
      #expect(
        try await store.dueDeliveries(through: "hook", at: at(99), limit: 9).map(\.alert.id) == ["late", "early"])
      #expect(try await store.nextDeliveryAt() == at(20))
      let dead = try #require(try await store.deliveries(DeliveryQuery(states: [.dead])).first)
      #expect(dead.tries == 1)
      #expect(dead.answer == "410")
      #expect(dead.lastTryAt == at(16))
      // An outcome that comes after the end changes nothing.
      try await store.settle([DeliveryOutcome(delivery: mid, at: at(17), result: .delivered, answer: "late")])
      #expect(try await store.deliveries(DeliveryQuery(states: [.dead])) == [dead])
      #expect(try await store.resend([early], at: at(40)) == 0)
      #expect(try await store.resend([mid, mid], at: at(40)) == 1)
      let again = try #require(try await store.deliveries(DeliveryQuery()).first { $0.id == mid })
      #expect(again.state == .pending)
      #expect(again.tries == 0)
      #expect(again.createdAt == at(40))
      #expect(again.nextTryAt == at(40))
      try await store.settle([DeliveryOutcome(delivery: mid, at: at(41), result: .delivered, answer: "200")])
      #expect(try await store.deliveries(DeliveryQuery(states: [.delivered])).map(\.answer) == ["200"])
      #expect(try await store.resend(nil, at: at(50)) == 0)
    }
  }
}
