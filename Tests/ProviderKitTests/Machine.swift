import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

/// A machine of a cloud as far as its scripts see one: a folder for its instance, a bucket and a metadata service, a shell
/// of the test's choice. What would switch it off writes a file.
final class Machine {
  let place: Workplace
  let bucket: LoopbackObjects
  let directory: String
  let shell: String
  let host: HostTraits
  let job: JobID

  static let shells = ["dash", "bash", "busybox"]

  static func run(shell: String = "dash", _ body: (Machine) async throws -> Void) async throws {
    try await Workplace.run { place in
      try await LoopbackObjects.run { bucket in
        try await body(try Machine(place, bucket, shell))
      }
    }
  }

  private init(_ place: Workplace, _ bucket: LoopbackObjects, _ shell: String) throws {
    self.place = place
    self.bucket = bucket
    // Processes are found by it, and tests run side by side.
    var generator = SystemRandomNumberGenerator()
    job = JobID.random(using: &generator)
    directory = place.path("instance")
    try FileManager.default.createDirectory(atPath: place.path("bin"), withIntermediateDirectories: true)
    // busybox is the program that it is called as.
    let program = try #require(
      Workplace.searchPath.split(separator: ":").map { "\($0)/\(shell)" }.first {
        FileManager.default.isExecutableFile(atPath: $0)
      })
    self.shell = place.path("bin/" + (shell == "busybox" ? "ash" : shell))
    try FileManager.default.createSymbolicLink(atPath: self.shell, withDestinationPath: program)
    var host = HostTraits()
    (host.systemd, host.units, host.cron) = (place.path("no-systemd"), place.path("units"), place.path("cron"))
    (host.console, host.shell, host.packageManagers) = (place.path("console"), self.shell, [])
    self.host = host
    try FileManager.default.createDirectory(atPath: host.cron, withIntermediateDirectories: true)
  }

  /// What stands for switching it off.
  var off: String { place.path("off") }
  var powerOff: String { "echo off >>" + quoted(off) }
  var isOff: Bool { exists("off") }

  func path(_ name: String) -> String { directory + "/" + name }
  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: place.path(path)) }
  func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: place.path(path)) ?? Data(), as: UTF8.self)
  }

  func bootstrap(
    _ command: String, attempt: Int = 1, inputs: [BootstrapJob.Input] = [],
    _ edit: (inout BootstrapJob) -> Void = { _ in }
  ) -> BootstrapJob {
    let spec = JobSpec(name: "n", directory: "/d", command: command)
    var bootstrap = BootstrapJob(
      request: LaunchRequest(
        job: job, attempt: attempt, token: "\(job)-\(attempt)", spec: spec, budget: nil, spent: .zero),
      inputs: inputs, limits: InstanceLimits(), heartbeatInterval: .milliseconds(300),
      noticeInterval: .milliseconds(100),
      grace: .milliseconds(500), hostKeyFile: "/nonexistent", inputRetries: 1)
    edit(&bootstrap)
    return bootstrap
  }

  func channel(_ edit: (inout ChannelSettings) -> Void = { _ in }) -> ChannelSettings {
    var settings = ChannelSettings(
      beaconURL: bucket.url("beacon"), controlURL: bucket.url("control"), until: Timestamp(milliseconds: 5000),
      heartbeatInterval: .seconds(1), controlInterval: .seconds(1), noticeInterval: .seconds(1),
      lookInterval: .milliseconds(100), region: "eu-test-1", lastWordsLimit: .seconds(20), powerOff: powerOff,
      powerOffPause: .zero, host: host)
    edit(&settings)
    return settings
  }

  /// Puts the bundle into the bucket and starts the loader, as cloud-init would.
  func boot(
    _ bootstrap: BootstrapJob, _ channel: ChannelSettings, sync: SyncJob? = nil, backstop: Duration? = .seconds(120)
  ) async throws {
    let bundle = try InstanceBundle(bootstrap, channel: channel, sync: sync, directory: directory, host: host).bytes()
    try await bucket.put("bundle", String(decoding: bundle, as: UTF8.self))
    let outcome = try await load(backstop: backstop).outcome()
    #expect(outcome.code == 0, "\(outcome)")
  }

  func load(
    _ url: String? = nil, backstop: Duration? = nil, patience: Duration = .seconds(20),
    environment: [String: String] = [:]
  ) throws -> RunningProgram {
    let loader = LoaderScript(
      directory: directory, bundleURL: url ?? bucket.url("bundle"), backstop: backstop, patience: patience,
      powerOff: powerOff, host: host)
    try place.write("user-data", loader.text())
    return try run([place.path("user-data")], environment: environment)
  }

  /// Starts the shell with these words. The threads of a test block all signals, and what they start would, too; and a
  /// program counts as running for as long as anything that it has started holds its files.
  func run(_ words: [String], environment: [String: String] = [:]) throws -> RunningProgram {
    let start =
      "import signal, subprocess, sys; signal.pthread_sigmask(signal.SIG_SETMASK, []); sys.exit(subprocess.call(sys.argv[1:]))"
    return try place.program(
      "/usr/bin/env", ["python3", "-c", start, shell] + words, environment: environment)
  }

  /// The beacon that is in the bucket.
  func beacon() async throws -> Beacon? {
    guard let object = try await bucket.object("beacon") else { return nil }
    return BeaconReader.parse(
      Array(object.text.utf8), job: job, attempt: 1, modified: Timestamp(milliseconds: object.modified))
  }

  func published(_ what: String, _ condition: (Beacon) -> Bool) async throws {
    var last: Beacon?
    do {
      try await eventually(what, deadline: .seconds(30)) {
        last = try await beacon()
        return last.map(condition) ?? false
      }
    } catch {
      throw ProviderContract.Violation(description: "\(error): \(String(describing: last)) \(log())")
    }
  }

  func switchedOff() async throws {
    do {
      try await eventually("the machine is off", deadline: .seconds(30)) { isOff }
    } catch {
      throw ProviderContract.Violation(description: "\(error): \(log())")
    }
  }

  func log() -> String {
    ["channel.log", "boot.log", "sync.log", "beacon.json"].map { "\n\($0): " + text(path($0)) }.joined()
  }

  /// The pid of a script of the instance, which must be running.
  func pid(_ name: String) throws -> Int32 {
    let first = text(path(name)).split(separator: " ").first.flatMap { Int32($0) }
    return try #require(first)
  }
}

