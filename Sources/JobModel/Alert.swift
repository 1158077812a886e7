/// A message for people that a rule made of an event.
package struct Alert: Sendable, Hashable, Identifiable {
  package enum Severity: String, Sendable, Hashable, CaseIterable, Codable, Comparable {
    case info
    case warning
    case critical

    private var rank: Int {
      switch self {
      case .info: 0
      case .warning: 1
      case .critical: 2
      }
    }
    package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
  }

  /// Whether something is to be heard of it again.
  package enum Status: String, Sendable, Hashable, CaseIterable, Codable {
    /// It has happened, and that is all.
    case event
    /// It holds until it is resolved.
    case firing
    /// What was firing is over.
    case resolved
    /// Somebody has taken note of what fires. Only channels are told that have a notion of it.
    case acknowledged
  }

  /// Made of job, attempt, rule and key, so the same thing can't be told twice. Without a `.`, as Standard Webhooks asks.
  package var id: String
  package var status: Status
  /// What holds or not, whenever it began: a firing alert is resolved by one of the same condition.
  package var condition: String
  /// The id of the alert with which it began; the same for its end, so receivers can put the two together.
  package var incident: String
  package var rule: AlertRule
  package var severity: Severity
  package var at: Timestamp
  /// Nil for an alert about the watcher or a provider.
  package var job: JobID?
  /// One line: what happened to which job.
  package var title: String
  /// Labelled facts, in the order in which people should read them.
  package var facts: [Fact]
  /// The one command to run next, if there is one.
  package var nextCommand: String?
  /// Names of the notifiers that are to carry it.
  package var channels: [String]
  /// What silences, groups and templates go by: `job`, `name`, `provider`, `rule`, `severity`, `tag.…`.
  package var labels: [String: String]
  /// What templates and pictures are made of.
  package var details: AlertDetails

  package struct Fact: Sendable, Hashable, Codable {
    package var label: String
    package var value: String
    package init(_ label: String, _ value: String) {
      self.label = label
      self.value = value
    }
  }

  package init(
    id: String, rule: AlertRule, severity: Severity, at: Timestamp, job: JobID?, title: String, facts: [Fact],
    nextCommand: String?, channels: [String], status: Status = .event, condition: String? = nil,
    incident: String? = nil,
    labels: [String: String] = [:], details: AlertDetails = AlertDetails()
  ) {
    self.id = id
    self.status = status
    self.condition = condition ?? id
    self.incident = incident ?? id
    self.labels = labels
    self.details = details
    self.rule = rule
    self.severity = severity
    self.at = at
    self.job = job
    self.title = title
    self.facts = facts
    self.nextCommand = nextCommand
    self.channels = channels
  }
}

extension Alert {
  /// This end of a condition as the end of what began with `firing`.
  package func ending(_ firing: Alert) -> Alert {
    var end = self
    end.id = firing.id + "-resolved"
    end.incident = firing.id
    // Whoever heard of the beginning hears of the end, whatever the configuration says by now.
    end.channels = firing.channels
    end.severity = firing.severity
    return end
  }

  /// What those of `channels` are told that heard of it, when somebody has taken note of it.
  package func acknowledged(by person: String, at now: Timestamp, channels: Set<String>) -> Alert {
    var note = self
    note.id = id + "-acknowledged"
    note.status = .acknowledged
    note.at = now
    note.title = "Acknowledged by \(person): \(title)"
    note.facts = [Fact("By", person)]
    note.channels = self.channels.filter { channels.contains($0) }
    return note
  }
}

/// The rules that make alerts. The raw strings are the keys of `alerts.rules` in config.json.
package enum AlertRule: String, Sendable, Hashable, CaseIterable, Codable {
  case jobFailed = "job_failed"
  case launchFailed = "launch_failed"
  case jobCompleted = "job_completed"
  case jobTerminated = "job_terminated"
  case jobPreempted = "job_preempted"
  case jobStuck = "job_stuck"
  case costThreshold = "cost_threshold"
  case budgetReached = "budget_reached"
  case heartbeatLost = "heartbeat_lost"
  case providerUnreachable = "provider_unreachable"
  case syncFailing = "sync_failing"
  case syncStale = "sync_stale"
  case finalSyncIncomplete = "final_sync_incomplete"
  case resultsDamaged = "results_damaged"
  case priceRise = "price_rise"
  case instanceIdle = "instance_idle"
  case spendPerDay = "spend_per_day"
  case spendPerMonth = "spend_per_month"
  case spendForecast = "spend_forecast"
  case spendRate = "spend_rate"
  case instanceLeaked = "instance_leaked"
  case watcherDisk = "watcher_disk"
  case channelUnusable = "channel_unusable"
  /// Many alerts in one message.
  case digest
  /// Sent by `notify test` only.
  case test

  /// Whether people need to know where the results are.
  package var isAboutResults: Bool {
    switch self {
    case .syncFailing, .syncStale, .finalSyncIncomplete, .resultsDamaged: true
    default: false
    }
  }
}
