internal import Foundation
package import ProviderKit
internal import Subprocess

/// The way to an instance's scripts: on this machine, or through ssh. The same shell script goes either way, on standard
/// input.
package enum InstanceAccess: Sendable, Hashable {
  /// The instance's folder, absolute.
  case here(directory: String)
  case ssh(SSHPlace, SSHSettings)

  package var isHere: Bool {
    switch self {
    case .here: true
    case .ssh: false
    }
  }

  var directory: String {
    switch self {
    case .here(let directory): directory
    case .ssh(let place, _): place.directory
    }
  }

  /// What to call it in a message.
  package var name: String {
    switch self {
    case .here: "this machine"
    case .ssh(let place, _): place.user.map { "\($0)@\(place.host)" } ?? place.host
    }
  }

  /// How the last line of a script looks: without it nobody knows how it ended, whatever ssh's exit code is.
  private static let closing = #"{"ev":"closed","rc":"#

  /// Runs `body` in the instance's folder and hands over its lines as they come.
  ///
  /// - Parameter body: POSIX shell; it must not read standard input, from which it comes itself.
  /// - Returns: the exit code of `body`. 66 if the instance has no such folder.
  /// - Throws: `SyncError`, or `CancellationError`; what was started apart goes on.
  package func shell(
    _ body: String, timeout: Duration, onLine: @escaping @Sendable (String) -> Void
  ) async throws -> Int32 {
    let script = """
      if cd \(quoted(directory)) 2>/dev/null; then
      (
      \(body)
      ) </dev/null
      rc=$?
      else rc=66; fi
      printf '\\n\(Self.closing)%d}\\n' $rc
      exit 0

      """
    let (program, arguments) = try command()
    return try await withThrowingTaskGroup(of: Int32.self) { group in
      group.addTask { try await self.run(program, arguments, script, onLine) }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw SyncError(
          .timedOut, "\(name) has not answered within \(timeout.components.seconds) s",
          remedy: "What was started there goes on by itself; ask again to follow it")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  /// Program and arguments, after everything that they need was made.
  private func command() throws -> (String, [String]) {
    guard case .ssh(let place, let settings) = self else { return ("/bin/sh", ["-s"]) }
    let hosts = settings.stateFolder + "/" + place.alias
    let command = SSHCommand(place: place, settings: settings, knownHosts: hosts)
    guard command.isValid else {
      throw SyncError(
        .notSetUp, "ssh can't be asked for the host '\(place.host)' as user '\(place.user ?? "")'",
        remedy: "See: cloudjobs status JOB")
    }
    guard place.hostKey != nil || settings.hostKeys == .acceptNew else {
      throw SyncError(
        .refused, "the instance has not published its ssh host key yet",
        remedy: "Wait for its next report (cloudjobs status JOB), or set ssh.host_keys to accept_new to trust the first"
      )
    }
    try PrivateFolder.make(settings.stateFolder)
    try PrivateFolder.make(settings.runtimeFolder)
    if let line = command.knownHostsLine { try PrivateFolder.write(line, to: hosts) }
    return (settings.program, command.arguments)
  }

  private func run(
    _ program: String, _ arguments: [String], _ script: String, _ onLine: @escaping @Sendable (String) -> Void
  ) async throws -> Int32 {
    var options = PlatformOptions()
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(1))]
    let input = try openedText(script)
    do {
      let result = try await Subprocess.run(
        executable(program), arguments: Arguments(arguments),
        platformOptions: options, input: .fileDescriptor(input, closeAfterSpawningProcess: true), output: .sequence,
        error: .string(limit: 256 * 1024)
      ) { execution -> (code: Int32?, hasSpoken: Bool) in
        var code: Int32?
        var hasSpoken = false
        for try await line in execution.standardOutput.strings() {
          let text = line.hasSuffix("\n") ? String(line.dropLast()) : line
          if text.hasPrefix(Self.closing) {
            code = Int32(text.dropFirst(Self.closing.count).prefix { $0 != "}" })
          } else if !text.isEmpty {
            hasSpoken = true
            onLine(text)
          }
        }
        return (code, hasSpoken)
      }
      let (code, hasSpoken) = result.closureResult
      if let code { return code }
      try Task.checkCancellation()
      let said = result.standardError
      guard case .ssh = self else {
        throw SyncError(
          .broken, "the copy broke off without having said how it ended", remedy: "Ask again; nothing is lost by that")
      }
      // A connection that was shared may end without a word of ssh.
      let failure = SSHFailure(said: said)
      throw (hasSpoken && failure == .other ? .broken : failure).error(name, said: said)
    } catch let problem as SubprocessError {
      if problem.code == .executableNotFound {
        throw SyncError(
          .notSetUp, "the program \(program) is not installed here", remedy: "apt install openssh-client")
      }
      throw SyncError(.unreachable, "\(program) could not be run (\(problem.code))", remedy: "Try again")
    }
  }
}
