package import JobModel

/// An ability of providers whose instances run an ssh server.
package protocol SSHReachable: Provider {
  /// Where the instance is reached, and where its scripts lie; nil while it has no address.
  func place(of instance: InstanceReference) -> SSHPlace?
}

/// Where ssh finds an instance, and what it must find there.
package struct SSHPlace: Sendable, Hashable {
  /// What the instance is called in its known_hosts file: the token, since addresses are used again.
  package var alias: String
  /// A name or an address, IPv6 without brackets.
  package var host: String
  /// Nil leaves the port to ssh and its configuration.
  package var port: Int?
  /// The user that images of this provider have; nil leaves it to ssh and its configuration.
  package var user: String?
  /// The instance's folder with the scripts, absolute.
  package var directory: String
  /// What the instance's beacon has published.
  package var hostKey: HostKey?
  /// Whether the scripts belong to root and the user is another one, who may become root by `sudo` without a password,
  /// as the users of cloud images may.
  package var elevated: Bool

  package init(
    alias: String, host: String, port: Int? = nil, user: String? = nil, directory: String, hostKey: HostKey? = nil,
    elevated: Bool = false
  ) {
    self.alias = alias
    self.host = host
    self.port = port
    self.user = user
    self.directory = directory
    self.hostKey = hostKey
    self.elevated = elevated
  }
}
