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

  private func firing(_ name: String, at moment: Timestamp, channels: [String] = ["hook", "mail"]) -> Alert {
    var alert = alert(name, job: nil, channels: channels)
    (alert.status, alert.condition, alert.at) = (.firing, "condition", moment)
    alert.labels = ["rule": "x", "tag.a": "“b”"]
    return alert
  }

  private func end(at moment: Timestamp) -> Alert {
    var alert = alert("any", job: nil, channels: [])
    (alert.status, alert.condition, alert.at) = (.resolved, "condition", moment)
    return alert
  }

  @Test(arguments: Engine.allCases) func whatFiresIsResolvedOnceAndInOrder(_ engine: Engine) async throws {
    try await engine.run { store in
      // Nothing to end.
      #expect(try await store.raise([end(at: at(1))], at: at(1)) == 0)
      #expect(try await store.raise([firing("one", at: at(2))], at: at(2)) == 1)
      let first = try await store.deliveries(DeliveryQuery())
      #expect(first.allSatisfy { $0.alert == firing("one", at: at(2)) })
      let mail = try #require(first.first { $0.channel == "mail" })
      let hook = try #require(first.first { $0.channel == "hook" })
      try await store.settle([DeliveryOutcome(delivery: mail.id, at: at(3), result: .delivered, answer: "250")])
      #expect(try await store.raise([end(at: at(4))], at: at(4)) == 1)
      #expect(try await store.raise([end(at: at(5))], at: at(5)) == 0)
      func due(_ channel: String, _ second: Int64) async throws -> [String] {
        try await store.dueDeliveries(through: channel, at: at(second), limit: 9).map(\.alert.id)
      }
      // Where the beginning was delivered the end may go; elsewhere it waits its turn.
      #expect(try await due("mail", 9) == ["one-resolved"])
      #expect(try await due("hook", 9) == ["one"])
      #expect(try await store.deliveries(DeliveryQuery(states: [.waiting])).map(\.channel) == ["hook"])
      try await store.settle([DeliveryOutcome(delivery: hook.id, at: at(6), result: .retry(at: at(8)), answer: "503")])
      #expect(try await due("hook", 7).isEmpty)
      try await store.settle([DeliveryOutcome(delivery: hook.id, at: at(9), result: .delivered, answer: "200")])
      let last = try await store.dueDeliveries(through: "hook", at: at(9), limit: 9)
      #expect(last.map(\.alert.id) == ["one-resolved"])
      #expect(last.first?.alert.incident == "one" && last.first?.alert.status == .resolved)
      // It fires anew, and ends anew.
      #expect(try await store.raise([firing("two", at: at(10)), end(at: at(11))], at: at(11)) >= 1)
      #expect(try await store.raise([end(at: at(12))], at: at(12)) <= 1)
      #expect(try await store.deliveries(DeliveryQuery()).filter { $0.alert.id == "two-resolved" }.count == 2)
    }
  }

  @Test(arguments: Engine.allCases) func whatWasKeptBackAndIsOverIsToldToNobody(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.raise([firing("one", at: at(1))], at: at(1))
      let all = try await store.deliveries(DeliveryQuery())
      try await store.settle(
        all.map { DeliveryOutcome(delivery: $0.id, at: at(1), result: .held(until: at(50)), answer: "silence s1") })
      #expect(try await store.nextDeliveries() == ["hook": at(50), "mail": at(50)])
      let held = try await store.deliveries(DeliveryQuery())
      #expect(held.allSatisfy { $0.held == "silence s1" && $0.tries == 0 && $0.state == .pending && $0.answer == nil })
      // One of the two was let go before.
      let mail = try #require(held.first { $0.channel == "mail" })
      try await store.settle([DeliveryOutcome(delivery: mail.id, at: at(2), result: .delivered, answer: "250")])
      try await store.raise([end(at: at(3))], at: at(3))
      let after = try await store.deliveries(DeliveryQuery())
      #expect(after.filter { $0.channel == "hook" }.map(\.state) == [.skipped])
      #expect(after.filter { $0.channel == "mail" }.map(\.state) == [.pending, .delivered])
      #expect(after.first { $0.channel == "mail" }?.held == nil)
    }
  }

  @Test(arguments: Engine.allCases) func whoeverTookNoteIsToldOnceBehindTheBeginning(_ engine: Engine) async throws {
    try await engine.run { store in
      var first = firing("one", at: at(1), channels: ["hook", "mail"])
      first.details = AlertDetails(
        values: ["job.cost": "$1"],
        spending: .init(spent: Money(microdollars: 1), limit: nil, marks: [Money(microdollars: 9)]))
      try await store.raise([first], at: at(1))
      // Only those that know of it and heard of the beginning.
      #expect(try await store.acknowledge(["one", "zero"], by: "me", telling: ["hook", "other"], at: at(2)) == 1)
      #expect(try await store.acknowledge(["one"], by: "you", telling: ["hook"], at: at(3)) == 0)
      let waiting = try await store.deliveries(DeliveryQuery(states: [.waiting]))
      #expect(waiting.map(\.channel) == ["hook"])
      let note = try #require(waiting.first?.alert)
      #expect(note.status == .acknowledged && note.incident == "one" && note.channels == ["hook"])
      #expect(note.title == "Acknowledged by me: \(first.title)" && note.details == first.details)
      let hook = try #require(try await store.dueDeliveries(through: "hook", at: at(4), limit: 9).first)
      try await store.settle([DeliveryOutcome(delivery: hook.id, at: at(4), result: .delivered, answer: "200")])
      #expect(
        try await store.dueDeliveries(through: "hook", at: at(4), limit: 9).map(\.alert.status) == [.acknowledged])
      // It still fires, and its end is told.
      #expect(try await store.firingAlerts().map(\.alert) == [first])
      #expect(try await store.raise([end(at: at(5))], at: at(5)) == 1)

      // Of what was kept back and is over nobody hears, neither of this.
      try await store.raise([firing("two", at: at(6), channels: ["pager"])], at: at(6))
      let held = try #require(try await store.dueDeliveries(through: "pager", at: at(6), limit: 9).first)
      try await store.settle(
        [DeliveryOutcome(delivery: held.id, at: at(6), result: .held(until: at(50)), answer: "silence s1")])
      #expect(try await store.acknowledge(["two"], by: "me", telling: ["pager"], at: at(7)) == 1)
      try await store.raise([end(at: at(8))], at: at(8))
      #expect(
        try await store.deliveries(DeliveryQuery()).filter { $0.channel == "pager" }.map(\.state) == [
          .skipped, .skipped,
        ])
    }
  }

  @Test(arguments: Engine.allCases) func aBeginningThatNeverArrivesLetsTheEndGo(_ engine: Engine) async throws {
    try await engine.run { store in
      try await store.raise([firing("one", at: at(1), channels: ["hook"])], at: at(1))
      try await store.raise([end(at: at(2))], at: at(2))
      let first = try #require(try await store.dueDeliveries(through: "hook", at: at(3), limit: 9).first)
      try await store.settle([DeliveryOutcome(delivery: first.id, at: at(3), result: .dead, answer: "410")])
      #expect(try await store.dueDeliveries(through: "hook", at: at(3), limit: 9).map(\.alert.id) == ["one-resolved"])
    }
  }
}
