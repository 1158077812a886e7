package import ArgumentParser
internal import JobModel
internal import JobStore

package struct HistoryCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Show everything that happened to a job",
    discussion: """
      Examples:
        cloudjobs history a1b2
        cloudjobs history a1b2 --json | jq '.events[] | select(.kind == "cost_threshold")'
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions
  @OptionGroup package var argument: JobArgument

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    let events = try await store.events(of: job.id, limit: nil)
    let deliveries = try await store.deliveries(DeliveryQuery(job: job.id))
    await store.close()
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "job_id": .string(job.id.rawValue), "events": .array(events.map(JobDocument.event)),
            "deliveries": .array(deliveries.map(JobDocument.delivery)),
          ])))
    case .text:
      for stored in events { context.console.out(Self.line(stored.event, console: context.console)) }
      for delivery in deliveries.reversed() {
        context.console.out(
          "\(LocalZone.text(delivery.lastTryAt ?? delivery.createdAt))  alert \(delivery.alert.rule.rawValue) via "
            + "\(delivery.channel): \(delivery.state.rawValue) after \(counted(delivery.tries, "try", "tries"))"
            + (delivery.answer.map { " (\(printable($0)))" } ?? ""))
      }
    }
  }

  static func line(_ event: Event, console: Console, on stream: Console.Stream = .output) -> String {
    let kind = JobTable.pad(event.kind.rawValue, 20)
    let color: Console.Color? =
      switch event.kind {
      case .failed, .launchFailed, .budgetReached, .terminateFailed: .red
      case .completed, .started, .launched: .green
      case .costThreshold, .heartbeatLost, .providerUnreachable, .strayInstance, .launchDelayed: .yellow
      default: nil
      }
    let shown = color.map { console.colored(kind, $0, on: stream) } ?? kind
    let reason = event.reason.map { " [\($0.rawValue)]" } ?? ""
    return "\(LocalZone.text(event.at))  #\(event.attempt)  \(shown) \(printable(event.message))\(reason)"
  }
}
