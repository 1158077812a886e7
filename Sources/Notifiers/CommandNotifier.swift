import JobModel
import Subprocess
import Transport

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Runs a program for each alert, one at a time. It gets the alert as one line of JSON on its standard input, and its
/// exit code decides: 0 taken, 75 (`EX_TEMPFAIL` of sysexits.h) to be tried again, anything else never.
package actor CommandNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind = "command"
  package nonisolated let destination: String

  private let settings: CommandSettings
  private let turn = SendingTurn()

  /// - Throws: `NotifierSettingsError` if there is no program's name.
  package init(name: String, settings: CommandSettings) throws(NotifierSettingsError) {
    guard let program = settings.words.first, !program.isEmpty, !settings.words.contains(where: { $0.utf8.contains(0) })
    else {
      throw NotifierSettingsError(
        notifier: name, key: "command", message: "it names no program", remedy: #"Write ["PROGRAM", "ARGUMENT"]."#)
    }
    guard settings.timeout > .zero else {
      throw NotifierSettingsError(
        notifier: name, key: "timeout", message: "it is not positive", remedy: "Give seconds, like 30.")
    }
    self.name = name
    self.settings = settings
    destination = Redactor.bounded(Redactor.printable(program), limit: 200)
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    await turn.enter()
    let answer = await run(message)
    await turn.leave()
    return answer
  }

  /// How the program ended, or that its time was up.
  private enum End: Sendable {
    case ended(TerminationStatus, said: String)
    case notStarted(SubprocessError.Code)
    case failed(String)
    case late
  }

  private func run(_ message: AlertMessage) async -> DeliveryAnswer {
    let program = settings.program
    guard !program.contains("/") || access(program, X_OK) == 0 else {
      return .unusable("\(destination) is not there, or is not a program")
    }
    let settings = settings
    let end = await withTaskGroup(of: End.self) { group in
      group.addTask { await Self.end(of: settings, message) }
      group.addTask {
        try? await Task.sleep(for: settings.timeout)
        return .late
      }
      defer { group.cancelAll() }
      return await group.next() ?? .late
    }
    switch end {
    case .ended(.exited(0), let said): return .delivered("exit code 0\(said)")
    case .ended(.exited(75), let said): return .retry("exit code 75\(said)", after: nil)
    case .ended(.exited(let code), let said): return .permanent("exit code \(code)\(said)")
    // Somebody else ended it: that was no decision of the program.
    case .ended(.signaled(let signal), let said): return .retry("ended by signal \(signal)\(said)", after: nil)
    case .late:
      let seconds = settings.timeout.components.seconds
      return .retry("\(destination) was still running after \(seconds) s, and was ended", after: nil)
    case .notStarted(let code) where code == .executableNotFound:
      return .unusable("\(destination) was not found in PATH")
    case .notStarted(let code): return .retry("\(destination) could not be run (\(code))", after: nil)
    case .failed(let text): return .retry(text, after: nil)
    }
  }

  private static func end(of settings: CommandSettings, _ message: AlertMessage) async -> End {
    var options = PlatformOptions()
    // A session of its own, so that the time limit also ends what the program started.
    options.createSession = true
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)]
    var environment = settings.environment
    environment["CLOUDJOBS_MESSAGE_ID"] = WebhookFormat.id(message.id)
    let inherited = Dictionary(
      environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
    var words = settings.words
    words[0] = settings.program
    // Subprocess looks names up in PATH only; the shell takes a path as it is, and no argument through its parser.
    if words[0].contains("/") { words = ["sh", "-c", #"exec "$@""#, "sh"] + words }
    do {
      let input = try openedBytes(CommandFormat.input(message))
      // A file too: whatever the program leaves running may go on writing, and we need not wait for it.
      let errors = try openedBytes([])
      defer { close(errors.rawValue) }
      let result = try await Subprocess.run(
        .name(words[0]), arguments: Arguments(Array(words.dropFirst())), environment: .custom(inherited),
        platformOptions: options, input: .fileDescriptor(input, closeAfterSpawningProcess: true), output: .discarded,
        error: .fileDescriptor(errors, closeAfterSpawningProcess: false))
      let said = Redactor().line(beginning(of: errors), limit: 300)
      return .ended(result.terminationStatus, said: said.isEmpty ? "" : ": \(said)")
    } catch let problem as SubprocessError {
      return .notStarted(problem.code)
    } catch {
      return .failed("the alert could not be given to \(Redactor.printable(settings.program)): \(error)")
    }
  }

  private static func beginning(of file: FileDescriptor) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = (try? file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
    }
  }
}
