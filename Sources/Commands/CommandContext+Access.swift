internal import ArgumentParser
internal import Configuration
internal import Foundation
internal import JobModel
internal import ProviderKit
internal import ResultSync

/// How the scripts of a job's instance are reached.
enum AccessMethod: String, ExpressibleByArgument, CaseIterable, Sendable {
  case ssh
  case local
}

extension CommandContext {
  /// The way to a job's instance. Without a `method` it is ssh, unless the instance is on this machine.
  ///
  /// - Throws: `CommandError` that names what is missing, and the remedy.
  func access(to job: Job, by method: AccessMethod?) async throws -> InstanceAccess {
    guard let reference = InstanceReference(job) else {
      throw CommandError(.noInput, "job \(job.id) has no instance (it is \(job.state.rawValue)), so it has no results")
    }
    guard let provider = provider(job.provider) else {
      throw CommandError(
        .unavailable,
        "this version can't reach \(job.provider), where job \(job.id) runs. A copy of its results on this machine can "
          + "be brought home: cloudjobs resync \(job.id) --method local --from FOLDER")
    }
    if method != .local, var place = (provider as? any SSHReachable)?.place(of: reference) {
      place.hostKey = job.attempt.hostKey
      // Without a watcher nobody has read it yet.
      if place.hostKey == nil, case .known(let report)? = await provider.observe([reference])[reference.token] {
        place.hostKey = report.beacon?.hostKey.flatMap(HostKey.init)
      }
      place.user = place.user ?? sshUser(job.provider)
      return .ssh(place, sshSettings)
    }
    let here = provider as? any WorkFolderProviding
    guard method != .ssh, let here else {
      throw CommandError(
        .unavailable,
        here == nil
          ? "the instance of job \(job.id) has no address yet. See: cloudjobs status \(job.id)"
          : "the instance of job \(job.id) is on this machine, and no ssh server is named (local.ssh_host). "
            + "Use --method local")
    }
    return .here(directory: here.instanceFolder(of: reference))
  }

  /// The user that a provider's images have.
  func sshUser(_ provider: ProviderName) -> String? {
    switch provider {
    case .local: settings.local.sshUser
    case .aws: settings.aws.string("ssh_user") ?? "ec2-user"
    case .azure: settings.azure.string("ssh_user") ?? "azureuser"
    case .gcp: settings.gcp.string("ssh_user") ?? environment["USER"]
    default: nil
    }
  }

  var sshSettings: SSHSettings {
    let ssh = settings.ssh
    return SSHSettings(
      program: ssh.program, identityFile: ssh.identityFile.map(absolute), configFile: ssh.configFile.map(absolute),
      hostKeys: ssh.acceptsNewHostKeys ? .acceptNew : .pinned, connectTimeout: ssh.connectTimeout,
      persist: ssh.persist, runtimeFolder: runtimeFolder, stateFolder: stateFolder + "/ssh")
  }

  /// For sockets: short, since the path of a socket holds about a hundred bytes, of which ssh needs sixty.
  private var runtimeFolder: String {
    if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/"), folder.utf8.count <= 24,
      FileManager.default.fileExists(atPath: folder)
    {
      return folder + "/cloudjobs"
    }
    return "/tmp/cloudjobs-\(geteuid())"
  }

  /// What is kept beside the database between runs, by the XDG base directory specification.
  private var stateFolder: String {
    if let folder = environment["XDG_STATE_HOME"], folder.hasPrefix("/") { return folder + "/cloudjobs" }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.local/state/cloudjobs"
  }
  /// What can be asked again, by the XDG base directory specification.
  var cacheFolder: String {
    if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder + "/cloudjobs" }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.cache/cloudjobs"
  }
}
