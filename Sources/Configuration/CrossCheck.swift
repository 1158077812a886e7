import JobModel

/// The rules that tie several keys together, which no single value can break alone.
struct CrossCheck {
  let layers: Layers

  func run(_ check: inout SchemaCheck) {
    channels(&check)
    ordered("hardware.min_vcpu", "hardware.max_vcpu", integer, &check)
    ordered("hardware.min_memory_gb", "hardware.max_memory_gb", number, &check)
    ordered("watch.heartbeat_timeout", "watch.heartbeat_give_up", duration, &check)
    ordered("watch.terminate_retry", "watch.terminate_retry_cap", duration, &check)
    ordered("local.heartbeat", "watch.heartbeat_timeout", duration, &check)
    for member in layers.document["notifiers"]?.members ?? [] {
      let path = Wording.step("notifiers", member.key)
      switch member.node["type"]?.string {
      case "email": email(member.node, path, &check)
      case "alertmanager": alertmanager(member.node, path, &check)
      default: break
      }
    }
  }

  /// A channel that no notifier has would lose alerts in silence.
  private func channels(_ check: inout SchemaCheck) {
    for rule in ConfigurationSchema.settableRules {
      let path = "alerts.rules.\(rule.rawValue).channels"
      if let entry = layers.entries[path] { channels(entry.node, place(path), &check) }
    }
    guard let overrides = layers.entries["alerts.overrides"] else { return }
    for (index, override) in (overrides.node.items ?? []).enumerated() {
      let path = "\(place("alerts.overrides"))[\(index)]"
      for member in override["rules"]?.members ?? [] {
        if let node = member.node["channels"] { channels(node, "\(path).rules.\(member.key).channels", &check) }
      }
      matches(override["match"], "\(path).match", &check)
    }
  }

  private func channels(_ list: JSONNode, _ path: String, _ check: inout SchemaCheck) {
    let names = (layers.document["notifiers"]?.members ?? []).map(\.key)
    for (index, item) in (list.items ?? []).enumerated() {
      guard let name = item.string, TextRule.name.problem(name) == nil, !names.contains(name) else { continue }
      let known = names.map(Wording.bare).prefix(20).joined(separator: ", ")
      let remedy =
        names.isEmpty
        ? "none is configured; add it under notifiers"
        : Wording.nearest(to: name, in: names).map { "did you mean \($0)?" } ?? "one of \(known)"
      check.add(
        "\(path)[\(index)]", "\(Wording.quoted(name)) is not the name of a notifier; \(remedy)", at: item.position)
    }
  }

  /// An override that fits every job, or none ever, is a mistake.
  private func matches(_ node: JSONNode?, _ path: String, _ check: inout SchemaCheck) {
    guard let node, let members = node.members else { return }
    if members.isEmpty {
      check.add(path, "names nothing; what holds for every job stands in alerts itself", at: node.position)
    }
    for member in members {
      let isTag = member.key.hasPrefix("tag.") && member.key.count > 4
      guard !isTag, !["job", "name", "provider"].contains(member.key) else { continue }
      check.add(
        "\(path).\(member.key)", "is no label of a job; one of job, name, provider, tag.NAME", at: member.node.position)
    }
  }

  /// The value at `low` must not be greater than the one at `high`.
  private func ordered<Value: Comparable>(
    _ low: String, _ high: String, _ read: (String) -> Value?, _ check: inout SchemaCheck
  ) {
    guard let least = read(low), let most = read(high), least > most, let lower = layers.entries[low],
      let upper = layers.entries[high]
    else { return }
    // The blame goes to the value that somebody wrote.
    if upper.source != .standard {
      check.add(
        place(high), "\(ValueReader.shown(upper.node)) is less than \(low) (\(ValueReader.shown(lower.node)))",
        at: upper.node.position)
    } else {
      check.add(
        place(low),
        "\(ValueReader.shown(lower.node)) is more than \(high) (\(ValueReader.shown(upper.node)), the default)",
        at: lower.node.position)
    }
  }

  private func email(_ node: JSONNode, _ path: String, _ check: inout SchemaCheck) {
    if let username = node["username"], node["password"] == nil {
      check.add("\(path).username", "needs a password; \(ValueReader.secretRemedy)", at: username.position)
    }
    guard let password = node["password"] else { return }
    if node["username"] == nil { check.add("\(path).password", "needs a username", at: password.position) }
    let here = ["localhost", "127.0.0.1", "::1", "[::1]"]
    if node["security"]?.string == "plain", let host = node["host"]?.string, !here.contains(host.lowercased()) {
      check.add(
        "\(path).security", "plain would send the password unencrypted; use starttls or tls",
        at: node["security"]?.position)
    }
  }

  /// What fires would be taken for over before it is told again.
  private func alertmanager(_ node: JSONNode, _ path: String, _ check: inout SchemaCheck) {
    let standard = ConfigurationSchema.notifiers.first { $0.type == "alertmanager" }?.fields["hold"]?.standard
    guard let again = duration("alerts.repeat_after"), let written = node["hold"] ?? standard,
      case .value(let hold) = ValueReader.duration(written, .zero ... .seconds(4_000_000_000)), hold <= again
    else { return }
    check.add(
      "\(path).hold",
      "\(ValueReader.shown(written)) is not longer than alerts.repeat_after (\(ValueReader.text(again)))",
      at: (node["hold"] ?? node).position)
  }

  /// What to call a path in a message: the file's path, or the variable or flag that set it.
  private func place(_ path: String) -> String {
    switch layers.entries[path]?.source {
    case .environment(let name): name
    case .flag(let name): name
    default: path
    }
  }

  private func integer(_ path: String) -> Int? {
    guard let node = layers.entries[path]?.node, case .value(let value) = ValueReader.integer(node, 0...Int.max) else {
      return nil
    }
    return value
  }

  private func number(_ path: String) -> Double? {
    guard let node = layers.entries[path]?.node,
      case .value(let value) = ValueReader.number(node, 0...Double.greatestFiniteMagnitude)
    else { return nil }
    return value
  }

  private func duration(_ path: String) -> Duration? {
    guard let node = layers.entries[path]?.node,
      case .value(let value) = ValueReader.duration(node, .zero ... .seconds(4_000_000_000))
    else { return nil }
    return value
  }
}
