package import JobModel

/// The one door to a provider: many supervisors ask for their instance, few calls answer them.
///
/// Asks are collected for a short window (or until a call is full), and one call answers as many of them as the
/// provider allows. Who asks for an instance that a call in flight will answer shares that answer. A call that fails
/// fails only those it was for. No task is made for an ask; the callers themselves wait.
package actor ProviderGate {
  package struct Settings: Sendable {
    /// How long the first ask waits for company.
    package var window: Duration
    /// How many observe calls may be under way at once.
    package var observeCalls: Int
    /// How many launches, searches and terminations may be under way at once.
    package var actCalls: Int

    package init(window: Duration = .milliseconds(25), observeCalls: Int = 4, actCalls: Int = 8) {
      self.window = window
      self.observeCalls = max(1, observeCalls)
      self.actCalls = max(1, actCalls)
    }
  }

  private typealias Waiter = CheckedContinuation<Observation, Never>

  package nonisolated let provider: any Provider
  private let settings: Settings
  private let clock: any Clock<Duration>

  /// Who waits for which token, in a call or before one.
  private var waiters: [String: [Waiter]] = [:]
  /// Instances that no call asks for yet, oldest first.
  private var queue = Queue()
  private var windowIsOpen = false
  private var runningObserves = 0

  private var runningActs = 0
  private var waitingActs: [CheckedContinuation<Void, Never>] = []

  package init(
    provider: any Provider, settings: Settings = Settings(), clock: any Clock<Duration> = ContinuousClock()
  ) {
    self.provider = provider
    self.settings = settings
    self.clock = clock
  }

  /// What the instance is doing. Returns when the provider's call does, which has a time-out of its own.
  package func observe(_ reference: InstanceReference) async -> Observation {
    await withCheckedContinuation { waiter in
      if waiters[reference.token] == nil { queue.append(reference) }
      waiters[reference.token, default: []].append(waiter)
      if queue.count >= provider.observeLimit {
        startCalls()
      } else if !windowIsOpen, !queue.isEmpty {
        windowIsOpen = true
        Task { await self.waitForCompany() }
      }
    }
  }

  /// See `Provider.launch`; waits for its turn if many acts are under way.
  package func launch(_ request: LaunchRequest) async -> LaunchAnswer {
    await beginAct()
    defer { endAct() }
    return await provider.launch(request)
  }

  package func find(_ request: LaunchRequest) async -> FindAnswer {
    await beginAct()
    defer { endAct() }
    return await provider.find(request)
  }

  package func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    await beginAct()
    defer { endAct() }
    return await provider.terminate(instance, finalSync: finalSync)
  }

  // MARK: - Observing

  private func waitForCompany() async {
    // Only cancellation throws here, and nobody cancels this task; without a wait the calls are smaller, not wrong.
    try? await clock.sleep(for: settings.window)
    windowIsOpen = false
    startCalls()
  }

  private func startCalls() {
    while !queue.isEmpty, runningObserves < settings.observeCalls {
      let batch = queue.take(max(1, provider.observeLimit))
      runningObserves += 1
      Task { await self.call(batch) }
    }
  }

  private func call(_ batch: [InstanceReference]) async {
    let answers = await provider.observe(batch)
    runningObserves -= 1
    for reference in batch {
      let answer =
        answers[reference.token] ?? .unreachable("\(provider.name) left \(reference.instance.id) out of its answer")
      for waiter in waiters.removeValue(forKey: reference.token) ?? [] { waiter.resume(returning: answer) }
    }
    // Who came while all calls were busy has waited long enough; others still have their window.
    if !windowIsOpen || queue.count >= provider.observeLimit { startCalls() }
  }

  // MARK: - Acting

  private func beginAct() async {
    if runningActs < settings.actCalls {
      runningActs += 1
      return
    }
    await withCheckedContinuation { waitingActs.append($0) }
  }

  private func endAct() {
    if waitingActs.isEmpty {
      runningActs -= 1
    } else {
      // The slot is handed on, so nobody can slip in between.
      waitingActs.removeFirst().resume()
    }
  }

  /// First in, first out, without moving what stays.
  private struct Queue {
    private var items: [InstanceReference] = []
    private var first = 0

    var count: Int { items.count - first }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ item: InstanceReference) { items.append(item) }

    mutating func take(_ limit: Int) -> [InstanceReference] {
      let end = min(items.count, first + limit)
      defer {
        first = end
        if first == items.count {
          items.removeAll()
          first = 0
        }
      }
      return Array(items[first..<end])
    }
  }
}
