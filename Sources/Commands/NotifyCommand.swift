package import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor
internal import Notifiers

package struct NotifyCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "notify", abstract: "Test the channels of alerts, and see what was delivered",
    discussion: """
      Examples:
        cloudjobs notify test
        cloudjobs notify firing
        cloudjobs notify silence --job a1b2 --for 2h
        cloudjobs notify list --state dead
        cloudjobs notify resend
      """,
    subcommands: [
      NotifyTest.self, NotifyList.self, NotifyQueue.self, NotifyLog.self, NotifyFiring.self, NotifyAck.self,
      NotifySilence.self, NotifySilences.self,
      NotifyUnsilence.self, NotifyExplain.self, NotifyResend.self,
    ])

  package init() {}
}

struct NotifyTest: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Send a test message now, and show what the server said",
    discussion: """
      Examples:
        cloudjobs notify test
        cloudjobs notify test ops
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  @Argument(help: "The channel's name in config.json. (default: every channel)")
  var name: String?

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let clients = Channels.Clients()
    let chosen = await Channels.make(context, only: name, clients: clients) { context.console.note(printable($0)) }
    guard !chosen.isEmpty else {
      let known = context.settings.notifiers.map(\.name).joined(separator: ", ")
      throw CommandError(
        .configuration,
        known.isEmpty
          ? "no notifiers are configured; docs/configuration.md shows how"
          : "there is no notifier '\(printable(name ?? ""))'; one of: \(known)")
    }
    var failures = 0
    var documents: [JSONValue] = []
    for notifier in chosen {
      let (worked, answer) = await Self.send(through: notifier, context)
      if !worked { failures += 1 }
      documents.append(
        .object([
          "channel": .string(notifier.name), "type": .string(notifier.kind), "delivered": .bool(worked),
          "destination": .string(notifier.destination), "answer": .string(answer),
        ]))
      if context.format == .text {
        let mark = worked ? context.console.colored("✓", .green) : context.console.colored("✗", .red)
        context.console.out(
          "\(mark) \(notifier.name) (\(notifier.kind), \(notifier.destination)): \(printable(answer))")
      }
    }
    if context.format == .json { context.console.out(JSONText.pretty(.array(documents))) }
    await clients.shutdown()
    if failures > 0 {
      throw CommandError(.unavailable, "\(failures) of \(chosen.count) channels did not take the test message")
    }
  }

  private static func send(through notifier: any Notifier, _ context: CommandContext) async -> (Bool, String) {
    let now = context.clock.now()
    let alert = Alert(
      id: "test-\(now.rawValue)", rule: .test, severity: .info, at: now, job: nil,
      title: "Test message from cloudjobs on \(context.hostName)",
      facts: [
        Alert.Fact("What", "somebody ran cloudjobs notify test; nothing is wrong"),
        Alert.Fact("Channel", notifier.name), Alert.Fact("Database", context.databasePath),
      ], nextCommand: nil, channels: [notifier.name])
    switch await notifier.deliver(AlertMessage(id: "msg_test-\(now.rawValue)-\(notifier.name)", alert: alert, now: now))
    {
    case .delivered(let answer): return (true, answer)
    case .retry(let answer, _), .permanent(let answer), .unusable(let answer): return (false, answer)
    }
  }
}

struct DeliveryStateName: ExpressibleByArgument {
  let state: Delivery.State

  init?(argument: String) {
    guard let state = Delivery.State(rawValue: argument) else { return nil }
    self.state = state
  }

  static var allValueStrings: [String] { Delivery.State.allCases.map(\.rawValue) }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

struct NotifyResend: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resend", abstract: "Give dead deliveries another life",
    discussion: """
      `cloudjobs watch` sends them. Without numbers all dead deliveries are taken.

      Example:
        cloudjobs notify resend 17 18
      """)

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Numbers of deliveries, from `notify list`.")
  var deliveries: [Int64] = []

  func run() async throws {
    let context = try CommandContext.make(global)
    let store = try await context.openExisting()
    let count = try await store.resend(deliveries.isEmpty ? nil : deliveries, at: context.clock.now())
    let watched = try await context.liveWatcher(store) != nil
    await store.close()
    if count == 0, !deliveries.isEmpty {
      let numbers = deliveries.map { "\($0)" }.joined(separator: ", ")
      throw CommandError(
        .noInput,
        "nothing is sent again: no dead delivery has the number \(numbers). See: cloudjobs notify list --state dead")
    }
    context.console.out("\(counted(count, "delivery", "deliveries")) will be tried again.")
    if count < deliveries.count {
      context.console.note("Only dead deliveries can be sent again; see: cloudjobs notify list --state dead")
    }
    if count > 0, !watched { context.console.note("Nobody sends them yet. Start the watcher: cloudjobs watch") }
  }
}
