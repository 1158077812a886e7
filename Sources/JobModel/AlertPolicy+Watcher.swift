/// Alerts that belong to no job: about the watcher itself, and about providers.
extension AlertPolicy {
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

  /// An instance runs that nothing needs, or that no job of this database knows.
  ///
  /// - Parameter ended: what was done about it, in words; nil for nothing.
  package func instanceLeaked(_ member: FleetMember, why: String, done: String?, at now: Timestamp) -> Alert? {
    let setting = setting(.instanceLeaked)
    guard setting.enabled else { return nil }
    let instance = member.instance
    var facts = [
      Alert.Fact(
        "Instance", "\(member.provider) \(instance.type) in \(instance.zone ?? instance.region), \(instance.id)"),
      Alert.Fact("Why", why),
    ]
    if let job = member.job { facts.append(Alert.Fact("Job", "\(job)\(member.name.map { " (\($0))" } ?? "")")) }
    if let launched = member.launchedAt { facts.append(Alert.Fact("Running since", launched.iso8601())) }
    if let done { facts.append(Alert.Fact("Done by itself", done)) }
    return Alert(
      id: "\(Self.leakCondition(member))-\(now.rawValue)", rule: .instanceLeaked, severity: setting.severity, at: now,
      job: member.job, title: "Instance \(instance.id) runs, and no open job needs it", facts: facts,
      nextCommand: done == nil ? "cloudjobs reconcile" : nil, channels: setting.channels ?? channels, status: .firing,
      condition: Self.leakCondition(member),
      labels: [
        "rule": AlertRule.instanceLeaked.rawValue, "severity": setting.severity.rawValue,
        "provider": member.provider.rawValue, "job": member.job?.rawValue ?? "",
      ])
  }

  /// The end of an alert about an instance that is gone, or has found its job.
  package func instanceNotLeaked(_ firing: Alert, at now: Timestamp) -> Alert {
    Alert(
      id: firing.condition + "-resolved", rule: .instanceLeaked, severity: .info, at: now, job: firing.job,
      title: "Over: \(firing.title)", facts: firing.facts.filter { $0.label == "Instance" }, nextCommand: nil,
      channels: [], status: .resolved, condition: firing.condition, labels: firing.labels)
  }

  package static func leakCondition(_ member: FleetMember) -> String {
    "leaked-\(member.provider.rawValue)-\(member.instance.id)"
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
}
