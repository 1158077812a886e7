package import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

package struct ReconcileCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "reconcile", abstract: "Compare what runs in the clouds with what the database knows",
    discussion: """
      Goes on with launches and terminations that were interrupted, if no watcher does, and then looks at every instance with
      the program's tags in the configured regions. What no open job needs is leaked, and is ended. An orphan carries this
      database's name and no job of it; it is only shown, as is what belongs to other databases.

      Examples:
        cloudjobs reconcile --dry-run
        cloudjobs reconcile --terminate i-0123456789abcdef0
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Flag(help: "Only show; end nothing and go on with nothing.")
  var dryRun = false

  @Option(help: ArgumentHelp("End this orphaned instance too; may be repeated.", valueName: "instance"))
  var terminate: [String] = []

  @Option(help: ArgumentHelp("Take the job of this orphaned instance over; may be repeated.", valueName: "instance"))
  var adopt: [String] = []

  @Option(help: ArgumentHelp("How long to wait for what was interrupted.", valueName: "duration"))
  var timeout = "2m"

  package init() {}

  package func validate() throws {
    if DurationText.parse(timeout) == nil {
      throw ValidationError("--timeout takes a duration such as 90s, not '\(timeout)'")
    }
    if dryRun, !terminate.isEmpty || !adopt.isEmpty {
      throw ValidationError("--dry-run excludes --terminate and --adopt")
    }
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openExisting()
    do {
      try await reconcile(context, store)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  private func reconcile(_ context: CommandContext, _ store: any Store) async throws {
    let open =
      dryRun ? [] : try await Fleet.settle(context, store, patience: DurationText.parse(timeout) ?? .seconds(120))
    let reconciler = Reconciler(
      store: store, providers: context.providers(), clock: context.clock, logger: context.logger)
    var report = try await reconciler.run(endsLeaked: !dryRun && context.endsLeaked)
    if !terminate.isEmpty { try await endOrphans(&report, reconciler) }
    if !adopt.isEmpty { try await adoptOrphans(&report, context, store) }
    switch context.format {
    case .json: context.console.out(JSONText.pretty(Fleet.document(report, dryRun: dryRun)))
    case .text: Fleet.show(report, context.console)
    }
    try await Fleet.tell(report, context, store)
    if let failure = report.failures.first {
      throw CommandError(.unavailable, "not everything could be looked at: \(printable(failure))")
    }
    guard open.isEmpty else {
      throw CommandError(
        .tryAgain,
        "not settled within \(timeout): \(open.map(\.rawValue).joined(separator: ", ")). Run it again, or watch")
    }
  }

  private func adoptOrphans(
    _ report: inout Reconciler.Report, _ context: CommandContext, _ store: any Store
  ) async throws {
    for id in adopt {
      guard let index = report.findings.firstIndex(where: { $0.member.instance.id == id }) else {
        throw CommandError(
          .noInput, "no instance \(printable(id)) with the program's tags runs in the configured regions")
      }
      let member = report.findings[index].member
      switch report.findings[index].verdict {
      case .orphan, .foreign: break
      case .known, .launching, .leaked:
        throw CommandError(.usage, "instance \(printable(id)) is no orphan: this database has its job")
      }
      guard let job = member.job else {
        throw CommandError(
          .badData,
          "the tags of instance \(printable(id)) name no job. End it: cloudjobs reconcile --terminate \(printable(id))")
      }
      let taken = try await RememberedJobs.take(into: store, context, bucket: member.bucket, jobs: [job])
      guard !taken.skipped.contains(job) else {
        throw CommandError(
          .usage,
          "job \(job) is in this database already, which is older than instance \(printable(id)); restore a newer copy, or "
            + "end the instance: cloudjobs reconcile --terminate \(printable(id))")
      }
      guard taken.imported.contains(job) else {
        throw CommandError(
          .noInput,
          "nothing is remembered of job \(job) in the bucket \(printable(member.bucket ?? "-")), so it can't be taken over"
        )
      }
      report.findings[index].verdict = .known
    }
  }

  private func endOrphans(_ report: inout Reconciler.Report, _ reconciler: Reconciler) async throws {
    for id in terminate {
      guard let index = report.findings.firstIndex(where: { $0.member.instance.id == id }) else {
        throw CommandError(
          .noInput, "no instance \(printable(id)) with the program's tags runs in the configured regions")
      }
      guard report.findings[index].verdict == .orphan else {
        throw CommandError(
          .usage, "instance \(printable(id)) is no orphan; cloudjobs terminate JOB ends the instance of a job")
      }
      report.findings[index].termination = await reconciler.end(report.findings[index].member, why: "asked for")
    }
  }
}

extension CommandContext {
  /// Whether what no open job needs is ended, or only told.
  var endsLeaked: Bool { settings.aws.string("leaked") != "alert" }
}

/// What commands and the watcher do with a look at the fleet.
enum Fleet {
  /// Goes on with what was interrupted: launches without an answer, and ends that nobody has confirmed. Returns what is open still.
  ///
  /// With a live watcher there is nothing to do but to wait for it.
  static func settle(_ context: CommandContext, _ store: any Store, patience: Duration) async throws -> [JobID] {
    @Sendable func isUnsettled(_ job: Job) -> Bool {
      // What waits for room was refused and is open for long; nothing of it runs.
      job.isOpen && (job.state == .launching && !job.waitsForRoom || job.wish != nil || job.state.isTerminal)
    }
    let waiting = try await store.jobs(JobQuery(openOnly: true)).filter(isUnsettled)
      .filter { CommandContext.reaches($0.provider) }.map(\.id)
    guard !waiting.isEmpty else { return [] }
    context.console.note("Going on with \(counted(waiting.count, "job")) whose launch or end is not confirmed")
    let driver = JobDriver(context: context, store: store) { _ in }
    do {
      _ = try await Interruption.guarding {
        try await driver.drive(waiting, patience: patience) { jobs in !jobs.contains(where: isUnsettled) }
      }
    } catch {
      guard let interruption = error as? Interruption else { throw error }
      throw ExitCode(interruption.code)
    }
    return try await store.jobs(JobQuery(openOnly: true)).filter(isUnsettled).map(\.id).filter(waiting.contains)
  }

  /// Writes the alerts that a report makes, and the ends of those that hold no more.
  static func tell(_ report: Reconciler.Report, _ context: CommandContext, _ store: any Store) async throws {
    try await tell(report, policy: context.settings.alertPolicy, at: context.clock.now(), store)
  }

  static func tell(
    _ report: Reconciler.Report, policy: AlertPolicy, at now: Timestamp, _ store: any Store
  ) async throws(StoreError) {
    let alerts = Reconciler.alerts(
      for: report, firing: try await store.firingAlerts().map(\.alert), policy: policy, at: now)
    if !alerts.isEmpty { try await store.raise(alerts, at: now) }
  }

  static func show(_ report: Reconciler.Report, _ console: Console) {
    guard !report.findings.isEmpty else {
      console.out("No instance with the program's tags runs.")
      return
    }
    for finding in report.findings {
      let member = finding.member
      let instance = member.instance
      var line =
        "\(member.provider)  \(printable(instance.id))  \(printable(instance.type)) in "
        + "\(printable(instance.zone ?? instance.region))  \(member.state.rawValue)  \(words(finding.verdict))"
      if let job = member.job { line += "  job \(job)" }
      switch finding.termination {
      case .accepted: line += "  ✓ its end was ordered"
      case .failed(let message): line += "  ✗ could not be ended: \(printable(message))"
      case nil: break
      }
      console.out(line)
    }
    let known = report.findings.count - report.leaked.count - report.orphans.count - report.foreign.count
    console.note(
      "\(counted(report.findings.count, "instance")): \(known) known, \(report.leaked.count) leaked, "
        + "\(report.orphans.count) orphaned, \(report.foreign.count) of other databases.")
    if !report.orphans.isEmpty {
      console.note("End an orphan: cloudjobs reconcile --terminate INSTANCE")
    }
  }

  private static func words(_ verdict: FleetVerdict) -> String {
    switch verdict {
    case .known: "known"
    case .launching: "being launched"
    case .leaked(let why): "leaked: \(why)"
    case .orphan: "orphan: this database has no such job, or only earlier attempts of it"
    case .foreign(let database): "of another database\(database.map { " (\(printable($0)))" } ?? "")"
    }
  }

  static func document(_ report: Reconciler.Report, dryRun: Bool) -> JSONValue {
    .object([
      "dry_run": .bool(dryRun), "failures": .array(report.failures.map(JSONValue.string)),
      "instances": .array(report.findings.map(document)),
    ])
  }

  private static func document(_ finding: Reconciler.Finding) -> JSONValue {
    let member = finding.member
    let (verdict, why): (String, String?) =
      switch finding.verdict {
      case .known: ("known", nil)
      case .launching: ("launching", nil)
      case .leaked(let why): ("leaked", why)
      case .orphan: ("orphan", nil)
      case .foreign: ("foreign", nil)
      }
    let (isEnded, error): (JSONValue, String?) =
      switch finding.termination {
      case .accepted: (.bool(true), nil)
      case .failed(let message): (.bool(false), message)
      case nil: (.null, nil)
      }
    return .object([
      "provider": .string(member.provider.rawValue), "instance_id": .string(member.instance.id),
      "instance_type": .string(member.instance.type), "region": .string(member.instance.region),
      "zone": .optional(member.instance.zone), "state": .string(member.state.rawValue),
      "job_id": .optional(member.job?.rawValue), "attempt": member.attempt.map { .integer(Int64($0)) } ?? .null,
      "database": .optional(member.database), "launched_at": member.launchedAt.map(JSONValue.time) ?? .null,
      "verdict": .string(verdict), "reason": .optional(why), "end_ordered": isEnded, "error": .optional(error),
    ])
  }
}
