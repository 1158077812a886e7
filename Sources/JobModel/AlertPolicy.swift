/// Which events become alerts, how severe they are, and which channels carry them.
package struct AlertPolicy: Sendable, Hashable {
  package struct Setting: Sendable, Hashable {
    package var enabled: Bool
    package var severity: Alert.Severity
    /// Nil means every channel.
    package var channels: [String]?

    package init(enabled: Bool, severity: Alert.Severity, channels: [String]? = nil) {
      self.enabled = enabled
      self.severity = severity
      self.channels = channels
    }
  }

  package var rules: [AlertRule: Setting]
  /// Names of all configured notifiers.
  package var channels: [String]
  /// Amounts at which any job's cost is worth an alert.
  package var costThresholds: [Money]
  /// A price that has risen to this many times that of the launch is worth an alert.
  package var priceFactor: Double = 1.5
  /// An instance whose calculation has used less than `idlePercent` of one core for so long is worth one; nil never.
  package var idleAfter: Duration?
  package var idlePercent: Int = 5
  /// A calculation that has written nothing for so long is worth one; nil never.
  package var stuckAfter: Duration?
  /// Amounts that all jobs together may cost in a calendar day or month before it is worth an alert, ascending.
  package var spend: [SpendPeriod.Kind: [Money]] = [:]
  /// What all jobs together may cost an hour before it is worth one; nil for any price.
  package var spendRate: HourlyPrice?
  /// What differs for some jobs; a later one has the last word.
  package var overrides: [Override] = []

  package init(
    rules: [AlertRule: Setting] = [:], channels: [String] = [], costThresholds: [Money] = []
  ) {
    self.rules = rules
    self.channels = channels
    self.costThresholds = costThresholds
  }

  package static func defaultSetting(_ rule: AlertRule) -> Setting {
    switch rule {
    case .jobFailed, .launchFailed, .budgetReached, .finalSyncIncomplete, .resultsDamaged, .channelUnusable,
      .instanceLeaked:
      Setting(enabled: true, severity: .critical)
    case .jobPreempted, .heartbeatLost, .providerUnreachable, .costThreshold, .syncFailing, .syncStale, .priceRise,
      .instanceIdle, .jobStuck, .watcherDisk, .spendPerDay, .spendPerMonth, .spendForecast, .spendRate:
      Setting(enabled: true, severity: .warning)
    case .jobCompleted, .jobTerminated: Setting(enabled: false, severity: .info)
    case .test, .digest: Setting(enabled: true, severity: .info)
    }
  }

  package func setting(_ rule: AlertRule) -> Setting { rules[rule] ?? Self.defaultSetting(rule) }

  /// The rules whose alerts an event ends, if any fire.
  package static func resolved(by event: Event) -> [AlertRule] {
    switch event.kind {
    case .heartbeatBack: [.heartbeatLost]
    case .syncRecovered: [.syncFailing, .syncStale]
    case .instanceBusy: [.instanceIdle]
    case .jobMoving: [.jobStuck]
    // What can't be true of an instance that is gone.
    case .instanceGone: [.heartbeatLost, .syncFailing, .syncStale, .instanceIdle, .jobStuck]
    default: []
    }
  }

  /// Whether a rule's alerts hold until something ends them.
  package static func lasts(_ rule: AlertRule) -> Bool {
    switch rule {
    case .heartbeatLost, .syncFailing, .syncStale, .instanceIdle, .jobStuck, .providerUnreachable, .watcherDisk,
      .channelUnusable, .spendForecast, .spendRate, .instanceLeaked:
      true
    default: false
    }
  }

  /// The rule that an event falls under, if any.
  package static func rule(for event: Event) -> AlertRule? {
    switch event.kind {
    case .failed: event.reason == .preempted ? .jobPreempted : .jobFailed
    case .launchFailed, .launchDelayed: .launchFailed
    case .completed: .jobCompleted
    case .terminated: .jobTerminated
    case .costThreshold: .costThreshold
    case .budgetReached: .budgetReached
    case .heartbeatLost: .heartbeatLost
    case .syncFailing: .syncFailing
    case .syncStale: .syncStale
    case .finalSyncMissing: .finalSyncIncomplete
    case .resultsDamaged: .resultsDamaged
    case .priceRise: .priceRise
    case .instanceIdle: .instanceIdle
    case .jobStuck: .jobStuck
    default: nil
    }
  }

  /// What `event` makes: an alert, or the ends of earlier ones. `job` is the job after the event.
  package func alerts(for event: Event, job: Job, billing: BillingRule) -> [Alert] {
    let policy = effective(for: job)
    return policy.ends(event, job, billing) + (policy.alert(for: event, job: job, billing: billing).map { [$0] } ?? [])
  }

  private func ends(_ event: Event, _ job: Job, _ billing: BillingRule) -> [Alert] {
    Self.resolved(by: event).filter { event.kind != .instanceGone || Self.mayFire($0, job) }.map { rule in
      Alert(
        id: "\(Self.condition(rule, event))-resolved", rule: rule, severity: .info, at: event.at, job: job.id,
        title: "Job \(job.spec.name) (\(job.id)): \(Self.ended(rule, by: event))",
        facts: [
          Alert.Fact("Job", "\(job.id) (\(job.spec.name))"), Alert.Fact("What", event.message),
          Alert.Fact("State", job.state.rawValue),
        ], nextCommand: nil, channels: [], status: .resolved, condition: Self.condition(rule, event),
        labels: labels(rule, job), details: details(event, job, job.cost(at: event.at, rule: billing)))
    }
  }

  /// Whether an alert of this rule may be open for a job's instance.
  private static func mayFire(_ rule: AlertRule, _ job: Job) -> Bool {
    switch rule {
    case .heartbeatLost: job.attempt.heartbeatLost
    case .syncFailing, .syncStale: job.crossed.contains { $0.hasPrefix("sync_") }
    case .instanceIdle: job.crossed.contains("idle")
    case .jobStuck: job.crossed.contains("stuck")
    default: false
    }
  }

  private static func condition(_ rule: AlertRule, _ event: Event) -> String {
    "\(event.job)-\(event.attempt)-\(rule.rawValue)"
  }

  private static func ended(_ rule: AlertRule, by event: Event) -> String {
    switch rule {
    case _ where event.kind == .instanceGone: "over, the instance is gone (\(rule.rawValue))"
    case .syncStale: "the results are up to date again"
    default: event.message
    }
  }

  private func labels(_ rule: AlertRule, _ job: Job) -> [String: String] {
    var labels = job.labels
    labels["rule"] = rule.rawValue
    labels["severity"] = setting(rule).severity.rawValue
    return labels
  }

  private func alert(for event: Event, job: Job, billing: BillingRule) -> Alert? {
    guard let rule = Self.rule(for: event) else { return nil }
    let setting = setting(rule)
    guard setting.enabled else { return nil }
    let cost = job.cost(at: event.at, rule: billing)
    var facts = [
      Alert.Fact("Job", "\(job.id) (\(job.spec.name))"),
      Alert.Fact("What", event.message),
      Alert.Fact("State", job.state.rawValue + (event.reason.map { " (\($0.rawValue))" } ?? "")),
    ]
    if let instance = job.attempt.instance {
      facts.append(Alert.Fact("Instance", "\(job.provider) \(instance.type) in \(instance.region), \(instance.id)"))
    }
    facts.append(
      Alert.Fact(
        "Running since", job.startedAt.map { $0.iso8601() } ?? "not started (created \(job.createdAt.iso8601()))"))
    var costText = cost.formatted(decimals: 4)
    if let budget = job.budget { costText += " of \(budget.limit.formatted()) budget" }
    if let price = job.attempt.price { costText += " at \(price.formatted)" }
    facts.append(Alert.Fact("Cost", costText))
    if rule.isAboutResults {
      facts.append(Alert.Fact("Results", job.spec.gdrivePath ?? "-"))
      facts.append(Alert.Fact("Copied last", job.attempt.syncedAt.map { $0.iso8601() } ?? "never"))
    }
    if let wish = job.wish {
      facts.append(Alert.Fact("Done by itself", "termination requested (\(wish.reason.phrase))"))
    }
    let condition = Self.condition(rule, event)
    var id = condition
    if let key = event.key { id += "-\(key)" }
    return Alert(
      id: id, rule: rule, severity: setting.severity, at: event.at, job: job.id,
      title: Self.title(event: event, job: job, cost: cost), facts: facts,
      nextCommand: Self.nextCommand(rule, job.id), channels: setting.channels ?? channels,
      status: Self.lasts(rule) ? .firing : .event, condition: condition, labels: labels(rule, job),
      details: details(event, job, cost))
  }

  private func details(_ event: Event, _ job: Job, _ cost: Money) -> AlertDetails {
    AlertDetails(event: event, job: job, cost: cost, marks: costThresholds)
  }

  /// An alert as the rule would make it, to see what becomes of it.
  package func sample(_ rule: AlertRule, job: Job?, at now: Timestamp) -> Alert {
    let policy = job.map(effective(for:)) ?? self
    let setting = policy.setting(rule)
    return Alert(
      id: "sample", rule: rule, severity: setting.severity, at: now, job: job?.id, title: rule.rawValue, facts: [],
      nextCommand: nil, channels: setting.channels ?? channels, status: Self.lasts(rule) ? .firing : .event,
      labels: job.map { policy.labels(rule, $0) } ?? ["rule": rule.rawValue, "severity": setting.severity.rawValue])
  }

  private static func title(event: Event, job: Job, cost: Money) -> String {
    let name = "\(job.spec.name) (\(job.id))"
    return switch event.kind {
    case .failed: "Job \(name) failed: \(event.reason?.phrase ?? event.message)"
    case .launchFailed: "Job \(name) could not be launched: \(event.message)"
    case .launchDelayed: "Job \(name) waits to be launched again: no capacity"
    case .completed: "Job \(name) completed, \(cost.formatted())"
    case .terminated: "Job \(name) ended: \(event.reason?.phrase ?? event.message)"
    case .budgetReached: "Job \(name) reached its budget: \(event.message)"
    case .costThreshold: "Job \(name): \(event.message)"
    default: "Job \(name): \(event.message)"
    }
  }

  private static func nextCommand(_ rule: AlertRule, _ id: JobID) -> String? {
    switch rule {
    case .jobFailed: "cloudjobs logs \(id)"
    case .launchFailed, .jobCompleted, .jobTerminated: "cloudjobs status \(id) --detailed"
    case .jobPreempted, .costThreshold, .heartbeatLost, .priceRise: "cloudjobs status \(id)"
    case .instanceIdle, .jobStuck: "cloudjobs logs \(id)"
    case .budgetReached: "cloudjobs terminate \(id)"
    case .syncFailing, .syncStale: "cloudjobs resync \(id)"
    case .finalSyncIncomplete: "cloudjobs resync \(id) --force"
    case .resultsDamaged: "cloudjobs verify \(id)"
    case .providerUnreachable, .watcherDisk, .channelUnusable, .spendPerDay, .spendPerMonth, .spendForecast, .spendRate,
      .instanceLeaked, .test, .digest:
      nil
    }
  }
}
