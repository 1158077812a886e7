/// Why a connection came to nothing, from what ssh said: its exit code is 255 for everything.
package enum SSHFailure: Sendable, Hashable, CaseIterable {
  /// Not one of the keys was accepted.
  case refusedKey
  /// The key's file can be read by others, so ssh does not use it.
  case openKeyFile
  /// The instance shows another key than the one that it published or showed before.
  case changedHostKey
  /// No key of the instance is known.
  case unknownHostKey
  case unreachable
  /// It was there, and broke off.
  case broken
  /// The user of the instance may not become root.
  case notElevated
  /// The user's configuration can't be read.
  case badConfiguration
  case other

  /// What the last lines on ssh's standard error mean.
  package init(said text: String) {
    let text = text.lowercased()
    func has(_ words: String...) -> Bool { words.contains { text.contains($0) } }
    if has("sudo:") {
      self = .notElevated
    } else if has("identification has changed", "host key for", "revoked") && has("changed", "revoked") {
      self = .changedHostKey
    } else if has("no matching host key", "host key verification failed", "no host key is known") {
      self = has("changed") ? .changedHostKey : .unknownHostKey
    } else if has("bad permissions", "unprotected private key", "are too open") {
      self = .openKeyFile
    } else if has("permission denied", "too many authentication failures", "no such identity") {
      self = .refusedKey
    } else if has("bad configuration option", "bad owner or permissions", "terminating, ") {
      self = .badConfiguration
    } else if has(
      "connection refused", "timed out", "no route to host", "could not resolve", "network is unreachable",
      "operation timed out", "host is down", "name or service not known")
    {
      self = .unreachable
    } else if has(
      "connection closed", "closed by remote host", "shared connection to", "connection reset", "broken pipe",
      "not responding", "kex_exchange")
    {
      self = .broken
    } else {
      self = .other
    }
  }

  func error(_ place: String, said: String) -> SyncError {
    let last = said.split(separator: "\n").last.map { String($0.prefix(300)) }
    let words = last.map { ": \($0)" } ?? ""
    switch self {
    case .refusedKey:
      return SyncError(
        .refused, "\(place) did not accept any of your ssh keys\(words)",
        remedy: "Name the key that the instance was launched with as ssh.identity_file, or load it: ssh-add")
    case .openKeyFile:
      return SyncError(
        .refused, "ssh does not use a key that others can read\(words)", remedy: "chmod 600 the key file")
    case .changedHostKey:
      return SyncError(
        .refused,
        "\(place) shows another ssh host key than the one that the instance has published. Another machine may have "
          + "its address now",
        remedy: "Nothing was sent. See whether the instance still lives: cloudjobs status JOB")
    case .unknownHostKey:
      return SyncError(
        .refused, "\(place) shows an ssh host key of a kind that it has not published\(words)",
        remedy: "Wait for the instance's next report, or set ssh.host_keys to accept_new")
    case .unreachable:
      return SyncError(
        .unreachable, "\(place) can't be reached by ssh\(words)",
        remedy: "See whether the instance lives, and whether its security group lets you in: cloudjobs status JOB")
    case .broken:
      return SyncError(
        .broken, "the connection to \(place) broke off\(words)",
        remedy: "What was started there goes on by itself; the same command follows it again")
    case .notElevated:
      return SyncError(
        .refused, "the user on \(place) may not become root by sudo without a password\(words)",
        remedy: "Use an image whose user may, as those of the clouds do, or let it: man sudoers (NOPASSWD)")
    case .badConfiguration:
      return SyncError(.notSetUp, "your ssh configuration can't be used\(words)", remedy: "Correct it: man ssh_config")
    case .other:
      return SyncError(.unreachable, "ssh to \(place) failed\(words)", remedy: "Try it by hand with ssh -v")
    }
  }
}
