package import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

package struct RunCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Start a calculation from a folder with its inputs",
    discussion: """
      The job is in the database before anything starts, so it can't get lost. The folder is copied; the calculation
      runs in the copy and goes on when this terminal is closed.

      Examples:
        cloudjobs run my_calculation --command './solve < in > out' --budget 5
        cloudjobs run water --basis-set cc-pVDZ --executable shci --estimated-runtime 2h --dry-run
        cloudjobs run my_calculation --s3-bucket my-bucket --instance-type c5.4xlarge --max-attempts 3
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "The folder with the inputs.", completion: .directory)
  var directory: String

  @Option(
    help: "Where to run it: local or aws. (default: aws if an option for a cloud is given, otherwise local)",
    completion: .list(["local", "aws"]))
  var provider: String?

  @Option(help: "The bucket that the inputs go through. (default: aws.s3_bucket)")
  var s3Bucket: String?

  @Option(help: "The instance type. (default: the best offer of those in config.json)")
  var instanceType: String?

  @Option(help: "The region. (default: the best offer of those in config.json)")
  var region: String?

  @Flag(help: "Choose among the best spot prices of now; where nobody can be asked, take the cheapest per vCPU.")
  var fromSpotPrices = false

  @Option(
    help: ArgumentHelp(
      "Instances that the job may use when they are taken back, one after the other. (default: recovery.max_attempts)",
      valueName: "number"))
  var maxAttempts: Int?

  @Option(help: ArgumentHelp("The job's id; go on with the staging of a run that was interrupted.", valueName: "id"))
  var jobID: String?

  @Option(help: "What to call the job. (default: the folder's name)")
  var name: String?

  @Option(help: "The shell command that is the calculation. (default: sh ./run.sh)")
  var command: String?

  @Option(
    help: ArgumentHelp(
      "An environment variable; NAME alone takes the value that it has here. May be repeated.",
      valueName: "NAME=VALUE"))
  var env: [String] = []

  @Option(help: "The basis set; the calculation finds it in BASIS_SET.")
  var basisSet: String?

  @Option(help: "The program; the calculation finds it in EXECUTABLE.")
  var executable: String?

  @Option(help: ArgumentHelp("What the job may cost; alerts at 50, 80 and 100 %.", valueName: "dollars"))
  var budget: String?

  @Option(help: "At 100 % of the budget: alert or terminate. (default: alert)")
  var budgetAction: BudgetAction?

  @Option(help: ArgumentHelp("Your guess; a launch that would exceed the budget is refused.", valueName: "duration"))
  var estimatedRuntime: String?

  @Option(help: ArgumentHelp("The instance ends itself after this long, watched or not.", valueName: "duration"))
  var maxDuration: String?

  @Option(help: ArgumentHelp("The instance ends itself when it was idle for this long.", valueName: "duration"))
  var idleFor: String?

  @Option(help: ArgumentHelp("Below this much CPU it counts as idle. (default: 5)", valueName: "percent"))
  var idleCPU: Int?

  @Option(
    help: ArgumentHelp("Where the results go: below this path each job has its folder.", valueName: "remote:path"))
  var gdrivePath: String?

  @Option(help: ArgumentHelp("A tag; may be repeated.", valueName: "KEY=VALUE"))
  var tag: [String] = []

  @Flag(help: "Show everything that would be done, and do nothing.")
  var dryRun = false

  @Flag(help: "Stay until the job has ended; the exit code is the calculation's.")
  var wait = false

  package init() {}

  package func validate() throws {
    if let idleCPU, !(1...100_000).contains(idleCPU) {
      throw ValidationError("--idle-cpu takes a percentage above 0, not \(idleCPU)")
    }
    if idleCPU != nil, idleFor == nil { throw ValidationError("--idle-cpu goes with --idle-for DURATION") }
    if let maxAttempts, !(1...100).contains(maxAttempts) {
      throw ValidationError("--max-attempts takes a number from 1 to 100, not \(maxAttempts)")
    }
    if let jobID, JobID(jobID) == nil {
      throw ValidationError("--job-id takes eight letters and digits, not '\(printable(jobID))'")
    }
    if budgetAction != nil, budget == nil { throw ValidationError("--budget-action goes with --budget DOLLARS") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let plan = try await makePlan(context)
    if dryRun { return show(plan, context) }
    let store = try await context.openForWriting()
    do {
      try await start(plan, store, context)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  private func makePlan(_ context: CommandContext) async throws -> RunPlan {
    let wishes = RunPlan.Wishes(
      directory: directory, name: name, command: command, environment: env, inherited: context.environment,
      basisSet: basisSet ?? context.settings.hardware.string("basis_set"),
      executable: executable ?? context.settings.hardware.string("executable"), budget: budget,
      budgetAction: budgetAction?.action ?? .alert,
      estimatedRuntime: estimatedRuntime, maxDuration: maxDuration, idleFor: idleFor, idleCPU: idleCPU ?? 5,
      gdrivePath: gdrivePath, tags: tag)
    let name = ProviderName(matching: provider ?? (namesCloud ? "aws" : "local"))
    guard let provider = context.provider(name) else {
      let known = CommandContext.providerNames.joined(separator: ", ")
      throw CommandError(.usage, "provider '\(printable(name.rawValue))' is not available; one of: \(known)")
    }
    var spec = try RunPlan.spec(wishes, directory: context.absolute(directory))
    try place(&spec, on: name, context)
    if fromSpotPrices { try await choose(&spec, among: provider, context) }
    let budget = try RunPlan.budget(wishes, percents: context.settings.alerts.budgetPercents)
    let quote = try await provider.quote(spec)
    if let budget, let seconds = spec.estimatedRuntimeSeconds,
      let refusal = budget.refusal(price: quote.price, estimatedRuntime: .seconds(seconds), billing: provider.billing)
    {
      throw CommandError(.usage, "not launched: \(refusal). Raise --budget, or shorten --estimated-runtime")
    }
    return RunPlan(spec: spec, budget: budget, provider: name, quote: quote, billing: provider.billing)
  }

  /// Whether something was asked for that only a cloud has.
  private var namesCloud: Bool { s3Bucket != nil || instanceType != nil || region != nil || fromSpotPrices }

  /// Puts the offer that is chosen into the spec.
  private func choose(_ spec: inout JobSpec, among provider: any Provider, _ context: CommandContext) async throws {
    let markets = try MarketQuestion.markets(provider.name.rawValue, among: [provider])
    let place = try await SpotChoice.choose(context, markets: markets, instanceType: instanceType, region: region)
    spec.instanceType = place.type
    spec.region = place.region
    spec.preferredZone = place.zone
  }

  /// What the options for clouds say, and what a cloud needs beside.
  private func place(_ spec: inout JobSpec, on provider: ProviderName, _ context: CommandContext) throws {
    let attempts = maxAttempts ?? context.settings.recovery.maxAttempts
    if attempts > 1 { spec.recovery = RecoveryRule(maxAttempts: attempts, zones: context.settings.recovery.zones) }
    guard provider != .local else {
      if namesCloud {
        throw CommandError(
          .usage,
          "--s3-bucket, --instance-type, --region and --from-spot-prices are for clouds; leave them out, or --provider local"
        )
      }
      return
    }
    spec.instanceType = instanceType
    spec.region = region
    spec.s3Bucket = s3Bucket ?? context.settings.aws.string("s3_bucket")
    guard spec.s3Bucket != nil else {
      throw CommandError(
        .usage, "no bucket is named for the inputs; give --s3-bucket BUCKET, or set aws.s3_bucket in config.json")
    }
    let results = spec.gdrivePath ?? context.settings.sync.remote
    if let results, CommandContext.isLocal(results) {
      throw CommandError(
        .usage,
        "results of a cloud instance can't go to the folder \(printable(results)) of this machine; name an rclone remote in "
          + "sync.remote (docs/google-drive.md), or give --gdrive-path remote:path")
    }
  }

  private func show(_ plan: RunPlan, _ context: CommandContext) {
    switch context.format {
    case .json: context.console.out(JSONText.pretty(plan.document))
    case .text:
      context.console.out(plan.text.joined(separator: "\n"))
      context.console.note("Dry run: nothing was started.")
    }
  }

  private func start(_ plan: RunPlan, _ store: any Store, _ context: CommandContext) async throws {
    let id = try await freeID(store)
    var spec = plan.spec
    spec.gdrivePath = context.resultsFolder(id, wish: spec.gdrivePath)
    if plan.provider != .local {
      // By it the database knows its instances, and a token of this job is no other database's.
      spec.database = try await store.databaseID()
      spec = try await StagingView(context: context).stage(id, spec, provider: plan.provider)
    }
    let now = context.clock.now()
    let job = Job(id: id, provider: plan.provider, spec: spec, budget: plan.budget, createdAt: now)
    let created = Event(
      job: id, attempt: 1, at: now, kind: .created,
      message: "\(plan.spec.name): \(plan.quote.instanceType) in \(plan.quote.region) at \(plan.quote.price.formatted)")
    let console = context.console
    let waits = wait
    let driver = JobDriver(context: context, store: store) { event in
      // Whoever waits for hours wants to look at the job meanwhile, or to end it.
      if waits, event.kind == .created { console.note("Job \(event.job)") }
      console.note(HistoryCommand.line(event, console: console, on: .error))
    }
    let outcome = try await carryOut(job, created, driver)
    guard let last = try await store.job(id) else {
      throw CommandError(.software, "job \(id) is not in the database")
    }
    print(last, context)
    try finish(last, outcome, context)
    if !wait, try await context.liveWatcher(store) == nil {
      console.note("Nobody watches yet. Start the watcher: cloudjobs watch")
      if let reference = InstanceReference(last), last.isOpen,
        let end = (context.provider(last.provider) as? any ChannelLife)?.channelEnd(of: reference)
      {
        console.note(
          "Without a watcher the instance can be spoken to until \(LocalZone.text(end)) at most; after that its limits and "
            + "its copies of results go on all the same.")
      }
    }
  }

  private func freeID(_ store: any Store) async throws -> JobID {
    if let jobID, let id = JobID(jobID) {
      guard try await store.job(id) == nil else {
        throw CommandError(.usage, "there is a job \(id) already. See: cloudjobs status \(id)")
      }
      return id
    }
    var generator = SystemRandomNumberGenerator()
    var id = JobID.random(using: &generator)
    while try await store.job(id) != nil { id = JobID.random(using: &generator) }
    return id
  }

  /// Launches the job and, with `--wait`, stays until it is closed.
  private func carryOut(_ job: Job, _ created: Event, _ driver: JobDriver) async throws -> JobDriver.Outcome {
    let patience = driver.context.settings.watch.launchTimeout
    let waits = wait
    do {
      return try await Interruption.guarding {
        let outcome = try await driver.launch(job, created: created, patience: patience)
        // The results go on being looked after until the instance is gone too.
        if waits { _ = try await driver.drive([job.id], patience: nil) { $0.allSatisfy { !$0.isOpen } } }
        return outcome
      }
    } catch {
      guard let interruption = error as? Interruption else { throw error }
      let isStored = try await driver.store.job(job.id) != nil
      driver.context.console.note(
        isStored
          ? "Interrupted. Job \(job.id) goes on; cloudjobs watch looks after it, cloudjobs terminate \(job.id) ends it."
          : "Interrupted before anything was started.")
      throw ExitCode(interruption.code)
    }
  }

  private func print(_ job: Job, _ context: CommandContext) {
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(JobDocument.job(job, now: context.clock.now(), billing: context.billing(job))))
    case .text: context.console.out(job.id.rawValue)
    }
  }

  private func finish(_ job: Job, _ outcome: JobDriver.Outcome, _ context: CommandContext) throws {
    switch job.state {
    case .failed where wait && job.reason == .exitCode:
      throw ExitCode(Int32(clamping: job.attempt.exitCode ?? 1))
    case .failed where !wait && job.attempt.instance != nil:
      // It was launched, which is all that was asked; that it failed at once is in the lines above.
      break
    case .failed:
      throw CommandError(
        job.attempt.instance == nil ? .unavailable : .failure,
        "job \(job.id) failed: \(job.reason?.phrase ?? ""): \(job.message ?? "")")
    case .launching where outcome == .timedOut:
      throw CommandError(.tryAgain, "job \(job.id) is still being launched; cloudjobs watch goes on with it")
    case .terminated where wait: throw CommandError(.failure, "job \(job.id) was terminated: \(job.message ?? "")")
    default: break
    }
  }
}

enum BudgetAction: String, ExpressibleByArgument, CaseIterable {
  case alert
  case terminate

  var action: Budget.Action {
    switch self {
    case .alert: .alert
    case .terminate: .terminate
    }
  }
}