extension Machine {
  /// The files of an instance without the loader.
  func instance(_ channel: ChannelSettings, sync: SyncJob? = nil, _ bootstrap: BootstrapJob? = nil) throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let bundle = try InstanceBundle(
      bootstrap ?? self.bootstrap("true"), channel: channel, sync: sync, directory: directory, host: host)
    for file in bundle.files { try Data(file.bytes).write(to: URL(fileURLWithPath: path(file.name))) }
  }

  @discardableResult
  func startChannel(environment: [String: String] = [:]) throws -> RunningProgram {
    try run([path("channel.sh"), directory], environment: environment)
  }

  /// Starts the script as it is started on a machine; without a job something that only has its name and lives.
  @discardableResult
  func startBootstrap(_ job: BootstrapJob? = nil, environment: [String: String] = [:]) throws -> RunningProgram {
    if let job {
      try Data(job.configuration().utf8).write(to: URL(fileURLWithPath: path("job.conf")))
    } else {
      let words =
        "cd \"$1\"; read -r boot </proc/sys/kernel/random/boot_id; read -r s </proc/$$/stat; set -- ${s##*)}; "
      let rest = "shift 19; echo $$ $1 $boot 1 >identity.new; mv identity.new identity; sleep 100\n"
      try Data((words + rest).utf8).write(to: URL(fileURLWithPath: path("bootstrap.sh")))
    }
    return try run(
      ["-c", "exec setsid \"$0\" \"$1\" \"$2\"", shell, path("bootstrap.sh"), directory], environment: environment)
  }

  /// The shells that run a script of the instance.
  func shells(_ script: String) throws -> [Int32] {
    let name = Data((directory + "/" + script).utf8)
    return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter {
      FileManager.default.contents(atPath: "/proc/\($0)/cmdline")?.range(of: name) != nil
    }
  }

  /// Kills the script and its monitor, and nothing else.
  func killBootstrap() async throws {
    while true {
      let all = try shells("bootstrap.sh")
      guard !all.isEmpty else { return }
      for shell in all { kill(shell, SIGKILL) }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Living processes that carry the instance's mark.
  func marked() throws -> [Int32] {
    let mark = Data("CLOUDJOBS_MARK=\(job)-1;".utf8)
    return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter {
      FileManager.default.contents(atPath: "/proc/\($0)/environ")?.range(of: mark) != nil
        && FileManager.default.contents(atPath: "/proc/\($0)/cmdline")?.isEmpty == false
        && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd"))?.hasPrefix(place.folder)
          == true
    }
  }

  /// Presigned addresses of the bucket in the list of processes, which everybody can read.
  func exposed() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.filter { Int32($0) != nil }.compactMap {
      FileManager.default.contents(atPath: "/proc/\($0)/cmdline").map { String(decoding: $0, as: UTF8.self) }
    }.filter { $0.contains(bucket.server.url("/o/")) }
  }

  func withRclone() throws {
    try #require(Workplace.has("rclone"), "rclone is not installed: Scripts/setup")
  }

  /// A search path with everything of the system but some programs.
  func searchPath(without names: Set<String>) throws -> String {
    let folder = place.path("programs")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for system in ["/usr/bin", "/bin", "/usr/sbin", "/sbin"] {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: system)) ?? [] where !names.contains(name) {
        // The first of two is the one that counts.
        try? FileManager.default.createSymbolicLink(
          atPath: folder + "/" + name, withDestinationPath: system + "/" + name)
      }
    }
    return folder
  }

  /// A configuration of rclone in which `back:` is a folder of this machine.
  var configuration: String { "[back]\ntype = alias\nremote = \(place.path("remote"))\ndescription = \"ü\\b\" 😀\n" }

  /// A folder of this machine as the remote.
  func sync() -> SyncJob { SyncJob(job: job, attempt: 1, remote: place.path("remote/\(job)")) }
}
