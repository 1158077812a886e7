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

  package init(
    rules: [AlertRule: Setting] = [:], channels: [String] = [], costThresholds: [Money] = []
  ) {
    self.rules = rules
    self.channels = channels
    self.costThresholds = costThresholds
  }

  package static func defaultSetting(_ rule: AlertRule) -> Setting {
    switch rule {
    case .jobFailed, .launchFailed, .budgetReached, .finalSyncIncomplete, .resultsDamaged, .channelUnusable:
      Setting(enabled: true, severity: .critical)
    case .heartbeatLost, .providerUnreachable, .costThreshold, .syncFailing, .syncStale, .priceRise, .instanceIdle,
      .watcherDisk:
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
    // What can't be true of an instance that is gone.
    case .instanceGone: [.heartbeatLost, .syncFailing, .syncStale, .instanceIdle]
    default: []
    }
  }

  /// Whether a rule's alerts hold until something ends them.
  package static func lasts(_ rule: AlertRule) -> Bool {
    switch rule {
    case .heartbeatLost, .syncFailing, .syncStale, .instanceIdle, .providerUnreachable, .watcherDisk, .channelUnusable:
      true
    default: false
    }
  }

  /// The rule that an event falls under, if any.
  package static func rule(for event: Event) -> AlertRule? {
    switch event.kind {
    case .failed: .jobFailed
    case .launchFailed: .launchFailed
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
    default: nil
    }
  }

  /// What `event` makes: an alert, or the ends of earlier ones. `job` is the job after the event.
  package func alerts(for event: Event, job: Job, billing: BillingRule) -> [Alert] {
    let ends = Self.resolved(by: event).filter { event.kind != .instanceGone || Self.mayFire($0, job) }.map { rule in
      Alert(
        id: "\(Self.condition(rule, event))-resolved", rule: rule, severity: .info, at: event.at, job: job.id,
        title: "Job \(job.spec.name) (\(job.id)): \(Self.ended(rule, by: event))",
        facts: [
          Alert.Fact("Job", "\(job.id) (\(job.spec.name))"), Alert.Fact("What", event.message),
          Alert.Fact("State", job.state.rawValue),
        ], nextCommand: nil, channels: [], status: .resolved, condition: Self.condition(rule, event),
        labels: labels(rule, job), details: details(event, job, job.cost(at: event.at, rule: billing)))
    }
    return ends + (alert(for: event, job: job, billing: billing).map { [$0] } ?? [])
  }

  /// Whether an alert of this rule may be open for a job's instance.
  private static func mayFire(_ rule: AlertRule, _ job: Job) -> Bool {
    switch rule {
    case .heartbeatLost: job.attempt.heartbeatLost
    case .syncFailing, .syncStale: job.crossed.contains { $0.hasPrefix("sync_") }
    case .instanceIdle: job.crossed.contains("idle")
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
    var labels = [
      "rule": rule.rawValue, "severity": setting(rule).severity.rawValue, "job": job.id.rawValue,
      "name": job.spec.name, "provider": job.provider.rawValue,
    ]
    for (key, value) in job.spec.tags { labels["tag.\(key)"] = value }
    return labels
  }

  /// The alert that `event` makes, or nil. `job` is the job after the event.
  package func alert(for event: Event, job: Job, billing: BillingRule) -> Alert? {
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
    let setting = setting(rule)
    return Alert(
      id: "sample", rule: rule, severity: setting.severity, at: now, job: job?.id, title: rule.rawValue, facts: [],
      nextCommand: nil, channels: setting.channels ?? channels, status: Self.lasts(rule) ? .firing : .event,
      labels: job.map { labels(rule, $0) } ?? ["rule": rule.rawValue, "severity": setting.severity.rawValue])
  }

  /// The disk of the database has less room than it needs, or has enough again.
  package func watcherDisk(path: String, free: Int64, isLow: Bool, at now: Timestamp) -> Alert? {
    let setting = setting(.watcherDisk)
    guard setting.enabled || !isLow else { return nil }
    return Alert(
      id: "watcher-disk-\(now.rawValue)", rule: .watcherDisk, severity: setting.severity, at: now, job: nil,
      title: isLow
        ? "The disk of the watcher is nearly full: \(free / 1_000_000) MB are left"
        : "The disk of the watcher has room again",
      facts: [
        Alert.Fact("Database", path), Alert.Fact("Free", "\(free / 1_000_000) MB"),
        Alert.Fact("What follows", "on a full disk no job can be started, and nothing that happens is remembered"),
      ], nextCommand: nil, channels: isLow ? setting.channels ?? channels : [], status: isLow ? .firing : .resolved,
      condition: "watcher-disk",
      labels: ["rule": AlertRule.watcherDisk.rawValue, "severity": setting.severity.rawValue])
  }

  /// The end of the alert that a provider does not answer.
  package func providerReachable(_ provider: ProviderName, now: Timestamp) -> Alert {
    Alert(
      id: "provider-\(provider.rawValue)-unreachable-resolved", rule: .providerUnreachable, severity: .info, at: now,
      job: nil, title: "Provider \(provider) answers again", facts: [Alert.Fact("Provider", provider.rawValue)],
      nextCommand: nil, channels: [], status: .resolved, condition: "provider-\(provider.rawValue)-unreachable",
      labels: ["rule": AlertRule.providerUnreachable.rawValue, "provider": provider.rawValue])
  }

  /// The alert that a provider has not answered since `since`, whichever jobs wait for it.
  package func providerUnreachable(
    _ provider: ProviderName, since: Timestamp, now: Timestamp, waiting: Int, message: String
  ) -> Alert? {
    let setting = setting(.providerUnreachable)
    guard setting.enabled else { return nil }
    let age = DurationText.short(now - since)
    return Alert(
      id: "provider-\(provider.rawValue)-unreachable-\(since.rawValue)", rule: .providerUnreachable,
      severity: setting.severity, at: now, job: nil,
      title: "Provider \(provider) has not answered for \(age)",
      facts: [
        Alert.Fact("Provider", provider.rawValue), Alert.Fact("Since", since.iso8601()),
        Alert.Fact("Error", message), Alert.Fact("Jobs waiting", String(waiting)),
        Alert.Fact("Done by itself", "no job changed its state; asking goes on"),
      ],
      nextCommand: "cloudjobs doctor", channels: setting.channels ?? channels, status: .firing,
      condition: "provider-\(provider.rawValue)-unreachable",
      labels: [
        "rule": AlertRule.providerUnreachable.rawValue, "severity": setting.severity.rawValue,
        "provider": provider.rawValue,
      ])
  }

  private static func title(event: Event, job: Job, cost: Money) -> String {
    let name = "\(job.spec.name) (\(job.id))"
    return switch event.kind {
    case .failed: "Job \(name) failed: \(event.reason?.phrase ?? event.message)"
    case .launchFailed: "Job \(name) could not be launched: \(event.message)"
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
    case .costThreshold, .heartbeatLost, .priceRise: "cloudjobs status \(id)"
    case .instanceIdle: "cloudjobs logs \(id)"
    case .budgetReached: "cloudjobs terminate \(id)"
    case .syncFailing, .syncStale: "cloudjobs resync \(id)"
    case .finalSyncIncomplete: "cloudjobs resync \(id) --force"
    case .resultsDamaged: "cloudjobs verify \(id)"
    case .providerUnreachable, .watcherDisk, .channelUnusable, .test, .digest: nil
    }
  }
}
