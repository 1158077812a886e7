import JobModel
import Testing

@Suite("Decisions about results")
struct SyncDecisionTests {
  private static let minute = Duration.seconds(60)

  /// A running job whose results are copied every five minutes.
  private func running() -> Driver {
    var driver = Driver(makeJob(results: "gdrive:jobs/a1b2c3d4"))
    driver.start()
    return driver
  }

  private func report(
    _ result: SyncReport.Result, _ driver: Driver, final: Bool = false, reason: String? = nil, since: Timestamp? = nil
  ) -> SyncReport {
    SyncReport(
      job: "a1b2c3d4", attempt: 1, result: result, startedAt: (driver.now - .seconds(3)).rawValue,
      finishedAt: (driver.now - .seconds(1)).rawValue, final: final, files: 3, bytes: 300, reason: reason,
      message: reason.map { "said \($0)" }, failingSince: since?.rawValue)
  }

  private func observe(
    _ driver: inout Driver, _ sync: SyncReport?, after pause: Duration, phase: Beacon.Phase = .running
  ) {
    var word = beacon(phase, at: driver.now + pause, started: epoch)
    word.sync = sync
    driver.observe(.known(.init(state: .running, beacon: word)), after: pause)
  }

  @Test("A good copy moves the time up to which results are safe")
  func good() {
    var driver = running()
    driver.now = driver.now + Self.minute
    let first = report(.synced, driver)
    observe(&driver, first, after: .seconds(1))
    #expect(driver.job.attempt.syncedAt?.rawValue == first.startedAt)
    #expect(driver.job.attempt.sync == first)
    var late = first
    late.startedAt -= 5000
    late.finishedAt -= 5000
    observe(&driver, late, after: .seconds(1))
    #expect(driver.job.attempt.sync == first)
    #expect(driver.alerts.isEmpty)
  }

  @Test(
    "A failure that only a person can mend is told at once, one that may pass after two copies, each once",
    arguments: [("quota", 0), ("revoked", 0), ("network", 10), ("rate_limit", 10), ("word of a later version", 10)])
  func failing(reason: String, minutes: Int64) {
    var driver = running()
    let since = driver.now
    var toldAfter: Duration?
    for _ in 0..<40 where toldAfter == nil {
      observe(&driver, report(.failing, driver, reason: reason, since: since), after: .seconds(30))
      if !driver.alerts.isEmpty { toldAfter = driver.now - since }
    }
    #expect(driver.alerts.map(\.rule) == [.syncFailing])
    #expect(toldAfter.map { $0 >= Self.minute * Int(minutes) && $0 <= Self.minute * Int(minutes + 1) } == true)
    observe(&driver, report(.failing, driver, reason: reason, since: since), after: .seconds(30))
    #expect(driver.alerts.count == 1)
    observe(&driver, report(.synced, driver), after: .seconds(30))
    #expect(driver.events.last?.kind == .syncRecovered)
    // A new failure is a new alert.
    let again = driver.now
    for _ in 0..<30 { observe(&driver, report(.failing, driver, reason: reason, since: again), after: .seconds(30)) }
    let told = driver.alerts.filter { $0.status == .firing }
    #expect(told.map(\.rule) == [.syncFailing, .syncFailing])
    #expect(Set(told.map(\.id)).count == 2 && Set(told.map(\.condition)).count == 1)
    #expect(driver.alerts.contains { $0.status == .resolved && $0.condition == told[0].condition })
  }

  @Test("Results that can't be read are told")
  func unreadable() {
    var driver = running()
    for _ in 0..<5 { observe(&driver, report(.incomplete, driver, reason: "unreadable"), after: .seconds(30)) }
    #expect(driver.alerts.map(\.rule) == [.syncFailing])
    #expect(driver.alerts.first?.facts.contains { $0.label == "Results" && $0.value.hasPrefix("gdrive:") } == true)
    #expect(driver.alerts.first?.nextCommand == "cloudjobs resync a1b2c3d4")
  }

