internal import ArgumentParser
internal import JobModel
internal import JobStore
internal import Monitor

struct NotifyList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show deliveries of alerts, newest first",
    discussion: """
      Example:
        cloudjobs notify list --state dead
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Only deliveries in this state; may be repeated.")
  var state: [DeliveryStateName] = []

  @OptionGroup var choice: DeliveryChoice

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    try await DeliveryListing.show(state.map(\.state), choice, otherwise: 50, context)
  }
}

/// Deliveries that are on their way.
struct NotifyQueue: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue", abstract: "Show what is still to be delivered, and why it waits",
    discussion: """
      Example:
        cloudjobs notify queue
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @OptionGroup var choice: DeliveryChoice

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    try await DeliveryListing.show([.pending, .waiting], choice, context, ifNone: "Nothing waits.")
  }
}

/// Deliveries that are over, with what the receivers said.
struct NotifyLog: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log", abstract: "Show what was delivered and what was given up, with the receivers' answers",
    discussion: """
      Examples:
        cloudjobs notify log
        cloudjobs notify log --job a1b2
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @OptionGroup var choice: DeliveryChoice

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    try await DeliveryListing.show([.delivered, .dead, .skipped], choice, otherwise: 50, context, withAnswers: true)
  }
}

/// Which deliveries are shown.
struct DeliveryChoice: ParsableArguments {
  @Option(help: "Only deliveries through this channel.")
  var channel: String?

  @Option(help: "Only deliveries about this job.", completion: .custom(JobCompletion.ids))
  var job: String?

  @Option(help: "At most this many; 0 shows all. (default: 50, all of what waits)")
  var limit: Int?

  func validate() throws {
    if let limit, limit < 0 { throw ValidationError("--limit takes 0 or more, not \(limit)") }
  }
}

/// How deliveries are shown.
private enum DeliveryListing {
  /// - Parameter limit: how many are shown if nobody says how many; nil shows all.
  static func show(
    _ states: [Delivery.State], _ choice: DeliveryChoice, otherwise limit: Int? = nil, _ context: CommandContext,
    withAnswers: Bool = false, ifNone: String = "No deliveries match."
  ) async throws {
    let store = try await context.openForReading()
    var query = DeliveryQuery(states: states, channel: choice.channel, limit: limit)
    if let limit = choice.limit { query.limit = limit == 0 ? nil : limit }
    if let job = choice.job { query.job = try await context.resolve(job, in: store).id }
    let deliveries = try await store.deliveries(query)
    await store.close()
    switch context.format {
    case .json: context.console.out(JSONText.pretty(.array(deliveries.map(JobDocument.delivery))))
    case .text:
      if deliveries.isEmpty { return context.console.note(ifNone) }
      for delivery in deliveries { context.console.out(line(delivery, context, withAnswers: withAnswers)) }
    }
  }

  private static func line(_ delivery: Delivery, _ context: CommandContext, withAnswers: Bool) -> String {
    let color: Console.Color =
      switch delivery.state {
      case .pending, .waiting: .yellow
      case .skipped: .dim
      case .delivered: .green
      case .dead: .red
      }
    var line = JobTable.pad(String(delivery.id), 6) + " "
    line += context.console.colored(JobTable.pad(delivery.state.rawValue, 9), color)
    line +=
      " \(JobTable.pad(delivery.channel, 12)) \(LocalZone.text(delivery.createdAt))  \(printable(delivery.alert.title))"
    if withAnswers || (delivery.state != .delivered && delivery.state != .skipped) {
      line +=
        "\n       \(counted(delivery.tries, "try", "tries"))"
        + (delivery.answer.map { ", last answer: \(printable($0))" } ?? "")
      if let held = delivery.held { line += ", kept back by \(printable(held))" }
      if delivery.state == .pending { line += ", next \(LocalZone.text(delivery.nextTryAt))" }
      if delivery.state == .waiting { line += ", waits for the beginning of the same" }
    }
    return line
  }
}
