internal import Foundation

/// What rclone's configuration says of a remote, as far as it decides whether results will arrive. No secret is kept.
package struct RcloneRemote: Sendable, Hashable {
  package var name: String
  /// `drive`, `local`, `s3`, …
  package var type: String
  package var hasClientID: Bool
  package var hasToken: Bool
  package var scope: String?
  package var hasServiceAccount: Bool
  /// Whether files belong to a shared drive.
  package var hasSharedDrive: Bool
  /// Whether a service account acts for a user, whose storage it then uses.
  package var impersonates: Bool

  package init(
    name: String, type: String, hasClientID: Bool = false, hasToken: Bool = false, scope: String? = nil,
    hasServiceAccount: Bool = false, hasSharedDrive: Bool = false, impersonates: Bool = false
  ) {
    self.name = name
    self.type = type
    self.hasClientID = hasClientID
    self.hasToken = hasToken
    self.scope = scope
    self.hasServiceAccount = hasServiceAccount
    self.hasSharedDrive = hasSharedDrive
    self.impersonates = impersonates
  }

  /// The remotes of `rclone config dump`; nil if that is no such document.
  static func all(_ dump: [UInt8]) -> [RcloneRemote]? {
    guard let sections = try? JSONSerialization.jsonObject(with: Data(dump)) as? [String: [String: Any]] else {
      return nil
    }
    return sections.map { name, options in
      func has(_ key: String) -> Bool { (options[key] as? String).map { !$0.isEmpty } ?? false }
      return RcloneRemote(
        name: name, type: options["type"] as? String ?? "", hasClientID: has("client_id"), hasToken: has("token"),
        scope: options["scope"] as? String,
        hasServiceAccount: has("service_account_file") || has("service_account_credentials"),
        hasSharedDrive: has("team_drive"), impersonates: has("impersonate"))
    }.sorted { $0.name < $1.name }
  }

  /// Something about a remote that a person should know before money is spent.
  package struct Concern: Sendable, Hashable {
    package var isGrave: Bool
    package var message: String
    package var remedy: String
  }

  /// What is wrong with a Google Drive remote, the gravest first. Other types have their own ways to fail.
  package var concerns: [Concern] {
    guard type == "drive" else { return [] }
    var concerns: [Concern] = []
    if hasServiceAccount {
      if !hasSharedDrive, !impersonates {
        concerns.append(
          Concern(
            isGrave: true, message: "remote \(name) is a service account, which has no storage of its own",
            remedy: "Use your own account, or a shared drive: docs/google-drive.md"))
      }
    } else {
      if !hasToken {
        concerns.append(
          Concern(
            isGrave: true, message: "remote \(name) was never allowed in: it has no token",
            remedy: "Run: rclone config reconnect \(name):"))
      }
      if !hasClientID {
        concerns.append(
          Concern(
            isGrave: true,
            message: "remote \(name) uses rclone's shared client id, which Google limits and which is being retired",
            remedy: "Make one of your own: docs/google-drive.md"))
      }
    }
    if scope ?? "drive" == "drive" {
      concerns.append(
        Concern(
          isGrave: false,
          message: "remote \(name) sees your whole Drive, and so does whoever gets hold of an instance",
          remedy: "Give it the scope drive.file, which sees only what it has made: docs/google-drive.md"))
    }
    return concerns
  }
}

/// The version of rclone, of which some are too old to be relied on.
package struct RcloneVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
  package var major: Int
  package var minor: Int

  package init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// From `rclone v1.60.1-DEV`; nil if there is no version in it.
  package init?(_ line: String) {
    guard let word = line.split(separator: " ").first(where: { $0.hasPrefix("v") }) else { return nil }
    let numbers = word.dropFirst().split(separator: ".").map { Int($0.prefix { $0.isNumber }) }
    guard numbers.count >= 2, let major = numbers[0], let minor = numbers[1] else { return nil }
    self.init(major: major, minor: minor)
  }

  /// The oldest one that the copies were tried with: Debian 12's.
  package static let oldest = RcloneVersion(major: 1, minor: 60)

  package static func < (left: RcloneVersion, right: RcloneVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }

  package var description: String { "\(major).\(minor)" }
}
