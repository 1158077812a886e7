import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport

/// A folder of inputs, a root for instances, a provider with short intervals; all gone at the end of a test.
final class Ground: Sendable {
  let folder: String
  let settings: LocalSettings
  let provider: LocalProvider

  var inputs: String { folder + "/in" }
  var root: String { folder + "/instances" }

  init(
    grace: Duration = .milliseconds(400), price: HourlyPrice = HourlyPrice(microdollars: 36_000_000),
    name: String = "ground"
  ) throws {
    folder = NSTemporaryDirectory() + "cloudjobs-\(name)-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
    try Data("H 0 0 0\n".utf8).write(to: URL(fileURLWithPath: folder + "/in/molecule.xyz"))
    settings = LocalSettings(
      root: folder + "/instances", price: price, grace: grace, heartbeatInterval: .milliseconds(150),
      noticeInterval: .milliseconds(50),
      environment: LocalSettings.environment(from: ProcessInfo.processInfo.environment))
    provider = LocalProvider(settings: settings)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  var world: ProviderContract.World {
    ProviderContract.World(provider: provider) { self.request($0) }
  }

  func request(
    _ command: String, environment: [String: String] = [:], change: (inout JobSpec) -> Void = { _ in },
    budget: Budget? = nil, spent: Money = .zero
  ) -> LaunchRequest {
    var generator = SystemRandomNumberGenerator()
    let job = JobID.random(using: &generator)
    var spec = JobSpec(name: "test", directory: inputs, command: command, environment: environment)
    change(&spec)
    return LaunchRequest(
      job: job, attempt: 1, token: Attempt.token(job: job, number: 1), spec: spec, budget: budget, spent: spent)
  }

  func launch(_ request: LaunchRequest) async throws -> InstanceReference {
    ProviderContract.reference(request, try await ProviderContract.launch(request, world))
  }

  func observe(_ reference: InstanceReference) async -> Observation? {
    await provider.observe([reference])[reference.token]
  }

  /// Observes until the condition holds.
  @discardableResult
  func until(
    _ reference: InstanceReference, patience: Duration = .seconds(60), _ condition: (Observation.Report) -> Bool
  ) async throws -> Observation.Report {
    let deadline = ContinuousClock.now + patience
    var last: Observation?
    while ContinuousClock.now < deadline {
      last = await observe(reference)
      if case .known(let report) = last, condition(report) { return report }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw ProviderContract.Violation(description: "it never came: \(String(describing: last))")
  }

  func gone(_ reference: InstanceReference) async throws -> Observation.Report {
    try await until(reference) { $0.state == .terminated }
  }

  func running(_ reference: InstanceReference) async throws {
    try await until(reference) { $0.beacon?.phase == .running }
  }

  /// Waits until the calculation runs and the script's monitor, which begins a moment later, has written a beacon.
  func monitored(_ reference: InstanceReference) async throws {
    let first = try await until(reference) { $0.beacon?.phase == .running }.beacon?.heartbeatAt ?? 0
    try await until(reference) { $0.beacon?.heartbeatAt ?? 0 > first }
  }

  /// Runs a command to its end.
  func run(_ request: LaunchRequest) async throws -> (report: Observation.Report, output: String) {
    let reference = try await launch(request)
    return (try await gone(reference), output(reference))
  }

  func output(_ reference: InstanceReference) -> String {
    text(provider.logFile(of: reference))
  }

  func path(_ reference: InstanceReference, _ name: String) -> String { root + "/" + reference.token + "/" + name }

  func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  func write(_ path: String, _ bytes: some Sequence<UInt8>) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The pid of the bootstrap script.
  func leader(_ reference: InstanceReference) throws -> Int32 {
    guard let word = text(path(reference, "identity")).split(separator: " ").first, let pid = Int32(word) else {
      throw ProviderContract.Violation(description: "no identity")
    }
    return pid
  }

  /// Starts the script without the provider, in a shell of the test's choice, as the leader of its own session.
  func start(
    _ request: LaunchRequest, shell: String = "/bin/sh", inputs: [BootstrapJob.Input]? = nil,
    change: (inout BootstrapJob) -> Void = { _ in }
  ) async throws -> InstanceReference {
    let directory = root + "/" + request.token
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    var job = BootstrapJob(
      request: request, inputs: inputs ?? [.folder(request.spec.directory)], limits: InstanceLimits(),
      heartbeatInterval: settings.heartbeatInterval, noticeInterval: settings.noticeInterval, grace: settings.grace,
      inputRetries: 0)
    change(&job)
    try write(directory + "/job.conf", job.configuration().utf8)
    try write(directory + "/inputs", job.manifest().utf8)
    try write(directory + "/bootstrap.sh", BootstrapScript.text)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // The threads of a test block all signals, and bash, unlike dash, leaves it at that.
    let start =
      "import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, []); os.fork() and os._exit(0); os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
    process.arguments = ["python3", "-c", start, shell, directory + "/bootstrap.sh", directory]
    process.environment = settings.environment.merging([
      BootstrapScript.markName: BootstrapScript.mark(token: request.token)
    ]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    let instance = Instance(id: "local-" + request.token, type: "local", region: "localhost")
    let reference = ProviderContract.reference(
      request, Launched(instance: instance, price: .zero, at: Timestamp(seconds: 0)))
    try await found(path(reference, "identity"), "\n")
    return reference
  }

  /// Waits until the calculation has printed something that the test looks for.
  func printed(_ reference: InstanceReference, _ text: String) async throws {
    try await found(provider.logFile(of: reference), text)
  }

  /// Waits until something stands in a file.
  func found(_ path: String, _ words: String) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !text(path).contains(words) {
      guard ContinuousClock.now < deadline else {
        throw ProviderContract.Violation(description: "'\(words)' never stood in \(path): \(text(path))")
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  /// Waits until no process of the instance is left. Nobody asks the provider, which might end some of them.
  func over(_ reference: InstanceReference) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try !marked(reference).isEmpty {
      guard ContinuousClock.now < deadline else {
        throw ProviderContract.Violation(description: "still there: \(try marked(reference))")
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// Kills the script and its monitor, and nothing else.
  func killScript(_ reference: InstanceReference) async throws {
    let script = Data("/\(reference.token)/bootstrap.sh".utf8)
    while true {
      let shells = try marked(reference).filter {
        FileManager.default.contents(atPath: "/proc/\($0)/cmdline")?.range(of: script) != nil
      }
      guard !shells.isEmpty else { return }
      for shell in shells { kill(shell, SIGKILL) }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Living processes that belong to the instance by their mark.
  func marked(_ reference: InstanceReference) throws -> [Int32] {
    let mark = Data("CLOUDJOBS_MARK=\(reference.token);".utf8)
    return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
      guard let pid = Int32(name), let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ"),
        environment.range(of: mark) != nil
      else { return nil }
      return pid
    }
  }
}
