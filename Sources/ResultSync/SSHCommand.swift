internal import JobModel
package import ProviderKit

/// The arguments with which the ssh program is run: one fixed remote command, whatever is to be done there. The script
/// goes in on standard input, so nothing is ever quoted for a login shell.
package struct SSHCommand: Sendable, Hashable {
  package let place: SSHPlace
  package let settings: SSHSettings
  /// The file with the keys that the instance may show.
  package let knownHosts: String

  package init(place: SSHPlace, settings: SSHSettings, knownHosts: String) {
    self.place = place
    self.settings = settings
    self.knownHosts = knownHosts
  }

  /// Every login shell understands this one.
  package static let remoteCommand = "exec /bin/sh -s"
  /// The same as root; `-n` so that a user who must give a password gets an error and no prompt.
  package static let elevatedCommand = "exec sudo -n /bin/sh -s"

  /// Where the control socket is made; `%C` is ssh's own hash of host, port, user and jump host.
  package var controlPath: String { settings.runtimeFolder + "/%C" }

  /// Without the program itself.
  package var arguments: [String] {
    var words: [String] = []
    // The first value of an option wins, so these hold against the user's configuration.
    if let file = settings.configFile { words += ["-F", file] }
    let options = [
      "BatchMode=yes", "ConnectTimeout=\(max(1, settings.connectTimeout.components.seconds))",
      "ServerAliveInterval=\(max(1, settings.aliveInterval.components.seconds))", "ServerAliveCountMax=3",
      "UserKnownHostsFile=" + Self.quoted(knownHosts), "GlobalKnownHostsFile=none", "HostKeyAlias=\(place.alias)",
      "CheckHostIP=no", "UpdateHostKeys=no",
      "StrictHostKeyChecking=" + (place.hostKey == nil && settings.hostKeys == .acceptNew ? "accept-new" : "yes"),
      "ControlMaster=auto", "ControlPersist=\(max(1, settings.persist.components.seconds))",
      "ControlPath=" + Self.quoted(controlPath),
      "LogLevel=ERROR", "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "PermitLocalCommand=no",
      "RemoteCommand=none", "RequestTTY=no",
    ]
    for option in options { words += ["-o", option] }
    if let file = settings.identityFile { words += ["-i", file, "-o", "IdentitiesOnly=yes"] }
    if let port = place.port { words += ["-p", String(port)] }
    if let user = place.user { words += ["-l", user] }
    return words + ["--", place.host, place.elevated ? Self.elevatedCommand : Self.remoteCommand]
  }

  /// The one line of the known_hosts file, or nil if no key was published.
  package var knownHostsLine: String? { place.hostKey.map { "\(place.alias) \($0.text)\n" } }

  /// Whether ssh can be given these words: a host that begins with a dash would be an option.
  package var isValid: Bool {
    func plain(_ text: String, _ extra: String) -> Bool {
      !text.isEmpty && text.utf8.count <= 255 && text.first != "-"
        && text.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
          default: extra.utf8.contains(byte)
          }
        }
    }
    return plain(place.host, "._-:%") && plain(place.alias, "._-") && (place.user.map { plain($0, "._-@+") } ?? true)
      && (place.port.map { (1...65_535).contains($0) } ?? true)
  }

  /// ssh splits the values of some options into words.
  private static func quoted(_ path: String) -> String { path.contains(" ") ? "\"\(path)\"" : path }
}
