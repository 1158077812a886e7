import Dispatch
import Subprocess
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension SecretReference {
  /// The longest secret, in bytes: a private key fits, a film does not.
  package static let maximumBytes = 64 * 1024

  /// Fetches the secret. A trailing newline does not belong to it.
  ///
  /// - Parameters:
  ///   - environment: where variables are looked up, and what a command inherits.
  ///   - timeout: after this long the fetch is given up, and a command is ended with everything it started.
  /// - Throws: `SecretError`, or `CancellationError` when the task is cancelled.
  package func resolve(environment: [String: String], timeout: Duration = .seconds(10)) async throws -> String {
    let text: String
    switch self {
    case .environment(let name):
      guard let value = environment[name] else {
        throw error(.missing, "is not set; set it for this command and for the watcher")
      }
      text = value
    case .file(let path):
      let expanded = Self.expand(path, environment)
      switch await Self.read(expanded, timeout: timeout) {
      case .success(let bytes): text = try decoded(bytes)
      case .failure(.missing): throw error(.missing, "does not exist")
      case .failure(.tooLarge):
        throw error(.tooLong, "is longer than \(Self.maximumBytes) bytes; is it the right file?")
      case .failure(.unreadable(let why)): throw error(.unreadable, why)
      case nil: throw error(.timedOut, "could not be read within \(ValueReader.text(timeout))")
      }
    case .command(let words):
      text = try decoded(try await output(of: words, environment, timeout))
    }
    return try stripped(text)
  }

  /// What can be said without fetching the secret: an unset variable, a missing file, a file that others can read.
  package func problem(environment: [String: String]) -> String? {
    switch self {
    case .environment(let name):
      guard let value = environment[name] else { return "environment variable \(name) is not set" }
      return value.isEmpty ? "environment variable \(name) is empty" : nil
    case .file(let path):
      var status = stat()
      guard stat(Self.expand(path, environment), &status) == 0 else {
        return errno == ENOENT
          ? "file \(Wording.bare(path)) does not exist" : "file \(Wording.bare(path)) can't be looked at"
      }
      if status.st_mode & 0o077 != 0 {
        return "file \(Wording.bare(path)) can be read by others; run: chmod 600 \(Wording.bare(path))"
      }
      return nil
    case .command: return nil
    }
  }

  // MARK: Parts

  private func error(_ code: SecretError.Code, _ message: String) -> SecretError {
    SecretError(code: code, reference: self, message: message)
  }

  private static func expand(_ path: String, _ environment: [String: String]) -> String {
    guard path.hasPrefix("~/"), let home = environment["HOME"], !home.isEmpty else { return path }
    return home + path.dropFirst(1)
  }

  private func decoded(_ bytes: [UInt8]) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw error(.unreadable, "is not UTF-8 text") }
    return text
  }

  private func stripped(_ text: String) throws -> String {
    var rest = text[...]
    if rest.last?.isNewline == true { rest.removeLast() }
    guard !rest.isEmpty else { throw error(.empty, "is empty") }
    guard rest.utf8.count <= Self.maximumBytes else {
      throw error(.tooLong, "is longer than \(Self.maximumBytes) bytes")
    }
    guard !rest.utf8.contains(0) else { throw error(.unreadable, "contains a NUL byte, which no secret does") }
    return String(rest)
  }

  /// Reads on a thread of its own, because a file may lie on a network file system that hangs. Nil after the time-out.
  private static func read(_ path: String, timeout: Duration) async -> Result<[UInt8], FileText.Failure>? {
    let queue = DispatchQueue(label: "cloudjobs.secret")
    return await withCheckedContinuation { continuation in
      let once = Once(continuation)
      queue.async { once.resume(returning: FileText.read(path, limit: maximumBytes)) }
      let seconds = Double(timeout.components.seconds) + Double(timeout.components.attoseconds) / 1e18
      DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { once.resume(returning: nil) }
    }
  }

  private func output(
    of words: [String], _ environment: [String: String], _ timeout: Duration
  ) async throws -> [UInt8] {
    var options = PlatformOptions()
    // A session of its own, so that the time-out also ends what the command started.
    options.createSession = true
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)]
    let inherited = Dictionary(
      environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
    let settings = options
    var words = words
    words[0] = Self.expand(words[0], environment)
    if words[0].contains("/") {
      guard access(words[0], X_OK) == 0 else { throw error(.missing, "is not there, or is not a program") }
      // Subprocess looks names up in PATH only; the shell takes a path as it is, and no argument through its parser.
      words = ["sh", "-c", #"exec "$@""#, "sh"] + words
    }
    let (program, arguments) = (words[0], Array(words.dropFirst()))
    return try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask {
        do {
          let result = try await run(
            .name(program), arguments: Arguments(arguments), environment: .custom(inherited),
            platformOptions: settings, output: .bytes(limit: Self.maximumBytes), error: .discarded)
          guard case .exited(0) = result.terminationStatus else {
            throw self.error(.failed, "failed (\(result.terminationStatus)); run it by hand to see why")
          }
          return result.standardOutput
        } catch let problem as SubprocessError {
          switch problem.code {
          case .executableNotFound: throw self.error(.missing, "was not found in PATH")
          case .outputLimitExceeded:
            throw self.error(.tooLong, "printed more than \(Self.maximumBytes) bytes, which is no secret")
          default: throw self.error(.failed, "could not be run (\(problem.code))")
          }
        }
      }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw self.error(.timedOut, "did not answer within \(ValueReader.text(timeout)); does it wait for an answer?")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }
}

/// A continuation that takes the first answer and ignores the second.
private final class Once<Value: Sendable>: Sendable {
  private let waiting: Mutex<CheckedContinuation<Value, Never>?>

  init(_ continuation: CheckedContinuation<Value, Never>) { waiting = Mutex(continuation) }

  func resume(returning value: Value) {
    let continuation = waiting.withLock { waiting in
      defer { waiting = nil }
      return waiting
    }
    continuation?.resume(returning: value)
  }
}
