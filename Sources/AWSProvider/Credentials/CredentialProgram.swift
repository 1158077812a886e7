internal import Foundation
internal import Subprocess

#if canImport(System)
  internal import System
#else
  internal import SystemPackage
#endif

/// Runs programs that print credentials. They go from its standard output into memory; what it says on standard error is
/// thrown away, since nobody promised that it holds no secret.
struct CredentialProgram: Sendable {
  var words: [String]
  var environment: [String: String]
  var timeout: Duration
  /// For messages.
  var place: String
  var remedy: String

  /// The program's output, at most 64 KB.
  func output() async throws(AWSError) -> [UInt8] {
    do {
      return try await race()
    } catch let error as AWSError {
      throw error
    } catch {
      throw AWSError(.cancelled, "\(place) was not waited for")
    }
  }

  private func race() async throws -> [UInt8] {
    try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask { try await start() }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw AWSError(.credentials, "\(place) did not answer within \(timeout.components.seconds) s", remedy: remedy)
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  private func start() async throws -> [UInt8] {
    var options = PlatformOptions()
    // A session of its own, so that the time-out also ends what the program started, and that it can ask no terminal.
    options.createSession = true
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)]
    let variables = Dictionary(
      environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
    let program: Executable = words[0].contains("/") ? .path(FilePath(words[0])) : .name(words[0])
    do {
      let result = try await run(
        program, arguments: Arguments(Array(words.dropFirst())), environment: .custom(variables),
        platformOptions: options, output: .bytes(limit: 64 * 1024), error: .discarded)
      guard case .exited(0) = result.terminationStatus else {
        throw AWSError(.credentials, "\(place) failed (\(result.terminationStatus))", remedy: remedy)
      }
      return result.standardOutput
    } catch let problem as SubprocessError {
      switch problem.code {
      case .executableNotFound:
        throw AWSError(
          .credentials, "\(place) needs the program \(words[0]), which was not found", remedy: remedy)
      case .outputLimitExceeded:
        throw AWSError(.credentials, "\(place) printed too much for credentials", remedy: remedy)
      default: throw AWSError(.credentials, "\(place) could not be run", remedy: remedy)
      }
    }
  }
}
