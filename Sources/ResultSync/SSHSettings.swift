/// How instances are reached through the ssh program, from config.json. Everything else (jump hosts, agents, proxies) is
/// the user's own ssh configuration.
package struct SSHSettings: Sendable, Hashable {
  /// What is done about an instance whose host key is not known.
  package enum HostKeys: String, Sendable, Hashable, CaseIterable {
    /// Only the key that the instance's beacon has published is trusted.
    case pinned
    /// Without a published key the first one that is seen is trusted, and kept for this instance.
    case acceptNew = "accept_new"
  }

  /// By name or path.
  package var program: String
  /// Nil leaves it to ssh, its configuration and its agent.
  package var identityFile: String?
  /// Another ssh_config than the user's own.
  package var configFile: String?
  package var hostKeys: HostKeys
  /// How long a connection may take to be made, in whole seconds.
  package var connectTimeout: Duration
  /// How long a connection that nobody uses is kept for the next command.
  package var persist: Duration
  /// How often a connection is asked whether it lives; after three silences it is given up.
  package var aliveInterval: Duration = .seconds(5)
  /// The folder of control sockets: short, since a socket's path holds about a hundred bytes, and private.
  package var runtimeFolder: String
  /// The folder in which the host keys of instances are kept.
  package var stateFolder: String

  package init(
    program: String = "ssh", identityFile: String? = nil, configFile: String? = nil, hostKeys: HostKeys = .pinned,
    connectTimeout: Duration = .seconds(10), persist: Duration = .seconds(120), runtimeFolder: String,
    stateFolder: String
  ) {
    self.program = program
    self.identityFile = identityFile
    self.configFile = configFile
    self.hostKeys = hostKeys
    self.connectTimeout = connectTimeout
    self.persist = persist
    self.runtimeFolder = runtimeFolder
    self.stateFolder = stateFolder
  }
}
