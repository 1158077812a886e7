internal import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor

struct NotifyFiring: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "firing", abstract: "Show what is wrong now: alerts whose condition holds",
    discussion: """
      Example:
        cloudjobs notify firing
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let firing = try await store.firingAlerts()
    await store.close()
    switch context.format {
    case .json: context.console.out(JSONText.pretty(.array(firing.map(Self.document))))
    case .text:
      if firing.isEmpty { return context.console.note("Nothing fires.") }
      let now = context.clock.now()
      for one in firing {
        let alert = one.alert
        let color: Console.Color =
          alert.severity == .critical ? .red : alert.severity == .warning ? .yellow : .blue
        var line = context.console.colored(JobTable.pad(alert.severity.rawValue, 9), color)
        line += " \(printable(alert.title)), since \(DurationText.short(max(.zero, now - alert.at)))"
        if let person = one.acknowledgedBy { line += ", acknowledged by \(printable(person))" }
        context.console.out(line + "\n          \(printable(alert.id))")
      }
    }
  }

  private static func document(_ firing: FiringAlert) -> JSONValue {
    let alert = firing.alert
    return .object([
      "alert_id": .string(alert.id), "rule": .string(alert.rule.rawValue), "severity": .string(alert.severity.rawValue),
      "title": .string(alert.title), "job_id": .optional(alert.job?.rawValue), "at": .time(alert.at),
      "channels": .texts(alert.channels), "labels": .object(alert.labels.mapValues(JSONValue.string)),
      "acknowledged_at": .time(firing.acknowledgedAt), "acknowledged_by": .optional(firing.acknowledgedBy),
    ])
  }
}

struct NotifyAck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ack", abstract: "Note that you have seen an alert, so that it is not told again",
    discussion: """
      Its end is told all the same. PagerDuty is told that it is acknowledged; `cloudjobs watch` does that.

      Examples:
        cloudjobs notify ack a1b2c3d4-1-heartbeat_lost-1764000000000
        cloudjobs notify ack --job a1b2
        cloudjobs notify ack --all
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: ArgumentHelp("Ids of alerts, from `notify firing`.", valueName: "alert"))
  var alerts: [String] = []

  @Option(help: "Everything that fires about this job.", completion: .custom(JobCompletion.ids))
  var job: String?

  @Flag(help: "Everything that fires.")
  var all = false

  func validate() throws {
    if alerts.isEmpty, job == nil, !all { throw ValidationError("name alerts, or a --job, or --all") }
  }

  func run() async throws {
    let context = try CommandContext.make(global)
    let store = try await context.openExisting()
    let channels = Set(context.settings.notifiers.filter(\.takesAcknowledgements).map(\.name))
    let count: Int
    do {
      var chosen = alerts
      let id = job == nil ? nil : try await context.resolve(job ?? "", in: store).id
      if all || id != nil {
        chosen += try await store.firingAlerts().filter { all || $0.alert.job == id }.map(\.alert.id)
      }
      count = try await store.acknowledge(
        chosen, by: context.personName, telling: channels, at: context.clock.now())
    } catch {
      await store.close()
      throw error
    }
    await store.close()
    if count == 0, !alerts.isEmpty {
      throw CommandError(.noInput, "none of these alerts fires and waits for somebody. See: cloudjobs notify firing")
    }
    context.console.out("\(counted(count, "alert")) acknowledged.")
  }
}

struct NotifyExplain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Show which channels an alert would reach, and when",
    discussion: """
      Asks the configuration and the silences, and sends nothing.

      Examples:
        cloudjobs notify explain job_failed
        cloudjobs notify explain heartbeat_lost --job a1b2
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @Argument(help: "The rule.", completion: .list(AlertRule.allCases.map(\.rawValue)))
  var rule: String

  @Option(help: "As if it were about this job.", completion: .custom(JobCompletion.ids))
  var job: String?

  func validate() throws {
    let known = ConfigurationSchema.settableRules.map(\.rawValue)
    if !known.contains(rule) {
      throw ValidationError("there is no rule '\(rule)'; one of \(known.joined(separator: ", "))")
    }
  }

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let (about, silences) = try await read(context)
    let policy = context.settings.alertPolicy
    guard let kind = AlertRule(rawValue: rule) else { return }
    let setting = policy.setting(kind)
    let now = context.clock.now()
    let alert = policy.sample(kind, job: about, at: now)
    let hold = context.settings.deliveryRules.hold(alert, silences: silences, at: now) { zone, moment in
      LocalZone.offset(of: zone, at: moment)
    }
    let channels = setting.enabled ? setting.channels ?? policy.channels : []
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "rule": .string(rule), "enabled": .bool(setting.enabled), "severity": .string(setting.severity.rawValue),
            "lasts": .bool(AlertPolicy.lasts(kind)), "channels": .texts(channels),
            "held_by": .optional(hold?.why), "held_until": .time(hold?.until),
            "labels": .object(alert.labels.mapValues(JSONValue.string)),
          ])))
    case .text:
      let console = context.console
      guard setting.enabled else {
        return console.out("\(rule) is switched off (alerts.rules.\(rule).enabled): nobody is told.")
      }
      let life = AlertPolicy.lasts(kind) ? "fires until it is over, and its end is told too" : "is told once"
      console.out("\(rule) is \(setting.severity.rawValue); it \(life).")
      if channels.isEmpty { console.out("No channel carries it: nobody is told.") }
      for name in channels {
        let type = context.settings.notifiers.first { $0.name == name }?.type ?? "not configured"
        let when = hold.map { "kept back by \(printable($0.why)) until \(LocalZone.text($0.until))" } ?? "at once"
        console.out("  \(name) (\(type)): \(when)")
      }
      if let pause = context.settings.alerts.repeatAfter, AlertPolicy.lasts(kind) {
        console.out("It is told again every \(DurationText.short(pause)) until somebody acknowledges it.")
      }
    }
  }

  /// Without a database no job can be meant, and nothing is silenced.
  private func read(_ context: CommandContext) async throws -> (Job?, [Silence]) {
    let store: any Store
    do { store = try await context.openForReading() } catch {
      guard job == nil, (error as? StoreError)?.code == .notFound else { throw error }
      return (nil, [])
    }
    let about = job == nil ? nil : try await context.resolve(job ?? "", in: store)
    let silences = try await store.silences(at: context.clock.now())
    await store.close()
    return (about, silences)
  }
}
