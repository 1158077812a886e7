internal import Foundation
package import ProviderKit
internal import Subprocess

/// One copy of results that a person asked for, followed to its end. The copy itself runs apart, so that it outlives
/// whoever follows it.
package struct SyncRun: Sendable {
  package struct Outcome: Sendable, Hashable {
    package var report: SyncReport?
    package var code: Int32
    /// Whether another copy was under way already and was followed.
    package var hasJoined = false
  }

  /// The command that starts or joins the copy and prints its events.
  private let command: [String]
  private let timeout: Duration

  /// On this machine, in an instance's directory.
  package init(directory: String, isDryRun: Bool, isFinal: Bool, timeout: Duration = .seconds(24 * 3600)) {
    var words = ["sh", directory + "/" + SyncScript.File.script, directory, "--follow"]
    if isDryRun { words.append("--dry-run") }
    if isFinal { words.append("--final") }
    command = words
    self.timeout = timeout
  }

  /// - Parameter onEvent: told of each event as it comes.
  /// - Throws: `SyncError`, or `CancellationError`.
  package func follow(_ onEvent: @escaping @Sendable (SyncEvent) -> Void) async throws -> Outcome {
    let (program, arguments) = (command[0], Array(command.dropFirst()))
    return try await withThrowingTaskGroup(of: Outcome.self) { group in
      group.addTask {
        do {
          return try await Self.follow(program, arguments, onEvent)
        } catch let problem as SubprocessError {
          throw SyncError(.unreachable, "the copy could not be started (\(problem.code))", remedy: "Try again.")
        }
      }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw SyncError(
          .timedOut, "the copy has not ended within \(Int(timeout.components.seconds)) s",
          remedy: "It goes on by itself; ask again to follow it.")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  private static func follow(
    _ program: String, _ arguments: [String], _ onEvent: @escaping @Sendable (SyncEvent) -> Void
  ) async throws -> Outcome {
    let result = try await run(
      .name(program), arguments: Arguments(arguments), input: .none, output: .sequence, error: .discarded
    ) { execution in
      var outcome: Outcome?
      var latest = Outcome(report: nil, code: 74)
      for try await line in execution.standardOutput.strings() {
        guard let event = SyncEvent(line: line) else { continue }
        switch event {
        case .joined: latest.hasJoined = true
        case .end(let report): latest.report = report
        case .exit(let code, _):
          latest.code = code
          outcome = latest
        default: break
        }
        onEvent(event)
      }
      return outcome
    }
    guard let outcome = result.closureResult else {
      throw SyncError(
        .unreachable, "the copy broke off without having said how it ended",
        remedy: "Ask again; nothing is lost by that.")
    }
    return outcome
  }
}
