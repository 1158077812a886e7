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
