import JobModel

/// Makes typed settings of checked layers.
///
/// After the check nothing here can fail. If the schema and this code ever disagree, the disagreement is recorded as a
/// mistake of that key instead of ending the program.
struct SettingsBuilder {
  let layers: Layers
  private(set) var mistakes = MistakeList()

  init(layers: Layers) { self.layers = layers }

  mutating func build(warnings: [Mistake]) -> Settings {
    Settings(
      hardware: section("hardware"), aws: section("aws"), gcp: section("gcp"), azure: section("azure"),
      docker: section("docker"), local: local(), recovery: recovery(), store: store(), watch: watch(), sync: sync(),
      ssh: ssh(),
      alerts: alerts(),
      notifiers: notifiers(), file: layers.file, values: layers.values, warnings: warnings)
  }

  // MARK: Sections

  private func section(_ name: String) -> Settings.Section {
    var values = layers.document[name]?.plain.object ?? [:]
    for leaf in layers.leaves where leaf.path.hasPrefix(name + ".") {
      if let entry = layers.entries[leaf.path] { values[leaf.field.key] = entry.node.plain }
    }
    return Settings.Section(values: values)
  }

  private mutating func local() -> Settings.Local {
    Settings.Local(
      directory: text("local.directory"), instanceType: text("local.instance_type"), region: text("local.region"),
      pricePerHour: read("local.price_per_hour", .zero, ValueReader.price), grace: duration("local.grace"),
      heartbeat: duration("local.heartbeat"), sshHost: layers.entries["local.ssh_host"]?.node.string,
      sshPort: integer("local.ssh_port"), sshUser: layers.entries["local.ssh_user"]?.node.string,
      sshHostKey: text("local.ssh_host_key"))
  }

  private mutating func ssh() -> Settings.SSH {
    Settings.SSH(
      program: text("ssh.program"), identityFile: layers.entries["ssh.identity_file"]?.node.string,
      configFile: layers.entries["ssh.config_file"]?.node.string,
      acceptsNewHostKeys: text("ssh.host_keys") == "accept_new", connectTimeout: duration("ssh.connect_timeout"),
      persist: duration("ssh.persist"))
  }

  private mutating func recovery() -> RecoveryRule {
    RecoveryRule(
      maxAttempts: read("recovery.max_attempts", 1) { ValueReader.integer($0, 1...Int.max) },
      zones: RecoveryRule.Zones(rawValue: text("recovery.zones")) ?? .other)
  }

  private mutating func store() -> Settings.Store {
    Settings.Store(
      path: text("store.path"),
      allowNetworkFileSystem: read("store.allow_network_file_system", false, ValueReader.boolean))
  }

  private mutating func watch() -> Settings.Watch {
    Settings.Watch(
      pollInterval: duration("watch.poll_interval"), eagerPollInterval: duration("watch.eager_poll_interval"),
      observeTimeout: duration("watch.observe_timeout"), launchTimeout: duration("watch.launch_timeout"),
      absenceConfirmation: duration("watch.absence_confirmation"),
      heartbeatTimeout: duration("watch.heartbeat_timeout"),
      heartbeatGiveUp: duration("watch.heartbeat_give_up"), unreachableAfter: duration("watch.unreachable_after"),
      shutdownGrace: duration("watch.shutdown_grace"), terminateRetry: duration("watch.terminate_retry"),
      terminateRetryCap: duration("watch.terminate_retry_cap"), leaseTTL: duration("watch.lease_ttl"),
      shutdownTimeout: duration("watch.shutdown_timeout"),
      minimumFreeMegabytes: read("watch.min_free_mb", 200) { ValueReader.integer($0, 1...Int.max) },
      pingURL: layers.entries["watch.ping_url"]?.node.string, pingInterval: duration("watch.ping_interval"),
      pingAllowsPrivate: read("watch.ping_allow_private", false, ValueReader.boolean))
  }

  private mutating func sync() -> Settings.Sync {
    Settings.Sync(
      interval: duration("sync.interval"), exclude: list("sync.exclude") { ValueReader.text($0, .line) },
      remote: layers.entries["sync.remote"]?.node.string, gdrivePath: text("sync.gdrive_path"),
      rclone: text("sync.rclone"), maximumMegabytes: integer("sync.max_size_mb"),
      inputs: read("sync.inputs", false, ValueReader.boolean), pack: integer("sync.pack"),
      finalLimit: duration("sync.final_limit"))
  }

  /// A number that may be left out.
  private mutating func integer(_ path: String) -> Int? {
    guard layers.entries[path] != nil else { return nil }
    return read(path, 0) { ValueReader.integer($0, 1...Int.max) }
  }

