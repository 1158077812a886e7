package import JobModel

/// The configuration in force: checked, complete, and with the source of each value.
package struct Settings: Sendable, Equatable {
  /// What the calculations need, and how each cloud is used: the sections of the Python tool, kept as they were written.
  package var hardware: Section
  package var aws: Section
  package var gcp: Section
  package var azure: Section
  package var docker: Section
  package var local: Local
  package var recovery: RecoveryRule
  package var store: Store
  package var watch: Watch
  package var sync: Sync
  package var ssh: SSH
  package var alerts: Alerts
  /// In the order of the file.
  package var notifiers: [ChannelSettings]

  /// The file that was read, as it was named; nil if there was none.
  package var file: String?
  /// Each value with its source, in the order of the schema; addresses that may open a door are masked.
  package var values: [EffectiveValue]
  /// What is suspicious but harmless.
  package var warnings: [Mistake]

  /// A section as it was written, for code that knows its keys.
  package struct Section: Sendable, Hashable {
    package var values: [String: JSONValue]

    package subscript(key: String) -> JSONValue? { values[key] }
    package func string(_ key: String) -> String? { values[key]?.string }
    package func strings(_ key: String) -> [String] { values[key]?.array?.compactMap(\.string) ?? [] }
    package func bool(_ key: String) -> Bool? { values[key]?.bool }
    package func integer(_ key: String) -> Int? { values[key]?.double.map { Int($0) } }
    package func double(_ key: String) -> Double? { values[key]?.double }
  }

  package struct Local: Sendable, Hashable {
    /// May be relative to the folder of the database.
    package var directory: String
    package var instanceType: String
    package var region: String
    package var pricePerHour: HourlyPrice
    package var grace: Duration
    package var heartbeat: Duration
    /// The address of this machine's ssh server; nil if its instances are reached directly.
    package var sshHost: String?
    package var sshPort: Int?
    package var sshUser: String?
    package var sshHostKey: String
  }

  package struct Store: Sendable, Hashable {
    /// May be relative to the working directory.
    package var path: String
    package var allowNetworkFileSystem: Bool
  }

  package struct Watch: Sendable, Hashable {
    package var pollInterval: Duration
    package var eagerPollInterval: Duration
    package var observeTimeout: Duration
    package var launchTimeout: Duration
    package var absenceConfirmation: Duration
    package var heartbeatTimeout: Duration
    package var heartbeatGiveUp: Duration
    package var unreachableAfter: Duration
    package var shutdownGrace: Duration
    package var terminateRetry: Duration
    package var terminateRetryCap: Duration
    package var leaseTTL: Duration
    package var shutdownTimeout: Duration
    package var minimumFreeMegabytes: Int
    /// What is asked while all is well; a key of its service, so it is not shown.
    package var pingURL: String?
    package var pingInterval: Duration
    package var pingAllowsPrivate: Bool
  }

  package struct Sync: Sendable, Hashable {
    package var interval: Duration
    package var exclude: [String]
    /// An rclone remote or a folder of this machine; nil if nothing is copied.
    package var remote: String?
    package var gdrivePath: String
    package var rclone: String
    package var maximumMegabytes: Int?
    package var inputs: Bool
    package var pack: Int?
    package var finalLimit: Duration
  }

  package struct SSH: Sendable, Hashable {
    package var program: String
    package var identityFile: String?
    package var configFile: String?
    /// Whether the first host key of an instance that has published none is trusted.
    package var acceptsNewHostKeys: Bool
    package var connectTimeout: Duration
    package var persist: Duration
  }

  /// Other words for alerts.
  package struct MessageTemplates: Sendable, Hashable {
    package var all = MessageTexts()
    package var rules: [AlertRule: MessageTexts] = [:]
  }

  package struct Alerts: Sendable, Hashable {
    package var rules: [AlertRule: AlertPolicy.Setting]
    /// Ascending.
    package var costThresholds: [Money]
    /// Ascending; 100 is one of them.
    package var budgetPercents: [Int]
    package var priceFactor: Double
    package var idleAfter: Duration?
    package var idlePercent: Int
    package var stuckAfter: Duration?
    /// Ascending.
    package var spendPerDay: [Money]
    package var spendPerMonth: [Money]
    package var spendRate: HourlyPrice?
    package var overrides: [AlertPolicy.Override]
    package var groupWait: Duration
    package var groupBy: [String]
    package var digestOver: Int
    package var repeatAfter: Duration?
    package var quietHours: [QuietHours]
    package var retry: Retry
    /// Other words for alerts: for all, and by rule.
    package var templates: MessageTemplates

    package struct Retry: Sendable, Hashable {
      package var maxTries: Int
      package var maxAge: Duration
    }
  }
}

