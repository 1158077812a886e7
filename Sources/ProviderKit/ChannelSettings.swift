package import JobModel

/// The script through which an instance and its watcher talk, and the files that it reads.
package enum ChannelScript {
  /// POSIX shell; `sh channel.sh DIR` runs beside `bootstrap.sh`.
  package static var text: [UInt8] { PackageResources.channel_sh }

  /// Names in an instance's directory.
  package enum File {
    package static let script = "channel.sh"
    package static let configuration = "channel.conf"
    /// Is there until everything that copies need is there.
    package static let preparing = "preparing"
    package static let remoteConfiguration = "rclone.conf"
  }
}

/// How an instance talks with its watcher through objects, and how its machine ends. A pure value; it becomes `channel.conf`.
package struct ChannelSettings: Sendable, Hashable {
  /// Whom the machine asks whether it is about to be taken away.
  package enum Notices: String, Sendable, Hashable, CaseIterable {
    case none
    /// EC2's metadata service, version 2
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html>).
    case ec2
  }

  /// Where rclone's configuration comes from.
  package enum RemoteConfiguration: Sendable, Hashable {
    /// The machine has it, or needs none.
    case present
    /// An object, by presigned addresses: it is deleted by the second one when it was read.
    case object(get: String, delete: String?)
    /// A secret of AWS Secrets Manager, by name or ARN, read with the rights of the machine's role.
    case secret(id: String, endpoint: String, region: String)
  }

  /// A presigned PUT.
  package var beaconURL: String
  /// A presigned GET of a `ControlOrder`.
  package var controlURL: String
  /// Until when both can be used.
  package var until: Timestamp?
  /// How often a beacon is published that says nothing new.
  package var heartbeatInterval: Duration
  package var controlInterval: Duration
  package var noticeInterval: Duration
  /// How often the script looks at what `bootstrap.sh` has written.
  package var lookInterval: Duration
  package var notices: Notices
  /// Without a slash at the end; nil for a machine without a metadata service.
  package var metadata: String?
  /// Whether the machine has a role with which it may sign when an address has run out.
  package var hasRole: Bool
  /// Where the bucket is, for requests that the machine signs itself.
  package var region: String
  package var remote: RemoteConfiguration
  /// How often that is asked for, with five seconds between: a new role takes some time to be known everywhere.
  package var remoteTries: Int
  /// A zip file with rclone, for images without it; `{arch}` stands for `amd64`, `arm64` and so on.
  package var rcloneArchive: String?
  /// SHA-256 of the archive by such a name; one without is not checked.
  package var rcloneSums: [String: String]
  /// The most that the end may take from the order, the notice or the end of the calculation on.
  package var endLimit: Duration
  /// A machine that gets the notice while it is younger waits to be taken away, and does not switch itself off: what EC2
  /// interrupts in its first hour costs nothing, what ends itself is charged. Zero for clouds without such a rule.
  package var freeIfTaken: Duration
  /// The most that it waits.
  package var takingLimit: Duration
  /// The most that the copy may take that stands in for the last one of a script that was killed.
  package var lastCopyLimit: Duration
  /// How long the last beacon is tried.
  package var lastWordsLimit: Duration
  /// A shell command that switches the machine off.
  package var powerOff: String
  /// Between two such tries; zero for one try only.
  package var powerOffPause: Duration
  package var host: HostTraits

  package init(
    beaconURL: String, controlURL: String, until: Timestamp?, heartbeatInterval: Duration = .seconds(60),
    controlInterval: Duration = .seconds(30), noticeInterval: Duration = .seconds(5),
    lookInterval: Duration = .seconds(1), notices: Notices = .none, metadata: String? = nil, hasRole: Bool = false,
    region: String = "", remote: RemoteConfiguration = .present, remoteTries: Int = 12, rcloneArchive: String? = nil,
    rcloneSums: [String: String] = [:], endLimit: Duration = .seconds(1800), freeIfTaken: Duration = .zero,
    takingLimit: Duration = BillingRule.longestWait, lastCopyLimit: Duration = .seconds(900),
    lastWordsLimit: Duration = .seconds(120), powerOff: String = PowerOff.command,
    powerOffPause: Duration = .seconds(60), host: HostTraits = HostTraits()
  ) {
    self.beaconURL = beaconURL
    self.controlURL = controlURL
    self.until = until
    self.heartbeatInterval = heartbeatInterval
    self.controlInterval = controlInterval
    self.noticeInterval = noticeInterval
    self.lookInterval = lookInterval
    self.notices = notices
    self.metadata = metadata
    self.hasRole = hasRole
    self.region = region
    self.remote = remote
    self.remoteTries = remoteTries
    self.rcloneArchive = rcloneArchive
    self.rcloneSums = rcloneSums
    self.endLimit = endLimit
    self.freeIfTaken = freeIfTaken
    self.takingLimit = takingLimit
    self.lastCopyLimit = lastCopyLimit
    self.lastWordsLimit = lastWordsLimit
    self.powerOff = powerOff
    self.powerOffPause = powerOffPause
    self.host = host
  }

  /// EC2's metadata service on every instance
  /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>).
  package static let ec2Metadata = "http://169.254.169.254"

  /// The text of `channel.conf`.
  ///
  /// Throws `invalid` for an address that can't be one.
  package func configuration() throws(ProviderError) -> String {
    var (get, delete, secret, endpoint, secretRegion) = ("", "", "", "", "")
    switch remote {
    case .present: break
    case .object(let address, let removal): (get, delete) = (address, removal ?? "")
    case .secret(let id, let address, let place): (secret, endpoint, secretRegion) = (id, address, place)
    }
    for url in [beaconURL, controlURL, get, delete, endpoint, metadata ?? "", rcloneArchive ?? ""] where !url.isEmpty {
      try PresignedURL.check(url)
    }
    guard
      !(region + secretRegion).utf8.contains(where: {
        $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\")
      }),
      !secret.utf8.contains(where: { $0 < 0x20 })
    else {
      throw ProviderError(
        .invalid, "'\(region)' can not be a region, or the name of a secret holds a line break",
        remedy: "Correct the region and the secret in the configuration")
    }
    let sums = rcloneSums.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: "\n")
    let lines = [
      "cc_beacon_url=" + quoted(beaconURL),
      "cc_control_url=" + quoted(controlURL),
      "cc_until=" + (until.map { String($0.rawValue) } ?? ""),
      "cc_heartbeat=\(seconds(heartbeatInterval))",
      "cc_control=\(seconds(controlInterval, atLeast: 1))",
      "cc_notice=\(seconds(noticeInterval, atLeast: 1))",
      "cc_look=" + decimal(lookInterval),
      "cc_notices=" + notices.rawValue,
      "cc_metadata=" + quoted(metadata ?? ""),
      "cc_role=" + (hasRole ? "yes" : ""),
      "cc_region=" + quoted(region),
      "cc_conf_url=" + quoted(get),
      "cc_conf_delete_url=" + quoted(delete),
      "cc_secret_id=" + quoted(secret),
      "cc_secret_url=" + quoted(endpoint),
      "cc_secret_region=" + quoted(secretRegion),
      "cc_conf_tries=\(max(1, remoteTries))",
      "cc_rclone_url=" + quoted(rcloneArchive ?? ""),
      "cc_rclone_sums=" + quoted(sums),
      "cc_managers=" + quoted(host.packageManagers.joined(separator: " ")),
      "cc_end=\(seconds(endLimit))",
      "cc_free=\(seconds(freeIfTaken))",
      "cc_taking=\(seconds(takingLimit))",
      "cc_last_copy=\(seconds(lastCopyLimit, atLeast: 1))",
      "cc_last=\(seconds(lastWordsLimit))",
      // Both scripts are started at the same moment.
      "cc_start=120",
      "cc_off=" + quoted(powerOff),
      "cc_off_pause=\(seconds(powerOffPause))",
      "cc_systemd=" + quoted(host.systemd),
      "cc_units=" + quoted(host.units),
      "cc_cron=" + quoted(host.cron),
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private func seconds(_ duration: Duration, atLeast least: Int64 = 0) -> Int64 {
    max(least, min(duration.milliseconds / 1000, 1_000_000_000))
  }

  /// Whole seconds as such: not every `sleep` takes fractions.
  private func decimal(_ duration: Duration) -> String {
    let tenths = max(1, duration.milliseconds / 100)
    return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(tenths % 10)"
  }
}

extension ChannelSettings: CustomStringConvertible {
  /// Without the addresses.
  package var description: String { "ChannelSettings(\(region))" }
}
