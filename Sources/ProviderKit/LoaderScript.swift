internal import JobModel

/// What a new machine is given as user data: a small script that fetches everything else.
///
/// User data holds at most 16 KB on EC2 (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>), and anything
/// on the machine can read it for as long as it lives. So it holds nothing but an address that runs out soon.
package struct LoaderScript: Sendable, Hashable {
  /// The instance's folder, absolute.
  package var directory: String
  /// A presigned address of an `InstanceBundle`. A secret.
  package var bundleURL: String
  /// After this long the machine switches itself off whatever happens; nil for never.
  package var backstop: Duration?
  /// How long the bundle is asked for.
  package var patience: Duration
  /// A shell command that switches the machine off.
  package var powerOff: String
  package var host: HostTraits

  package init(
    directory: String = Self.standardDirectory, bundleURL: String, backstop: Duration?,
    patience: Duration = .seconds(600), powerOff: String = PowerOff.command, host: HostTraits = HostTraits()
  ) {
    self.directory = directory
    self.bundleURL = bundleURL
    self.backstop = backstop
    self.patience = patience
    self.powerOff = powerOff
    self.host = host
  }

  package static let standardDirectory = "/var/lib/cloudjobs"

  /// Bytes of user data that EC2 takes.
  package static let limit = 16_384

  /// The script.
  ///
  /// Throws `invalid` for an address or a folder that can't be one, and for a script that is longer than `limit`.
  package func text() throws(ProviderError) -> String {
    try Self.check(directory: directory)
    try PresignedURL.check(bundleURL)
    let lines =
      [
        "#!/bin/sh",
        "up_directory=" + quoted(directory),
        "up_url=" + quoted(bundleURL),
        "up_backstop=" + (backstop.map { String(max(1, $0.milliseconds / 1000)) } ?? ""),
        "up_patience=\(max(0, patience.milliseconds / 1000))",
        "up_off=" + quoted(powerOff),
        "up_console=" + quoted(host.console),
        "up_managers=" + quoted(host.packageManagers.joined(separator: " ")),
      ] + host.lines
    let text =
      lines.joined(separator: "\n") + "\n" + String(decoding: PackageResources.apart_sh, as: UTF8.self)
      + String(decoding: PackageResources.loader_sh, as: UTF8.self)
    guard text.utf8.count <= Self.limit else {
      throw ProviderError(
        .invalid, "the script for a new machine has \(text.utf8.count) bytes, and at most \(Self.limit) are taken",
        remedy: "Use shorter names for the bucket and the folder")
    }
    return text
  }

  /// systemd expands `$` and `%` in the words that it is given, and wants an absolute path.
  static func check(directory: String) throws(ProviderError) {
    let isPlain = directory.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "/"):
        true
      default: false
      }
    }
    guard isPlain, directory.hasPrefix("/"), directory != "/" else {
      throw ProviderError(
        .invalid, "'\(directory)' can not be the folder of an instance",
        remedy: "Use an absolute path of letters, digits, '.', '-' and '_'")
    }
  }
}

extension LoaderScript: CustomStringConvertible {
  /// Without the address.
  package var description: String { "LoaderScript(\(directory))" }
}

/// What the scripts find on the machine that they run on. The defaults fit every image of the clouds; tests name folders of
/// their own, so that they start nothing for the machine they run on.
package struct HostTraits: Sendable, Hashable {
  /// A folder that is there if systemd runs.
  package var systemd = "/run/systemd/system"
  /// Where units are that start with the machine.
  package var units = "/etc/systemd/system"
  /// Where cron looks for tables with a user in each line.
  package var cron = "/etc/cron.d"
  package var console = "/dev/console"
  package var shell = "/bin/sh"
  /// Tried one after the other, those that are there.
  package var packageManagers = ["apt-get", "dnf", "yum", "zypper", "apk"]

  package init() {}

  /// What `apart.sh` reads.
  var lines: [String] { ["up_systemd=" + quoted(systemd), "up_shell=" + quoted(shell)] }
}

/// An address that carries its own right to be used (a presigned URL).
enum PresignedURL {
  /// Throws `invalid`, without the address, for what can't stand in a configuration of curl.
  static func check(_ url: String) throws(ProviderError) {
    let isPlain = url.utf8.allSatisfy {
      (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    guard isPlain, url.hasPrefix("https://") || url.hasPrefix("http://") else {
      throw ProviderError(
        .invalid, "an address for an instance is no URL, or has characters that must be escaped in one",
        remedy: "Check the names of the bucket and of the job's folder, and the endpoint")
    }
  }
}
