package import ArgumentParser

package struct WatchCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Look after all jobs: poll, charge, alert, until stopped",
    discussion: """
      One watcher a database. It may be stopped and started at any time: jobs run on, and it goes on where it was.
      On a terminal it shows a live table; otherwise it writes one log line for each event.
      SIGINT or SIGTERM stop it cleanly, a second SIGINT at once; SIGHUP reads config.json again.

      Examples:
        cloudjobs watch
        cloudjobs watch --until-idle --log-format json 2> watch.log
        cloudjobs watch --once
      """)

  @OptionGroup package var global: GlobalOptions

  @Flag(help: "One sweep over all jobs, then end.")
  var once = false

  @Flag(help: "End when no job is open and no alert is to be sent within the next minute.")
  var untilIdle = false

  @Flag(help: "Write log lines even on a terminal.")
  var plain = false

  @Option(help: "How log lines are written: text or json.")
  var logFormat: LogFormat = .text

  package init() {}

  package func validate() throws {
    if once, untilIdle { throw ValidationError("--once and --until-idle exclude each other") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global)
    try await Watch(context: context, command: self).run()
  }
}

enum LogFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json

  var format: Log.Format {
    switch self {
    case .text: .text
    case .json: .json
    }
  }
}