  @Test("Copies that do not come are asked for, and then told, once until one succeeds")
  func stale() {
    var driver = running()
    var asked: [Duration] = []
    var stale: [Duration] = []
    let start = driver.now
    for _ in 0..<100 {
      let effects = driver.send(.tick, after: .seconds(10))
      for effect in effects {
        if case .sync(let sequence) = effect {
          asked.append(driver.now - start)
          driver.send(.syncAnswered(sequence: sequence))
        }
      }
      observe(&driver, nil, after: .seconds(10))
      if driver.events.last?.kind == .syncStale, stale.isEmpty { stale.append(driver.now - start) }
    }
    #expect(driver.alerts.map(\.rule) == [.syncStale])
    // Six minutes after the start, then every five.
    #expect(asked.count >= 5 && asked[0] > .seconds(340) && asked[0] < .seconds(400), "\(asked)")
    #expect(zip(asked, asked.dropFirst()).allSatisfy { $1 - $0 >= .seconds(300) })
    #expect(stale.first.map { $0 > Self.minute * 10 && $0 < Self.minute * 13 } == true, "\(stale)")
    observe(&driver, report(.synced, driver), after: .seconds(10))
    #expect(driver.events.last?.kind == .syncRecovered)
  }

  @Test("A call that is not answered does not keep later copies from being asked for")
  func silentCall() {
    var driver = running()
    var asked = 0
    for _ in 0..<200 {
      asked += driver.send(.tick, after: .seconds(10)).count { if case .sync = $0 { true } else { false } }
      observe(&driver, nil, after: .seconds(10))
    }
    #expect(asked > 5)
  }

  @Test("A job without a place for its results is never asked for copies, and its end is no alarm")
  func noPlace() {
    var driver = Driver()
    driver.start()
    for _ in 0..<100 {
      #expect(!driver.send(.tick, after: .seconds(30)).contains { if case .sync = $0 { true } else { false } })
      observe(&driver, nil, after: .seconds(30))
    }
    driver.observe(.known(.init(state: .terminated, endReason: .stoppedOutside)))
    #expect(driver.alerts.isEmpty)
  }

  @Test("An instance that ends without a last copy is an alarm, unless nobody wanted one")
  func finalSync() {
    for (last, wanted, alarms): (SyncReport.Result?, Bool, Int) in [
      (.synced, true, 0), (.incomplete, true, 0), (.failing, true, 1), (nil, true, 1), (nil, false, 0),
    ] {
      var driver = running()
      driver.send(
        .terminateRequested(.init(reason: .userRequest, at: driver.now, finalSync: wanted)), after: .seconds(9))
      let sync = last.map { report($0, driver, final: true, reason: $0 == .failing ? "network" : nil) }
      observe(&driver, sync, after: .seconds(1), phase: .finishing)
      driver.observe(.known(.init(state: .terminated)), after: .seconds(1))
      #expect(!driver.job.isOpen)
      let found = driver.alerts.filter { $0.rule == .finalSyncIncomplete }
      #expect(found.count == alarms, "\(String(describing: last)) \(wanted)")
      #expect(found.allSatisfy { $0.nextCommand == "cloudjobs resync a1b2c3d4 --force" && $0.severity == .critical })
    }
  }

  @Test("A last copy has its time; after it the instance is ended without one")
  func finalSyncLimit() {
    var driver = running()
    driver.policy.finalSyncLimit = .seconds(60)
    func orders(_ effects: [Effect]) -> [Bool] {
      effects.compactMap { if case .terminate(_, let finalSync) = $0 { finalSync } else { nil } }
    }
    let first = driver.send(.terminateRequested(.init(reason: .userRequest, at: driver.now)), after: .seconds(1))
    #expect(orders(first) == [true])
    var seen: [Bool] = []
    for _ in 0..<60 {
      let effects = driver.send(.tick, after: .seconds(5))
      seen += orders(effects)
      for effect in effects {
        if case .terminate(let sequence, _) = effect { driver.send(.terminateAccepted(sequence: sequence)) }
      }
    }
    #expect(seen.first == true && seen.last == false)
  }

  @Test("The host key that a beacon publishes is kept, and what is no key is not")
  func hostKey() {
    let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO4kOiOBYEMSd1VW0ciKRHYYzPLUdC2HTjwlzJi9ysz2"
    for (text, kept): (String, String?) in [
      (good, good), (good + " root@host", good), ("ssh-ed25519 short", nil), (good + "\n* " + good, nil),
      ("ssh-dss " + good.dropFirst(12), nil), ("", nil), ("@cert-authority " + good, nil),
    ] {
      var driver = running()
      var word = beacon(.running, at: driver.now, started: epoch)
      word.hostKey = text
      driver.observe(.known(.init(state: .running, beacon: word)))
      #expect(driver.job.attempt.hostKey?.text == kept, "\(text)")
    }
  }
}
