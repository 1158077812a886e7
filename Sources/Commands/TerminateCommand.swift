package import ArgumentParser
internal import JobModel
internal import JobStore
internal import Monitor

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
  var jobs: [String]

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

  private func terminate(_ context: CommandContext, _ store: any Store) async throws {
    var chosen: [Job] = []
    for prefix in jobs {
      let job = try await context.resolve(prefix, in: store)
      if !chosen.contains(where: { $0.id == job.id }) { chosen.append(job) }
    }
    let console = context.console
    for job in chosen { describe(job, context) }
    let open = chosen.filter(\.isOpen)
    for job in chosen where !job.isOpen {
      console.note("Job \(job.id) is \(job.state.rawValue) and its instance is gone: nothing to terminate.")
    }
    guard !open.isEmpty else { return }
    try refuseUnreachable(open, context)
    if !force {
      guard console.isInputTerminal else {
        throw CommandError(.usage, "terminate asks before it acts, and there is no terminal to ask on. Add --force")
      }
      let question = open.count == 1 ? "this job" : "these \(open.count) jobs"
      guard console.confirm("\nAre you sure you want to terminate \(question)?") else {
        console.note("Nothing was terminated.")
        return
      }
    }
    try await carryOut(open, context, store)
  }

  /// A wish that no provider of this version can carry out is refused before it is stored.
  private func refuseUnreachable(_ open: [Job], _ context: CommandContext) throws {
    guard !forget, let job = open.first(where: { context.provider($0.provider) == nil }) else { return }
    throw CommandError(
      .unavailable,
      "this version can't reach \(job.provider), where job \(job.id) runs. End the instance in the console of "
        + "\(job.provider), then close the job here: cloudjobs terminate \(job.id) --forget")
  }

  private func carryOut(_ open: [Job], _ context: CommandContext, _ store: any Store) async throws {
    let console = context.console
    let ids = open.map(\.id)
    let now = context.clock.now()
    let driver = JobDriver(context: context, store: store) { event in Self.say(event, console) }
    let seen = try await driver.eventIDs(ids)
    if !noFinalSync, !forget, open.contains(where: { $0.spec.gdrivePath != nil }) {
      console.note("Results are not copied to Google Drive by this version; they stay on the instance.")
    }
    for job in open {
      var wish = TerminationWish(reason: .userRequest, message: reason, at: now, finalSync: !noFinalSync)
      if forget {
        wish.isForgotten = true
      } else {
        console.out("Terminating \(job.provider) instance...")
      }
      try await store.file(
        JobRequest(id: "\(context.makeOwner(.command))-\(job.id)", job: job.id, kind: .terminate(wish), at: now))
    }
    let patience = DurationText.parse(timeout) ?? .seconds(300)
    _ = try await driver.drive(ids, patience: patience, seenEvents: seen) { $0.allSatisfy { !$0.isOpen } }
    var left: [JobID] = []
    for id in ids {
      guard let job = try await store.job(id) else { continue }
      if job.isOpen {
        left.append(id)
      } else if job.state == .terminated {
        if !forget, job.attempt.instance?.spotRequestID != nil { console.out("Also cancelled spot instance request") }
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

  private func describe(_ job: Job, _ context: CommandContext) {
    let console = context.console
    console.out("Job \(job.id): \(job.state.rawValue)")
    console.out("Provider: \(job.provider)")
    if let instance = job.attempt.instance {
      console.out("Instance: \(printable(instance.type)) in \(printable(instance.region))")
      console.out("Instance ID: \(printable(instance.id))")
    }
    let cost = job.cost(at: context.clock.now(), rule: context.billing(job))
    console.out("Estimated cost so far: \(cost.formatted(decimals: 4))")
  }

  private static func say(_ event: Event, _ console: Console) {
    switch event.kind {
    case .terminateSent: console.out("✓ Instance termination initiated")
    case .instanceGone: console.out("✓ Instance is gone")
    case .terminateFailed:
      console.note("The provider did not take the order: \(printable(event.message)). Trying again")
    default: break
    }
  }
}
