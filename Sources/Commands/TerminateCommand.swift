package import ArgumentParser
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit
internal import ResultSync

package struct TerminateCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "terminate", abstract: "End jobs and their instances",
    discussion: """
      The wish is stored before anything is done, and `cloudjobs watch` repeats it until the instance is gone.

      Examples:
        cloudjobs terminate a1b2
        cloudjobs terminate a1b2 c3d4 --force --reason "Cost optimization"
      """)

  @OptionGroup package var global: GlobalOptions

  @Argument(
    help: ArgumentHelp("The jobs' ids, or unique beginnings of them.", valueName: "job"),
    completion: .custom(JobCompletion.ids))
  var jobs: [String] = []

  @Flag(help: "End every instance of this program that no open job needs.")
  var allLeaked = false

  @Flag(name: .shortAndLong, help: "Ask nothing.")
  var force = false

  @Flag(help: "Don't sync the results once more.")
  var noFinalSync = false

  @Flag(help: "Ask no provider; you vouch that the instance is gone. For clouds that this version can't reach.")
  var forget = false

  @Option(help: "Why, for the history.")
  var reason: String?

  @Option(help: ArgumentHelp("How long to wait for the confirmation.", valueName: "duration"))
  var timeout = "5m"

  package init() {}

  package func validate() throws {
    if jobs.isEmpty != allLeaked {
      throw ValidationError(allLeaked ? "--all-leaked takes no jobs" : "name the jobs to end, or give --all-leaked")
    }
    if DurationText.parse(timeout) == nil {
      throw ValidationError("--timeout takes a duration such as 90s, not '\(timeout)'")
    }
  }

  package func run() async throws {
    let context = try CommandContext.make(global)
    let store = try await context.openExisting()
    do {
      try await terminate(context, store)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  /// Ends what reconcile finds leaked.
  private func terminateLeaked(_ context: CommandContext, _ store: any Store) async throws {
    let reconciler = Reconciler(
      store: store, providers: context.providers(), clock: context.clock, logger: context.logger)
    var report = try await reconciler.run(endsLeaked: false)
    report.findings = report.leaked
    guard !report.findings.isEmpty else {
      if let failure = report.failures.first { throw CommandError(.unavailable, printable(failure)) }
      context.console.note("No instance is leaked.")
      return
    }
    if !force {
      Fleet.show(report, context.console)
      guard context.console.canAsk else {
        throw CommandError(.usage, "terminate asks before it acts, and there is no terminal to ask on. Add --force")
      }
      guard context.console.confirm("\nAre you sure you want to end \(counted(report.findings.count, "instance"))?")
      else {
        context.console.note("Nothing was terminated.")
        return
      }
    }
    for index in report.findings.indices {
      report.findings[index].termination = await reconciler.end(report.findings[index].member, why: "--all-leaked")
    }
    Fleet.show(report, context.console)
    guard report.failures.isEmpty, report.findings.allSatisfy({ $0.termination == .accepted }) else {
      throw CommandError(.unavailable, "not every leaked instance could be ended; see above, and try again")
    }
  }

  private func terminate(_ context: CommandContext, _ store: any Store) async throws {
    if allLeaked { return try await terminateLeaked(context, store) }
    var chosen: [Job] = []
    for prefix in jobs {
      let job = try await context.resolve(prefix, in: store)
      if !chosen.contains(where: { $0.id == job.id }) { chosen.append(job) }
    }
    let console = context.console
    // The words for one job are those of the Python tool; of several, each line says which one it means.
    let isOneOfMany = chosen.count > 1
    for job in chosen { describe(job, context, inOneLine: isOneOfMany) }
    let open = chosen.filter(\.isOpen)
    for job in chosen where !job.isOpen {
      console.note("Job \(job.id) is \(job.state.rawValue) and its instance is gone: nothing to terminate.")
    }
    guard !open.isEmpty else { return }
    try refuseUnreachable(open)
    if forget { try await refuseLiving(open, context) }
    if !force {
      guard console.canAsk else {
        throw CommandError(.usage, "terminate asks before it acts, and there is no terminal to ask on. Add --force")
      }
      let question = open.count == 1 ? "this job" : "these \(open.count) jobs"
      guard console.confirm("\nAre you sure you want to terminate \(question)?") else {
        console.note("Nothing was terminated.")
        return
      }
    }
    try await carryOut(open, isOneOfMany: isOneOfMany, context, store)
  }

  /// A wish that no provider of this version can carry out is refused before it is stored.
  private func refuseUnreachable(_ open: [Job]) throws {
    guard !forget, let job = open.first(where: { !CommandContext.reaches($0.provider) }) else { return }
    throw CommandError(
      .unavailable,
      "this version can't reach \(job.provider), where job \(job.id) runs. End the instance in the console of "
        + "\(job.provider), then close the job here: cloudjobs terminate \(job.id) --forget")
  }

  /// Nobody can vouch for the end of an instance of which its provider says that it lives: it would run on, unseen.
  private func refuseLiving(_ open: [Job], _ context: CommandContext) async throws {
    for job in open {
      guard let provider = context.provider(job.provider), let reference = await Self.instance(of: job, provider) else {
        continue
      }
      let answers = await provider.observe([reference])
      guard case .known(let report)? = answers[reference.token], report.state != .terminated else { continue }
      throw CommandError(
        .usage,
        "instance \(printable(reference.instance.id)) of job \(job.id) is \(report.state.rawValue), so it can't be "
          + "forgotten. End it: cloudjobs terminate \(job.id)")
    }
  }

  /// The instance that was named, or that a launch without an answer has made.
  private static func instance(of job: Job, _ provider: any Provider) async -> InstanceReference? {
    if let reference = InstanceReference(job) { return reference }
    guard case .found(let launched) = await provider.find(LaunchRequest(job)) else { return nil }
    return InstanceReference(
      job: job.id, attempt: job.attempt.number, token: job.attempt.token, instance: launched.instance)
  }

  private func carryOut(
    _ open: [Job], isOneOfMany: Bool, _ context: CommandContext, _ store: any Store
  ) async throws {
    let console = context.console
    let ids = open.map(\.id)
    let now = context.clock.now()
    let driver = JobDriver(context: context, store: store) { event in
      Self.say(event, console, prefix: isOneOfMany ? "Job \(event.job): " : "")
    }
    try await driver.skipHistory(of: ids)
    for job in open {
      if syncsLast(job) {
        console.out((isOneOfMany ? "Job \(job.id): " : "") + "Attempting final sync before termination...")
      }
      var wish = TerminationWish(reason: .userRequest, message: reason, at: now, finalSync: !noFinalSync)
      if forget {
        wish.isForgotten = true
      } else {
        console.out((isOneOfMany ? "Job \(job.id): " : "") + "Terminating \(job.provider) instance...")
      }
      try await store.file(
        JobRequest(id: "\(context.makeOwner(.command))-\(job.id)", job: job.id, kind: .terminate(wish), at: now))
    }
    let patience = DurationText.parse(timeout) ?? .seconds(300)
    do {
      _ = try await Interruption.guarding {
        try await driver.drive(ids, patience: patience) { $0.allSatisfy { !$0.isOpen } }
      }
    } catch {
      guard let interruption = error as? Interruption else { throw error }
      console.note("Interrupted. The wish is stored, and cloudjobs watch goes on with it.")
      throw ExitCode(interruption.code)
    }
    var left: [JobID] = []
    for id in ids {
      guard let job = try await store.job(id) else { continue }
      if job.isOpen {
        left.append(id)
        continue
      }
      if syncsLast(job) { tellFinalSync(of: job, since: now, prefix: isOneOfMany ? "Job \(id): " : "", console) }
      if job.state == .terminated {
        if !forget, job.attempt.instance?.spotRequestID != nil {
          console.out((isOneOfMany ? "Job \(id): " : "") + "Also cancelled spot instance request")
        }
        console.out("Job \(id) marked as terminated in database")
      } else {
        console.out("Job \(id) had \(job.state.rawValue) before it was terminated; its instance is gone")
      }
    }
    guard left.isEmpty else {
      throw CommandError(
        .tryAgain,
        "not confirmed as ended within \(timeout): \(left.map(\.rawValue).joined(separator: ", ")). "
          + "The wish is stored, and cloudjobs watch goes on trying")
    }
  }

  /// Whether the instance copies the results once more before it ends.
  private func syncsLast(_ job: Job) -> Bool {
    !noFinalSync && !forget && job.spec.gdrivePath != nil && job.attempt.instance != nil
  }

  private func tellFinalSync(of job: Job, since wish: Timestamp, prefix: String, _ console: Console) {
    // The time of a copy is that of its beginning, so one that began before the wish is an earlier one.
    if let syncedAt = job.attempt.syncedAt, syncedAt >= wish {
      let what = job.attempt.sync.flatMap { sync in
        sync.files.map { ": \(counted($0, "file")), \(ByteText.short(sync.bytes ?? 0))" }
      }
      console.out(prefix + "✓ Final sync completed" + (what ?? ""))
      if job.attempt.sync?.result == .incomplete {
        console.note(prefix + "Not everything could be read: \(printable(job.attempt.sync?.message ?? "-"))")
      }
    } else {
      var why = job.attempt.sync.flatMap { $0.startedAt >= wish.rawValue ? $0.trouble?.phrase : nil } ?? ""
      if let message = job.attempt.sync?.message, !why.isEmpty { why += " (\(printable(message)))" }
      console.out(prefix + "✗ Final sync not completed" + (why.isEmpty ? "" : ": \(why)"))
      console.note(
        prefix
          + (job.attempt.syncedAt.map { "Saved is what was written until \(LocalZone.text($0))." }
            ?? "Nothing was saved before."))
      console.note(
        prefix + "See what is on the remote: cloudjobs status \(job.id) --detailed; "
          + "copy what the instance left: cloudjobs resync \(job.id) --force")
    }
  }

  private func describe(_ job: Job, _ context: CommandContext, inOneLine: Bool) {
    var lines = ["Job \(job.id): \(job.state.rawValue)", "Provider: \(job.provider)"]
    if let instance = job.attempt.instance {
      lines.append("Instance: \(printable(instance.type)) in \(printable(instance.region))")
      lines.append("Instance ID: \(printable(instance.id))")
    }
    let cost = job.cost(at: context.clock.now(), rule: context.billing(job))
    lines.append("Estimated cost so far: \(cost.formatted(decimals: 4))")
    context.console.out(lines.joined(separator: inOneLine ? "; " : "\n"))
  }

  private static func say(_ event: Event, _ console: Console, prefix: String) {
    switch event.kind {
    case .terminateSent: console.out(prefix + "✓ Instance termination initiated")
    case .instanceGone: console.out(prefix + "✓ Instance is gone")
    case .terminateFailed:
      console.note(prefix + "The provider did not take the order: \(printable(event.message)). Trying again")
    default: break
    }
  }
}
