package import JobModel
import Logging
package import ProviderKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// This machine as a provider: an instance is a session of processes that runs the bootstrap script in a directory
/// of its own. It lives on when whoever started it ends.
///
/// All truth is on disk and in /proc; what the actor remembers only saves reading it again. Whoever is killed between
/// two steps leaves either nothing or an instance that the next `launch`, `find` or `observe` meets.
package actor LocalProvider: Provider, LogProviding, WorkFolderProviding, FileListing, SSHReachable {
  package nonisolated let name = ProviderName.local
  package nonisolated let billing: BillingRule
  package nonisolated let observeLimit = 1000

  let settings: LocalSettings
  let now: @Sendable () -> Timestamp
  let boot = ProcessTable.bootID()
  private nonisolated let executor = QueueExecutor(label: "cloudjobs.local-provider")

  /// Scripts that this process started and has to reap.
  private var children: Set<Int32> = []
  /// What was read of living instances, so that a sweep reads only what changed.
  var remembered: [String: Remembered] = [:]
  /// When instances whose folder is gone were asked to end.
  var ordered: [String: Timestamp] = [:]

  struct Remembered {
    var identity: InstanceDirectory.Identity
    var beaconVersion: Files.Version?
    var beacon: Beacon?
  }

  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package init(settings: LocalSettings, now: @escaping @Sendable () -> Timestamp = LocalProvider.wallClock) {
    self.settings = settings
    self.now = now
    billing = settings.billing
  }

  /// The time of this machine.
  package static let wallClock: @Sendable () -> Timestamp = {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Timestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
  }

  package func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    Quote(instanceType: settings.instanceType, region: settings.region, price: settings.price)
  }

  // MARK: - Launch

  package func launch(_ request: LaunchRequest) async -> LaunchAnswer {
    guard JobID.isPrefix(request.token) else {
      return .refused(.launchError, "'\(request.token)' can not be the name of an instance")
    }
    let directory = InstanceDirectory(root: settings.root, token: request.token)
    do {
      if let launched = try launched(request.token, directory) { return .launched(launched) }
      guard isFolder(request.spec.directory) else {
        return .refused(.launchError, "\(request.spec.directory) is not a folder")
      }
      let sync = settings.sync?.job(request)
      let job = BootstrapJob(
        request: request, inputs: [.folder(request.spec.directory)],
        limits: InstanceLimits(request, price: settings.price, billing: billing),
        heartbeatInterval: settings.heartbeatInterval, noticeInterval: settings.noticeInterval, grace: settings.grace,
        syncInterval: sync == nil ? nil : settings.sync?.interval,
        finalSync: sync == nil ? nil : SyncScript.finalCommand, finalSyncLimit: settings.sync?.finalLimit ?? .zero,
        hostKeyFile: settings.ssh?.hostKeyFile ?? BootstrapJob.standardHostKeyFile,
        skipped: settings.skipped)
      try directory.prepare(
        configuration: job.configuration(), manifest: job.manifest(), price: settings.price,
        sync: sync?.configuration(directory: directory.path))
    } catch let error as ProviderError {
      return .refused(.launchError, error.description)
    } catch {
      return .refused(.launchError, "the instance's directory could not be made: \(error)")
    }
    let script = directory.file(BootstrapScript.File.script)
    var environment = settings.environment
    environment["CLOUDJOBS_TOKEN"] = request.token
    environment[BootstrapScript.markName] = BootstrapScript.mark(token: request.token)
    switch Spawn.session(
      ["/bin/sh", script, directory.path], environment: environment, log: directory.file("bootstrap.log"))
    {
    case .failure(let error) where error.code == EAGAIN || error.code == ENOMEM:
      return .refused(.capacity, "this machine can not start another process: \(error)")
    case .failure(let error):
      return .refused(.launchError, "the bootstrap script could not be started: \(error)")
    case .success(let pid):
      children.insert(pid)
      return await waitForIdentity(request.token, directory, script: pid)
    }
  }

  /// The script names itself within milliseconds; a machine that is very busy takes longer.
  private func waitForIdentity(_ token: String, _ directory: InstanceDirectory, script: Int32) async -> LaunchAnswer {
    let deadline = ContinuousClock.now + settings.launchTimeout
    var pause = Duration.milliseconds(2)
    while true {
      do {
        // Asked before looking: a script that has ended can't write the file after we looked.
        let isOver = reap(script)
        if let launched = try launched(token, directory) { return .launched(launched) }
        if isOver {
          let log = try Files.read(directory.file("bootstrap.log"), limit: 500) ?? []
          return .refused(
            .launchError, "the bootstrap script failed: " + String(decoding: log.prefix(500), as: UTF8.self))
        }
      } catch {
        return .unknown("the instance could not be read: \(error)")
      }
      guard ContinuousClock.now < deadline else {
        return .unknown("the instance did not show itself within \(settings.launchTimeout)")
      }
      do {
        try await Task.sleep(for: pause)
      } catch {
        return .unknown("the launch was interrupted")
      }
      pause = min(pause * 2, .milliseconds(50))
    }
  }

  package func find(_ request: LaunchRequest) async -> FindAnswer {
    guard JobID.isPrefix(request.token) else { return .absent }
    do {
      let directory = InstanceDirectory(root: settings.root, token: request.token)
      if let launched = try launched(request.token, directory) { return .found(launched) }
      // Nobody wrote its name, or somebody removed it; its processes carry it all the same.
      guard let age = orphans(request.token, in: ProcessTable.all()).map(\.age).max() else { return .absent }
      return .found(try launched(request.token, directory, at: now() - age))
    } catch {
      return .unreachable("the instance could not be read: \(error)")
    }
  }

  private func launched(_ token: String, _ directory: InstanceDirectory) throws(FileError) -> Launched? {
    guard let identity = try directory.identity() else { return nil }
    return try launched(token, directory, at: identity.at)
  }

  private func launched(
    _ token: String, _ directory: InstanceDirectory, at moment: Timestamp
  ) throws(FileError) -> Launched {
    let price = try directory.price() ?? settings.price
    let instance = Instance(id: "local-\(token)", type: settings.instanceType, region: settings.region)
    return Launched(instance: instance, price: price, at: moment)
  }

  // MARK: - What people look at

  package nonisolated func logFile(of instance: InstanceReference) -> String {
    InstanceDirectory(root: settings.root, token: instance.token).file(BootstrapScript.File.output)
  }

  package nonisolated func instanceFolder(of instance: InstanceReference) -> String {
    InstanceDirectory(root: settings.root, token: instance.token).path
  }

  package nonisolated func workFolder(of instance: InstanceReference) -> String {
    InstanceDirectory(root: settings.root, token: instance.token).file(BootstrapScript.File.work)
  }

  /// This machine, as an ssh server of its own; nil unless the configuration says that it has one for us.
  package nonisolated func place(of instance: InstanceReference) -> SSHPlace? {
    settings.ssh.map { ssh in
      SSHPlace(
        alias: instance.token, host: ssh.host, port: ssh.port, directory: instanceFolder(of: instance))
    }
  }

  package func inputs(of instance: InstanceReference) async -> FileCount? {
    // The count is for people; if it can't be read there is none.
    try? InstanceDirectory(root: settings.root, token: instance.token).staged()
  }

  // MARK: - Children

  /// Takes the exit codes of scripts that have ended, so that no zombie stays.
  func reapAll() {
    for child in children { _ = reap(child) }
  }

  /// Whether the script is over.
  private func reap(_ child: Int32) -> Bool {
    guard children.contains(child) else { return true }
    var status: Int32 = 0
    let result = waitpid(child, &status, WNOHANG)
    guard result == child || (result < 0 && errno == ECHILD) else { return false }
    children.remove(child)
    return true
  }

  private func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
