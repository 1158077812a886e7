internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit
internal import ResultSync

/// Everything that `status` shows of a job.
struct StatusReport {
  var job: Job
  var now: Timestamp
  var billing: BillingRule
  /// What the provider said just now; nil if it was not asked.
  var live: Observation?
  var inputs: FileCount?
  var logFile: String?
  /// Where the results lie on this machine.
  var folder: String?
  /// What the remote holds; nil if it was not asked.
  var results: ResultsReport?
  /// Copies of results that are over, newest first.
  var copies: [SyncRecord] = []
  var events: [StoredEvent]
  var undelivered: [Delivery]
  /// The latest messages about the job, whatever has become of them, newest first.
  var alerts: [Delivery] = []
  var watcher: Holder?

  static func make(
    _ job: Job, _ store: any Store, _ context: CommandContext, offline: Bool, detailed: Bool
  ) async throws -> StatusReport {
    var report = StatusReport(
      job: job, now: context.clock.now(), billing: context.billing(job),
      events: detailed ? try await store.events(of: job.id, limit: nil) : [],
      undelivered: try await store.deliveries(DeliveryQuery(states: [.pending, .dead], job: job.id)),
      watcher: try await context.liveWatcher(store))
    if detailed {
      report.copies = try await store.syncs(of: job.id, limit: 20)
      report.alerts = try await store.deliveries(DeliveryQuery(job: job.id, limit: 20))
    }
    try await report.askProvider(context, offline: offline)
    // Jobs of a provider that this version lacks were imported; their folders are another tool's.
    if detailed, !offline, let folder = job.spec.gdrivePath, CommandContext.reaches(job.provider) {
      report.results = try await ResultsReport.look(
        job, RcloneFolder(program: context.settings.sync.rclone, folder: folder, timeout: .seconds(20)),
        live: report.live, now: report.now, interval: context.settings.sync.interval)
    }
    return report
  }

  private mutating func askProvider(_ context: CommandContext, offline: Bool) async throws {
    guard let reference = InstanceReference(job), let provider = context.provider(job.provider) else { return }
    logFile = (provider as? any LogProviding)?.logFile(of: reference)
    folder = (provider as? any WorkFolderProviding)?.workFolder(of: reference)
    inputs = await (provider as? any FileListing)?.inputs(of: reference)
    if !offline, job.isOpen { live = await provider.observe([reference])[reference.token] }
  }

  /// One line an alert, with its rule and what became of it on each channel.
  private var alertLines: [String] {
    var order: [String] = []
    for delivery in alerts where !order.contains(delivery.alert.id) { order.append(delivery.alert.id) }
    let known = Dictionary(grouping: alerts, by: \.alert.id)
    return order.compactMap { known[$0] }.compactMap { deliveries in
      guard let first = deliveries.first else { return nil }
      let channels = deliveries.sorted { $0.channel < $1.channel }.map { "\($0.channel): \($0.state.rawValue)" }
      let alert = first.alert
      return "\(LocalZone.text(first.createdAt))  \(alert.rule.rawValue), \(alert.severity.rawValue), "
        + "\(alert.status.rawValue): \(printable(alert.title)) (\(channels.joined(separator: ", ")))"
    }
  }

  var document: JSONValue {
    guard case .object(var members) = JobDocument.job(job, now: now, billing: billing) else { return .null }
    members["observation"] = live.map { JobDocument.observation($0, at: now) } ?? .null
    members["input_files"] =
      inputs.map { .object(["count": .integer(Int64($0.files)), "bytes": .integer($0.bytes)]) } ?? .null
    members["log_file"] = .optional(logFile)
    members["results"] = folder.map { .object(["folder": .string($0)]) } ?? .null
    members["synced_results"] = results?.document ?? .null
    members["syncs"] = .array(copies.map(JobDocument.copy))
    members["events"] = .array(events.map(JobDocument.event))
    members["undelivered_alerts"] = .array(undelivered.map(JobDocument.delivery))
    members["alerts"] = .array(alerts.map(JobDocument.delivery))
    members["watched"] = .bool(watcher != nil)
    return .object(members)
  }

  func text(_ console: Console) -> [String] {
    var lines = [String(repeating: "=", count: 80), "JOB STATUS: \(job.id)", String(repeating: "=", count: 80)]
    lines.append("Status: " + console.colored(job.state.rawValue.uppercased(), of: job.state))
    if let reason = job.reason {
      lines.append("Reason: \(reason.phrase)" + (job.message.map { " (\(printable($0)))" } ?? ""))
    }
    if job.spec.name != job.id.rawValue { lines.append("Name: \(printable(job.spec.name))") }
    lines.append("Provider: \(job.provider)")
    if let instance = job.attempt.instance {
      lines.append("Instance: \(printable(instance.type)) in \(printable(instance.zone ?? instance.region))")
    }
    lines.append("Created: \(LocalZone.text(job.createdAt))")
    if let started = job.startedAt { lines.append("Started: \(LocalZone.text(started))") }
    if let ended = job.endedAt {
      lines.append("Completed: \(LocalZone.text(ended)) (after \(DurationText.short(job.duration(at: now))))")
    }
    if job.attempt.number > 1 { lines.append("Attempt: \(job.attempt.number)") }
    lines += money
    lines += instanceSection
    lines += fileSections
    if !undelivered.isEmpty {
      lines += ["", "UNDELIVERED ALERTS:", String(repeating: "-", count: 40)]
      lines += undelivered.map {
        "\($0.channel): \(printable($0.alert.title)) (\($0.state.rawValue), \(counted($0.tries, "try", "tries")))"
      }
    }
    if !alerts.isEmpty {
      lines += ["", "ALERTS:", String(repeating: "-", count: 40)]
      lines += alertLines
    }
    if !events.isEmpty {
      lines += ["", "HISTORY:", String(repeating: "-", count: 40)]
      lines += events.map { HistoryCommand.line($0.event, console: console) }
    }
    if job.isOpen, watcher == nil {
      lines += ["", "Nobody watches this job. Start: cloudjobs watch"]
      if let until = channelUntil {
        lines.append(
          until > now
            ? "Without a watcher its instance can be spoken to until \(LocalZone.text(until)) "
              + "(for \(DurationText.short(until - now)))."
            : "The addresses of its instance ended at \(LocalZone.text(until)): without a role (aws.iam_role) it hears no "
              + "orders and reports nothing.")
      }
    }
    return lines
  }