extension Settings {
  /// Which events become alerts, and which notifiers carry them.
  package var alertPolicy: AlertPolicy {
    var policy = AlertPolicy(
      rules: alerts.rules, channels: notifiers.map(\.name), costThresholds: alerts.costThresholds)
    policy.priceFactor = alerts.priceFactor
    policy.idleAfter = alerts.idleAfter
    policy.idlePercent = alerts.idlePercent
    policy.stuckAfter = alerts.stuckAfter
    policy.spend = [.day: alerts.spendPerDay, .month: alerts.spendPerMonth].filter { !$0.value.isEmpty }
    policy.spendRate = alerts.spendRate
    policy.overrides = alerts.overrides
    return policy
  }

  /// When alerts go out.
  package var deliveryRules: DeliveryRules {
    var rules = DeliveryRules()
    rules.groupWait = alerts.groupWait
    rules.groupBy = alerts.groupBy
    rules.digestOver = alerts.digestOver
    rules.repeatAfter = alerts.repeatAfter
    rules.quietHours = alerts.quietHours
    return rules
  }

  /// The rules of supervision, alerts included.
  package var supervision: SupervisionPolicy {
    var policy = SupervisionPolicy()
    policy.pollInterval = watch.pollInterval
    policy.eagerPollInterval = min(watch.eagerPollInterval, watch.pollInterval)
    policy.observeTimeout = watch.observeTimeout
    policy.launchTimeout = watch.launchTimeout
    policy.absenceConfirmation = watch.absenceConfirmation
    policy.heartbeatTimeout = watch.heartbeatTimeout
    policy.heartbeatGiveUp = watch.heartbeatGiveUp
    policy.unreachableAfter = watch.unreachableAfter
    policy.shutdownGrace = watch.shutdownGrace
    policy.terminateRetry = watch.terminateRetry
    policy.terminateRetryCap = watch.terminateRetryCap
    policy.syncInterval = sync.interval
    policy.finalSyncLimit = sync.finalLimit
    policy.alerts = alertPolicy
    return policy
  }

  /// Keys that somebody has set and that change nothing in this version.
  package var withoutEffect: [Mistake] {
    values.filter { value in
      let section = value.path.prefix { $0 != "." }
      guard value.source != .standard, ConfigurationSchema.withoutEffect.contains(String(section)) else { return false }
      // Without a container is how everything runs anyway.
      return value.path != "docker.enabled" || value.text != "false"
    }.map { value in
      var mistake = Mistake(path: value.path, message: "has no effect in this version")
      if case .file(_, let position) = value.source { mistake.position = position }
      return mistake
    }
  }

  /// What is wrong with the places of the secrets, without fetching one: `notifiers.mail.password: … is not set`.
  package func secretProblems(environment: [String: String]) -> [Mistake] {
    notifiers.flatMap(\.secrets).compactMap { path, reference in
      reference.problem(environment: environment).map { Mistake(path: path, message: $0) }
    }
  }
}

/// One value in force, and who says so.
package struct EffectiveValue: Sendable, Hashable {
  package enum Source: Sendable, Hashable, CustomStringConvertible {
    case standard
    case file(String, TextPosition?)
    case environment(String)
    case flag(String)

    /// `default`, `config.json:12`, `CLOUDJOBS_STORE_PATH`, `--db`.
    package var description: String {
      switch self {
      case .standard: "default"
      case .file(let name, let position): position.map { "\(name):\($0.line)" } ?? name
      case .environment(let name): name
      case .flag(let name): name
      }
    }
  }

  package var path: String
  /// The value as JSON on one line, with everything that may be secret masked.
  package var text: String
  package var source: Source
}
