internal import Configuration
internal import Foundation
internal import JobModel
internal import ResultSync

/// Whether results can come home: rclone and its remote, ssh and its keys.
extension Doctor {
  static func results(_ context: CommandContext) async throws -> [Finding] {
    let sync = context.settings.sync
    guard let remote = sync.remote else {
      return [
        Finding(
          check: "results", result: .warning, message: "sync.remote is not set, so results stay on their instances",
          remedy: "Name a folder or an rclone remote in config.json (docs/configuration.md)")
      ]
    }
    do {
      let rclone = RcloneFolder(program: sync.rclone, folder: remote, timeout: .seconds(20))
      let line = try await rclone.version()
      var findings = [version(line)]
      guard !CommandContext.isLocal(remote), !remote.contains(",") else {
        findings.append(Finding(check: "results", result: .good, message: "\(remote), by \(line)"))
        return findings
      }
      let name = String(remote.prefix { $0 != ":" })
      guard let known = try await rclone.remotes().first(where: { $0.name == name }) else {
        findings.append(
          Finding(
            check: "results", result: .bad, message: "\(line) has no remote '\(printable(name))'",
            remedy: "Make it with: rclone config   (docs/google-drive.md), or correct sync.remote"))
        return findings
      }
      findings += known.concerns.map {
        Finding(check: "results", result: $0.isGrave ? .bad : .warning, message: $0.message, remedy: $0.remedy)
      }
      findings.append(await answer(of: known, rclone))
      return findings
    } catch let error as SyncError {
      return [Finding(check: "results", result: .bad, message: error.message, remedy: error.remedy)]
    }
  }

  private static func version(_ line: String) -> Finding {
    guard let version = RcloneVersion(line) else {
      return Finding(
        check: "rclone", result: .warning, message: "its version can't be read from '\(printable(line))'", remedy: nil)
    }
    guard version >= .oldest else {
      return Finding(
        check: "rclone", result: .bad,
        message: "\(line) is too old: copies were tried with \(RcloneVersion.oldest) and later",
        remedy: "Install a newer one: https://rclone.org/downloads/")
    }
    return Finding(check: "rclone", result: .good, message: line)
  }

  /// Whether the remote lets us in now.
  private static func answer(of remote: RcloneRemote, _ rclone: RcloneFolder) async -> Finding {
    do {
      try await rclone.ping()
      return Finding(check: "results", result: .good, message: "remote \(remote.name) answers")
    } catch let error as SyncError {
      let trouble = SyncTrouble(said: error.message)
      let remedy =
        switch trouble {
        case .revoked, .unauthorized:
          "Let it in again: rclone config reconnect \(remote.name):   (an app in status Testing is shut out after 7 days)"
        case .quota, .dailyLimit: "Make room, or wait a day: docs/google-drive.md"
        default: "Try: rclone about \(remote.name):"
        }
      return Finding(
        check: "results", result: .bad, message: "remote \(remote.name): \(trouble.phrase) (\(error.message))",
        remedy: remedy)
    } catch {
      return Finding(
        check: "results", result: .warning, message: "remote \(remote.name) was not asked: \(error)", remedy: nil)
    }
  }

  // MARK: ssh

  /// What connections to instances need. Instances of this machine need none, unless its ssh server is named.
  static func ssh(_ context: CommandContext) async -> [Finding] {
    let settings = context.settings.ssh
    guard
      let program = settings.program.hasPrefix("/") ? settings.program : find(settings.program, context.environment),
      FileManager.default.isExecutableFile(atPath: program)
    else {
      return [
        Finding(
          check: "ssh", result: context.settings.local.sshHost == nil ? .warning : .bad,
          message: "\(settings.program) is not installed; instances of clouds are reached by it",
          remedy: "apt install openssh-client")
      ]
    }
    if let file = settings.identityFile { return [identity(context.absolute(file), program)] }
    if let socket = context.environment["SSH_AUTH_SOCK"], !socket.isEmpty {
      let isThere = FileManager.default.fileExists(atPath: socket)
      return [
        Finding(
          check: "ssh", result: isThere ? .good : .warning,
          message: isThere ? "\(program), keys from the agent" : "the agent that SSH_AUTH_SOCK names is not there",
          remedy: isThere ? nil : "Start one: eval $(ssh-agent); ssh-add")
      ]
    }
    let folder = (context.environment["HOME"] ?? NSHomeDirectory()) + "/.ssh/"
    let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].map { folder + $0 }
      .filter { FileManager.default.fileExists(atPath: $0) }
    guard let key = keys.first else {
      return [
        Finding(
          check: "ssh", result: context.settings.local.sshHost == nil ? .good : .warning,
          message: "\(program); no agent and no key of yours was found",
          remedy: context.settings.local.sshHost == nil ? nil : "Name the key of your instances as ssh.identity_file")
      ]
    }
    return [identity(key, program)]
  }

  /// ssh refuses a key that others can read, with words that are easily missed.
  private static func identity(_ file: String, _ program: String) -> Finding {
    var status = stat()
    guard stat(file, &status) == 0 else {
      return Finding(
        check: "ssh", result: .bad, message: "the key \(file) is not there", remedy: "Correct ssh.identity_file")
    }
    guard status.st_mode & 0o077 == 0 else {
      return Finding(
        check: "ssh", result: .bad, message: "others can read the key \(file), so ssh does not use it",
        remedy: "chmod 600 \(file)")
    }
    guard access(file, R_OK) == 0 else {
      return Finding(
        check: "ssh", result: .bad, message: "the key \(file) can't be read", remedy: "See who owns it: ls -l \(file)")
    }
    return Finding(check: "ssh", result: .good, message: "\(program), key \(file)")
  }
}