  private var money: [String] {
    var lines = ["Estimated cost: \(job.cost(at: now, rule: billing).formatted(decimals: 4))"]
    if let price = job.attempt.price { lines[0] += " (\(price.formatted))" }
    if let budget = job.budget {
      let spent = job.cost(at: now, rule: billing)
      let percent = budget.limit.units > 0 ? Int((spent.dollars / budget.limit.dollars * 100).rounded(.down)) : 100
      lines.append("Budget: \(budget.limit.formatted()) (\(percent) % spent, then \(budget.action.rawValue))")
    }
    return lines
  }

  private var instanceSection: [String] {
    guard let instance = job.attempt.instance else { return [] }
    var lines = ["", "INSTANCE STATUS:", String(repeating: "-", count: 40)]
    var asOf = job.attempt.seenAt
    switch live {
    case .known(let report):
      lines.append("State: \(report.state.rawValue)")
      if let phase = report.beacon?.phase { lines.append("Phase: \(phase.rawValue)") }
      if let cpu = report.beacon?.cpuPercent { lines.append("CPU: \(cpu) %") }
      asOf = now
    case .absent: lines.append("State: the provider does not know this instance")
    case .unreachable(let message): lines.append("State: unknown, the provider does not answer (\(printable(message)))")
    case nil: lines.append("State: \(job.attempt.instanceState?.rawValue ?? "unknown")")
    }
    lines.append("Instance ID: \(printable(instance.id))")
    if let ip = instance.publicIP { lines.append("Public IP: \(printable(ip))") }
    if let ip = instance.privateIP { lines.append("Private IP: \(printable(ip))") }
    if let heartbeat = liveHeartbeat ?? job.attempt.heartbeatAt, job.isOpen {
      lines.append("Heartbeat: \(DurationText.short(now - heartbeat)) ago")
    }
    if let asOf {
      lines.append(
        "As of: \(LocalZone.text(asOf))" + (asOf == now ? " (now)" : " (\(DurationText.short(now - asOf)) ago)"))
    }
    if let wish = job.wish {
      lines.append(
        "Termination requested \(DurationText.short(now - wish.at)) ago: \(wish.reason.phrase), asked \(counted(wish.tries, "time"))"
      )
    }
    return lines
  }

  private var liveHeartbeat: Timestamp? {
    guard case .known(let report)? = live else { return nil }
    return report.beacon.map { Timestamp(milliseconds: $0.heartbeatAt) }
  }

  /// Until when the instance has addresses for orders and its beacon.
  private var channelUntil: Timestamp? {
    guard case .known(let report)? = live, report.beacon?.phase != .finished else { return nil }
    return report.beacon?.channelUntil.map(Timestamp.init(milliseconds:))
  }

  /// What the instance says itself; without a watcher nobody has written it down.
  private var liveSync: Timestamp? {
    guard case .known(let report)? = live else { return nil }
    return report.beacon?.lastSyncAt.map(Timestamp.init(milliseconds:))
  }

  private var fileSections: [String] {
    var lines: [String] = []
    if let inputs {
      lines += [
        "", "INPUT FILES (\(job.spec.s3InputPath == nil ? job.provider.rawValue : "S3")):",
        String(repeating: "-", count: 40),
      ]
      lines.append("Files: \(inputs.files)")
      lines.append("Total size: \(Self.grouped(inputs.bytes)) bytes")
    }
    if job.spec.gdrivePath != nil || logFile != nil || folder != nil {
      lines += [
        "", job.spec.gdrivePath == nil ? "RESULTS:" : "RESULTS (Google Drive):", String(repeating: "-", count: 40),
      ]
      if let folder { lines.append("Folder: \(printable(folder))") }
      if let logFile { lines.append("Output: \(printable(logFile))") }
      if let path = job.spec.gdrivePath { lines.append("Path: \(printable(path))") }
      if let results { lines += results.text(now: now) }
      lines.append("Last sync: \((liveSync ?? job.attempt.syncedAt).map(LocalZone.text) ?? "never")")
    }
    return lines
  }

  /// `2,456,789`.
  static func grouped(_ number: Int64) -> String {
    var text = ""
    for (index, digit) in String(number.magnitude).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return (number < 0 ? "-" : "") + String(text.reversed())
  }
}
