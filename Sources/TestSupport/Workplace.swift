package import Foundation
internal import Synchronization

/// A folder with a config.json in which a test drives the built `cloudjobs` as a user does: real processes, real files.
///
/// Everything that was started ends with the body, and the folder goes with it.
package final class Workplace: Sendable {
  /// How long something may take that ends at once: machines that boot behind the stand-in for AWS take a minute.
  package static let patience = Duration.seconds(
    ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_PATIENCE"].flatMap(Int.init) ?? 60)

  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  /// What a command has said, and how it ended.
  package struct Outcome: Sendable, CustomStringConvertible {
    package var command: String
    /// The exit code; 128 and the signal's number if a signal ended it.
    package var code: Int32
    package var output: String
    package var errors: String

    package var description: String { "\(command) -> \(code)\nstdout: \(output)\nstderr: \(errors)" }
  }

  package let folder: String
  private let started = Mutex<[RunningProgram]>([])
  private let names = Mutex(0)

  private init(_ name: String) throws {
    folder =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("cloudjobs-\(UUID().uuidString.prefix(8))").appendingPathComponent(name).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// Makes a workplace, gives it to `body`, and removes it with everything that still runs in it.
  package static func run(
    config: String = Workplace.config(), name: String = "work", _ body: (Workplace) async throws -> Void
  ) async throws {
    try await Turnstile.shared.enter()
    do {
      let place = try Workplace(name)
      do {
        try place.write("config.json", config)
        try await body(place)
      } catch {
        await place.clear()
        throw error
      }
      await place.clear()
    } catch {
      await Turnstile.shared.leave()
      throw error
    }
    await Turnstile.shared.leave()
  }

  /// A configuration in which everything goes fast; `more` is further sections of the JSON object.
  package static func config(price: String = "90", lease: String = "5s", _ more: String...) -> String {
    let sections =
      [
        #""local": {"price_per_hour": "\#(price)", "heartbeat": "0.2s", "grace": "1s"}"#,
        #"""
        "watch": {"poll_interval": "0.2s", "eager_poll_interval": "0.05s", "absence_confirmation": "1s",
                  "lease_ttl": "\#(lease)", "shutdown_timeout": "10s"}
        """#,
      ] + more
    return "{\n" + sections.joined(separator: ",\n") + "\n}\n"
  }

  // MARK: Files

  package func path(_ name: String) -> String { name.hasPrefix("/") ? name : folder + "/" + name }

  package func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
  }

  package func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

  /// A folder with a `run.sh`.
  @discardableResult
  package func calculation(_ name: String, _ script: String) throws -> String {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    try write(name + "/run.sh", script + "\n")
    return name
  }

  /// Everything in the folder, without what SQLite makes and removes as it likes.
  package func files() throws -> Set<String> {
    Set(
      try FileManager.default.subpathsOfDirectory(atPath: folder).filter {
        !$0.hasSuffix("-shm") && !$0.hasSuffix("-wal")
      })
  }

  // MARK: Commands

  /// Runs `cloudjobs` to its end.
  package func cloudjobs(
    _ arguments: String..., input: String? = nil, environment: [String: String] = [:],
    deadline: Duration = Workplace.patience
  ) async throws -> Outcome {
    try await program(Self.executable, arguments, input: input, environment: environment).outcome(within: deadline)
  }

  package func cloudjobs(
    _ arguments: [String], input: String? = nil, environment: [String: String] = [:],
    deadline: Duration = Workplace.patience
  ) async throws -> Outcome {
    try await program(Self.executable, arguments, input: input, environment: environment).outcome(within: deadline)
  }

  /// Starts `cloudjobs` and goes on.
  package func start(_ arguments: String..., environment: [String: String] = [:]) throws -> RunningProgram {
    try program(Self.executable, arguments, environment: environment)
  }

  /// Starts a watcher and returns when it watches.
  package func watch(_ arguments: String..., environment: [String: String] = [:]) async throws -> RunningProgram {
    let watcher = try program(Self.executable, ["watch"] + arguments, environment: environment)
    try await eventually("the watcher watches") { watcher.errors.contains("Watching") }
    return watcher
  }

  /// Runs another program to its end, and throws if it fails.
  @discardableResult
  package func tool(_ words: String..., environment: [String: String] = [:]) async throws -> String {
    let outcome = try await program("/usr/bin/env", words, environment: environment).outcome(within: .seconds(60))
    guard outcome.code == 0 else { throw Failure(description: "\(outcome)") }
    return outcome.output
  }

  /// Starts any program in the folder. It gets nothing of this process's environment but the search path.
  package func program(
    _ path: String, _ arguments: [String], input: String? = nil, environment: [String: String] = [:]
  ) throws -> RunningProgram {
    let number = names.withLock { number in
      number += 1
      return number
    }
    // Beside the folder, so that a test sees only what the program makes.
    let files = (folder as NSString).deletingLastPathComponent + "/\(number)"
    var all = ["PATH": Self.searchPath, "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC"]
    all.merge(environment) { _, new in new }
    let program = try RunningProgram(
      path: path, arguments: arguments, folder: folder, environment: all, input: input, files: files)
    started.withLock { $0.append(program) }
    return program
  }

  /// Starts a job and returns its id.
  package func job(_ arguments: String...) async throws -> String {
    let outcome = try await cloudjobs(["run"] + arguments)
    let id = outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    guard outcome.code == 0, id.count == 8 else { throw Failure(description: "\(outcome)") }
    return id
  }

  /// The JSON that a command prints; `--json` is added.
  package func json(_ arguments: String...) async throws -> Any {
    let outcome = try await cloudjobs(arguments + ["--json"])
    guard outcome.code == 0 else { throw Failure(description: "\(outcome)") }
    return try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
  }

  package func object(_ arguments: String...) async throws -> [String: Any] {
    let outcome = try await cloudjobs(arguments + ["--json"])
    guard outcome.code == 0,
      let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    else { throw Failure(description: "\(outcome)") }
    return object
  }

  package func objects(_ arguments: String...) async throws -> [[String: Any]] {
    let outcome = try await cloudjobs(arguments + ["--json"])
    guard outcome.code == 0,
      let objects = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    else { throw Failure(description: "\(outcome)") }
    return objects
  }

  /// Waits until a job's status is `status`.
  package func reaches(_ id: String, _ status: String, deadline: Duration = Workplace.patience) async throws {
    try await eventually("job \(id) is \(status)", deadline: deadline) {
      try await object("status", id, "--offline")["status"] as? String == status
    }
  }

  // MARK: Leftovers

  /// Processes that run in the folder or were started with it as their home, but were not started by the test itself.
  package func strays() -> [Int32] {
    let own = started.withLock { $0.map(\.processID) }
    return processes().filter { !own.contains($0) }
  }

  private func processes() -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { process in
      // A process that ended meanwhile has neither.
      if let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd"),
        place == folder || place.hasPrefix(folder + "/")
      {
        return true
      }
      guard let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ") else { return false }
      return environment.split(separator: 0).contains { $0.elementsEqual("HOME=\(folder)".utf8) }
    }
  }

  private func clear() async {
    for program in started.withLock({ $0 }) { program.signal(SIGKILL) }
    // Instances outlive what started them, on purpose.
    for _ in 0..<200 {
      let left = processes()
      if left.isEmpty { break }
      for process in left { kill(process, SIGKILL) }
      try? await Task.sleep(for: .milliseconds(20))  // cancelled means hurry
    }
    try? FileManager.default.removeItem(atPath: (folder as NSString).deletingLastPathComponent)
  }

  // MARK: Finding things

  /// `CLOUDJOBS_TEST_PROGRAM`, else the program that was built beside these tests.
  package static let executable: String = {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["CLOUDJOBS_TEST_PROGRAM"], !path.isEmpty { return path }
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    for _ in 0..<4 {
      let candidate = folder.appendingPathComponent("cloudjobs").path
      var isFolder: ObjCBool = false
      if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue {
        return candidate
      }
      folder.deleteLastPathComponent()
    }
    return LoopbackServer.packageRoot.appendingPathComponent(".build/debug/cloudjobs").path
  }()

  package static let searchPath = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"

  /// Whether a program is in the search path.
  package static func has(_ name: String) -> Bool {
    searchPath.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
  }
}

/// Looks again and again until a condition holds, and throws when it does not in time.
package func eventually(
  _ what: String, deadline: Duration = Workplace.patience, _ condition: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + deadline
  while try await !condition() {
    guard ContinuousClock.now < end else { throw Workplace.Failure(description: "not in \(deadline): \(what)") }
    try await Task.sleep(for: .milliseconds(50))
  }
}

/// Lets a few tests at a time start processes, so that none of them waits for a processor for long.
private actor Turnstile {
  static let shared = Turnstile(places: max(2, ProcessInfo.processInfo.activeProcessorCount * 2))

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(places: Int) { free = places }

  func enter() async throws {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func leave() {
    if waiting.isEmpty {
      free += 1
    } else {
      waiting.removeFirst().resume()
    }
  }
}