  private mutating func alerts() -> Settings.Alerts {
    var rules: [AlertRule: AlertPolicy.Setting] = [:]
    for rule in ConfigurationSchema.settableRules {
      let path = "alerts.rules.\(rule.rawValue)"
      let standard = AlertPolicy.defaultSetting(rule)
      let channels =
        layers.entries["\(path).channels"] == nil ? nil : list("\(path).channels") { ValueReader.text($0, .name) }
      rules[rule] = AlertPolicy.Setting(
        enabled: read("\(path).enabled", standard.enabled, ValueReader.boolean),
        severity: Alert.Severity(rawValue: text("\(path).severity")) ?? standard.severity, channels: channels)
    }
    let percents = list("alerts.budget_percents") { ValueReader.integer($0, 1...100) }
    return Settings.Alerts(
      rules: rules, costThresholds: Set(list("alerts.cost_thresholds", ValueReader.money)).sorted(),
      budgetPercents: Set(percents + [100]).sorted(),
      priceFactor: read("alerts.price_factor", 1.5) { ValueReader.number($0, 1...Double.greatestFiniteMagnitude) },
      idleAfter: layers.entries["alerts.idle_after"] == nil ? nil : duration("alerts.idle_after"),
      idlePercent: read("alerts.idle_percent", 5) { ValueReader.integer($0, 1...100) },
      stuckAfter: layers.entries["alerts.stuck_after"] == nil ? nil : duration("alerts.stuck_after"),
      spendPerDay: list("alerts.spend_per_day", ValueReader.money).sorted(),
      spendPerMonth: list("alerts.spend_per_month", ValueReader.money).sorted(),
      spendRate: layers.entries["alerts.spend_rate"] == nil
        ? nil : read("alerts.spend_rate", .zero, ValueReader.price),
      overrides: list("alerts.overrides") { .value(Self.override($0)) },
      groupWait: duration("alerts.group_wait"),
      groupBy: list("alerts.group_by") { ValueReader.text($0, .line) },
      digestOver: read("alerts.digest_over", 20) { ValueReader.integer($0, 0...Int.max) },
      repeatAfter: layers.entries["alerts.repeat_after"] == nil ? nil : duration("alerts.repeat_after"),
      quietHours: quietHours(),
      retry: Settings.Alerts.Retry(
        maxTries: read("alerts.retry.max_tries", 1) { ValueReader.integer($0, 1...Int.max) },
        maxAge: duration("alerts.retry.max_age")), templates: templates())
  }

  private func templates() -> Settings.MessageTemplates {
    let written = layers.document["alerts"]?["templates"]
    var templates = Settings.MessageTemplates(all: MessageTexts(written?["all"]))
    for rule in AlertRule.allCases {
      if let node = written?[rule.rawValue] { templates.rules[rule] = MessageTexts(node) }
    }
    return templates
  }

  /// The check has seen that every value fits its key.
  private static func override(_ node: JSONNode) -> AlertPolicy.Override {
    func value<Value>(_ node: JSONNode?, _ reader: (JSONNode) -> Reading<Value>) -> Value? {
      guard let node, case .value(let value) = reader(node) else { return nil }
      return value
    }
    let match = (node["match"]?.members ?? []).map { ($0.key, $0.node.string ?? "") }
    var override = AlertPolicy.Override(match: Dictionary(match) { _, last in last })
    for rule in ConfigurationSchema.settableRules {
      guard let change = node["rules"]?[rule.rawValue] else { continue }
      override.rules[rule] = AlertPolicy.Override.Change(
        enabled: value(change["enabled"], ValueReader.boolean),
        severity: change["severity"]?.string.flatMap(Alert.Severity.init),
        channels: change["channels"]?.items?.compactMap(\.string))
    }
    override.costThresholds = node["cost_thresholds"]?.items?.compactMap { value($0, ValueReader.money) }.sorted()
    override.priceFactor = value(node["price_factor"]) { ValueReader.number($0, 1...Double.greatestFiniteMagnitude) }
    override.idleAfter = value(node["idle_after"], anyDuration)
    override.idlePercent = value(node["idle_percent"]) { ValueReader.integer($0, 1...100) }
    override.stuckAfter = value(node["stuck_after"], anyDuration)
    return override
  }

  private mutating func quietHours() -> [QuietHours] {
    let except = Alert.Severity(rawValue: text("alerts.quiet_except"))
    return list("alerts.quiet_hours") { ValueReader.text($0, .quietHours) }.compactMap { text in
      var hours = QuietHours(text)
      hours?.except = except
      return hours
    }
  }

  // MARK: Notifiers

  private mutating func notifiers() -> [ChannelSettings] {
    var all: [ChannelSettings] = []
    for member in layers.document["notifiers"]?.members ?? [] {
      let type = member.node["type"]?.string
      guard let variant = ConfigurationSchema.notifiers.first(where: { $0.type == type }) else { continue }
      var channel = ChannelBuilder(
        node: member.node, fields: variant.fields, path: Wording.step("notifiers", member.key))
      if let kind = channel.kind(variant.type) {
        all.append(
          ChannelSettings(name: member.key, kind: kind, template: MessageTexts(member.node["template"])))
      }
      for mistake in channel.mistakes.mistakes { mistakes.add(mistake.path, mistake.message, at: mistake.position) }
    }
    return all
  }

  // MARK: Values with a fixed path

  private mutating func read<Value>(
    _ path: String, _ fallback: Value, _ reader: (JSONNode) -> Reading<Value>
  ) -> Value {
    guard let entry = layers.entries[path] else {
      mistakes.add(path, "has no value and no default")
      return fallback
    }
    switch reader(entry.node) {
    case .value(let value): return value
    case .problem(let problem):
      mistakes.add(path, problem, at: entry.node.position)
      return fallback
    }
  }

  private mutating func text(_ path: String) -> String { read(path, "") { ValueReader.text($0, .line) } }

  private mutating func duration(_ path: String) -> Duration { read(path, .zero, Self.anyDuration) }

  private mutating func list<Value>(_ path: String, _ reader: (JSONNode) -> Reading<Value>) -> [Value] {
    let items: [JSONNode] = read(path, []) { node in node.items.map(Reading.value) ?? .problem("must be a list") }
    var values: [Value] = []
    for item in items {
      switch reader(item) {
      case .value(let value): values.append(value)
      case .problem(let problem): mistakes.add(path, problem, at: item.position)
      }
    }
    return values
  }

  /// The range was checked against the schema already.
  static func anyDuration(_ node: JSONNode) -> Reading<Duration> {
    ValueReader.duration(node, .zero ... .seconds(4_000_000_000))
  }
}
