package import JobModel
package import ProviderKit

/// A provider that does as the test says: it answers from scripts, counts, and holds answers back until released.
///
/// Unscripted, it is a well-behaved cloud: a launch makes an instance that runs (idempotent by token), a termination
/// ends it, and what it does not know is absent.
package actor ScriptedProvider: Provider {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case quote, launch, find, observe, terminate
  }

  /// One call that was made, in the order of their arrival.
  package struct Call: Sendable, Hashable {
    package var kind: Kind
    package var tokens: [String]
    package var finalSync: Bool?
  }

  package nonisolated let name: ProviderName
  package nonisolated let billing: BillingRule
  package nonisolated let observeLimit: Int

  /// Every call so far.
  package private(set) var calls: [Call] = []
  /// What `observe` says of an instance as long as no script says otherwise.
  package private(set) var world: [String: Observation] = [:]

  private let price: HourlyPrice
  private let now: @Sendable () -> Timestamp
  private var launched: [String: Launched] = [:]
  private var unreachable: String?
  private var quoteError: ProviderError?
  private var launchScript: [LaunchAnswer] = []
  private var loseLaunchAnswers = 0
  private var findScript: [FindAnswer] = []
  private var terminateScript: [TerminateAnswer] = []
  private var observeScripts: [String: [Observation]] = [:]
  private var leaveOut: Set<String> = []
  private var keepsRunning = false
  /// What `market` answers, whatever is asked, and what it was asked.
  package var marketAnswer: Result<Market, ProviderError> = .success(Market(offers: []))
  package var marketWishes: [MarketWish] = []
  /// What `priceChanges` answers by token, and what it was asked.
  package var priceChanges: [String: [PriceSegment]] = [:]
  package var priceQuestions: [[String: Timestamp]] = []
  private var held: Set<Kind> = []
  private var holders: [Kind: [CheckedContinuation<Void, Never>]] = [:]
  private var watchers: [(kind: Kind, count: Int, waiter: CheckedContinuation<Void, Never>)] = []

  package init(
    name: ProviderName = .local, billing: BillingRule = .perSecond, observeLimit: Int = 100,
    price: HourlyPrice = HourlyPrice(microdollars: 360_000), now: @escaping @Sendable () -> Timestamp
  ) {
    self.name = name
    self.billing = billing
    self.observeLimit = observeLimit
    self.price = price
    self.now = now
  }

  // MARK: - Scripts

  /// The next launches answer this, one after the other; `launched` answers also make the instance.
  package func nextLaunches(_ answers: LaunchAnswer...) { launchScript += answers }

  /// The next launches make their instance, but the answer is lost on the way.
  package func loseNextLaunchAnswers(_ count: Int = 1) { loseLaunchAnswers += count }

  package func nextFinds(_ answers: FindAnswer...) { findScript += answers }
  package func nextTerminations(_ answers: TerminateAnswer...) { terminateScript += answers }

  /// The next observations of an instance, one a call; afterwards the world holds again.
  package func nextObservations(_ token: String, _ answers: Observation...) {
    observeScripts[token, default: []] += answers
  }

  /// What `observe` says of an instance from now on; nil takes it out of the world (absent).
  package func set(_ token: String, _ observation: Observation?) { world[token] = observation }

  /// The instance runs on with this beacon.
  package func report(_ token: String, _ beacon: Beacon, state: InstanceState = .running) {
    world[token] = .known(Observation.Report(state: state, beacon: beacon))
  }

  /// Everything but quotes fails as long as a text is set.
  package func setUnreachable(_ text: String?) { unreachable = text }
  package func setQuoteError(_ error: ProviderError?) { quoteError = error }

  /// Leaves an instance out of the answers, as a provider never should.
  package func leaveOut(_ token: String) { leaveOut.insert(token) }

  /// Whether instances run on though their end was accepted.
  package func setKeepsRunning(_ value: Bool) { keepsRunning = value }

  /// Calls of this kind wait until they are released.
  package func hold(_ kind: Kind) { held.insert(kind) }

  package func release(_ kind: Kind) {
    held.remove(kind)
    for holder in holders.removeValue(forKey: kind) ?? [] { holder.resume() }
  }

  // MARK: - Counts

  package func count(_ kind: Kind) -> Int { calls.count { $0.kind == kind } }

  /// Returns when at least `count` calls of this kind have arrived.
  package func arrival(of kind: Kind, count wanted: Int = 1) async {
    guard count(kind) < wanted else { return }
    await withCheckedContinuation { watchers.append((kind, wanted, $0)) }
  }

  // MARK: - Provider

  package func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    await arrive(Call(kind: .quote, tokens: []))
    if let quoteError { throw quoteError }
    return Quote(instanceType: spec.instanceType ?? "scripted.large", region: spec.region ?? "nowhere-1", price: price)
  }

  package func launch(_ request: LaunchRequest) async -> LaunchAnswer {
    await arrive(Call(kind: .launch, tokens: [request.token]))
    if let unreachable { return .unknown(unreachable) }
    if !launchScript.isEmpty {
      let answer = launchScript.removeFirst()
      if case .launched(let instance) = answer { appear(request.token, instance) }
      return answer
    }
    let answer =
      launched[request.token]
      ?? Launched(
        instance: Instance(id: "i-\(request.token)", type: "scripted.large", region: "nowhere-1"), price: price,
        at: now())
    appear(request.token, answer)
    if loseLaunchAnswers > 0 {
      loseLaunchAnswers -= 1
      return .unknown("the connection was cut")
    }
    return .launched(answer)
  }

  package func find(_ request: LaunchRequest) async -> FindAnswer {
    await arrive(Call(kind: .find, tokens: [request.token]))
    if let unreachable { return .unreachable(unreachable) }
    if !findScript.isEmpty { return findScript.removeFirst() }
    return launched[request.token].map { .found($0) } ?? .absent
  }

  package func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    await arrive(Call(kind: .observe, tokens: instances.map(\.token)))
    var answers: [String: Observation] = [:]
    for token in instances.map(\.token) where !leaveOut.contains(token) {
      if let unreachable {
        answers[token] = .unreachable(unreachable)
      } else if let next = observeScripts[token]?.first {
        observeScripts[token]?.removeFirst()
        answers[token] = next
      } else {
        answers[token] = world[token] ?? .absent
      }
    }
    return answers
  }

  package func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    await arrive(Call(kind: .terminate, tokens: [instance.token], finalSync: finalSync))
    if let unreachable { return .failed(unreachable) }
    let answer = terminateScript.isEmpty ? .accepted : terminateScript.removeFirst()
    if answer == .accepted, !keepsRunning, case .known(var report) = world[instance.token] {
      report.state = .terminated
      report.endedAt = now()
      world[instance.token] = .known(report)
    }
    return answer
  }

  private func appear(_ token: String, _ instance: Launched) {
    launched[token] = instance
    if world[token] == nil { world[token] = .known(Observation.Report(state: .running)) }
  }

  private func arrive(_ call: Call) async {
    calls.append(call)
    let count = count(call.kind)
    for watcher in watchers where watcher.kind == call.kind && watcher.count <= count { watcher.waiter.resume() }
    watchers.removeAll { $0.kind == call.kind && $0.count <= count }
    while held.contains(call.kind) {
      await withCheckedContinuation { holders[call.kind, default: []].append($0) }
    }
  }
}
