package import ArgumentParser
internal import Foundation

/// The command line. Each subcommand reads its arguments, calls one thing and renders the answer.
package struct CloudJobs: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "cloudjobs",
    abstract: "Run long calculations on cheap spot instances and never lose track of one",
    discussion: """
      Start a calculation, then let one watcher look after all of them:

        cloudjobs run my_calculation --budget 5
        cloudjobs watch

      Jobs are kept in cloud_jobs.db in the working directory; closing the terminal loses nothing.
      """,
    version: Version.text,
    groupedSubcommands: [
      CommandGroup(
        name: "Jobs:",
        subcommands: [
          RunCommand.self, ListCommand.self, StatusCommand.self, TerminateCommand.self,
          WatchCommand.self, ReconcileCommand.self, HistoryCommand.self, LogsCommand.self,
        ]),
      CommandGroup(name: "Prices:", subcommands: [PricesCommand.self]),
      CommandGroup(name: "Results:", subcommands: [ResyncCommand.self, VerifyCommand.self]),
      CommandGroup(name: "Alerts:", subcommands: [NotifyCommand.self]),
      CommandGroup(
        name: "Database:",
        subcommands: [
          CleanupCommand.self, BackupCommand.self, RestoreCommand.self, CheckCommand.self, ImportCommand.self,
        ]),
      CommandGroup(name: "Set-up:", subcommands: [ConfigCommand.self, DoctorCommand.self]),
    ])

  package init() {}

  /// Parses the arguments, runs the command, and exits with the code that its outcome has.
  package static func start() async -> Never {
    do {
      var command = try await asyncParseAsRoot()
      if var asyncCommand = command as? any AsyncParsableCommand {
        try await asyncCommand.run()
      } else {
        try command.run()
      }
      leave(0)
    } catch {
      if let code = error as? ExitCode { leave(code.rawValue) }
      // Usage errors, --help and --version carry their own text and code.
      if Self.exitCode(for: error) != .failure { exit(withError: error) }
      let failure = CommandError(error)
      note(failure.message)
      leave(failure.code.rawValue)
    }
  }

  /// Ends the program. Output that could not be written spoils a success.
  private static func leave(_ code: Int32) -> Never {
    guard let problem = StandardOutput.problem else { end(code) }
    note("standard output could not be written: \(problem)")
    end(code == 0 ? CommandError.Code.io.rawValue : code)
  }

  /// Everything is written and closed. Handlers of `exit` would take apart what threads of libraries still use: OpenSSL
  /// does so while libcurl's and the dispatch queues' may run.
  private static func end(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }

  private static func note(_ message: String) {
    Console.standard(environment: ProcessInfo.processInfo.environment)
      .note(("cloudjobs: " + message).split(separator: "\n").map { printable(String($0)) }.joined(separator: "\n"))
  }
}

enum Version {
  static let text = "0.1.0"
}
