extension AlertPolicy {
  /// What differs from the general rules for the jobs that its patterns fit.
  package struct Override: Sendable, Hashable {
    /// A part of a rule's setting; nil leaves what is more general.
    package struct Change: Sendable, Hashable {
      package var enabled: Bool?
      package var severity: Alert.Severity?
      package var channels: [String]?

      package init(enabled: Bool? = nil, severity: Alert.Severity? = nil, channels: [String]? = nil) {
        self.enabled = enabled
        self.severity = severity
        self.channels = channels
      }
    }

    /// What a job's labels (`job`, `name`, `provider`, `tag.…`) must be, each; `*` stands for any text. Never empty.
    package var match: [String: String]
    package var rules: [AlertRule: Change]
    package var costThresholds: [Money]?
    package var priceFactor: Double?
    package var idleAfter: Duration?
    package var idlePercent: Int?
    package var stuckAfter: Duration?

    package init(match: [String: String], rules: [AlertRule: Change] = [:]) {
      self.match = match
      self.rules = rules
    }
  }

  /// The rules as they are for a job, with every override that fits it, in order.
  package func effective(for job: Job) -> AlertPolicy {
    guard !overrides.isEmpty else { return self }
    let labels = job.labels
    var policy = self
    policy.overrides = []
    for override in overrides where Silence.matches(labels, patterns: override.match) { policy.apply(override) }
    return policy
  }

  private mutating func apply(_ override: Override) {
    for (rule, change) in override.rules {
      var setting = setting(rule)
      setting.enabled = change.enabled ?? setting.enabled
      setting.severity = change.severity ?? setting.severity
      setting.channels = change.channels ?? setting.channels
      rules[rule] = setting
    }
    costThresholds = override.costThresholds ?? costThresholds
    priceFactor = override.priceFactor ?? priceFactor
    idleAfter = override.idleAfter ?? idleAfter
    idlePercent = override.idlePercent ?? idlePercent
    stuckAfter = override.stuckAfter ?? stuckAfter
  }
}
