package import JobModel
internal import ProviderKit

/// Looks whether an account and a configuration are ready for jobs, and changes nothing but an object of its own that it
/// removes again.
///
/// Every call has the time-outs of `CallOptions`; regions and buckets are looked at side by side, a few at a time.
package struct AWSExamination: Sendable {
  let settings: AWSProviderSettings
  let ec2: EC2Client
  let storage: S3Client
  let images: ImageCatalog
  let credentials: CredentialSource
  /// In the key of the object that is written to try the bucket.
  let probeID: String
  let now: @Sendable () -> Timestamp

  private static let atOnce = 6

  package init(
    settings: AWSProviderSettings, client: AWSClient, credentials: CredentialSource, probeID: String,
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.settings = settings
    ec2 = EC2Client(client)
    storage = S3Client(client)
    images = ImageCatalog(client: client)
    self.credentials = credentials
    self.probeID = probeID
    self.now = now
  }

  private var client: AWSClient { ec2.client }

  /// - Parameter buckets: those that jobs use, beside the configured one.
  package func findings(buckets others: [String] = []) async -> [AWSFinding] {
    let used: AWSCredentials
    do throws(AWSError) {
      used = try await credentials.credentials()
    } catch {
      return [
        AWSFinding("credentials", .bad, error.message, remedy: error.remedy.isEmpty ? Self.noCredentials : error.remedy)
      ]
    }
    var findings = [Self.life(used, now: now())]
    let who: String
    do throws(AWSError) {
      let reply = try await client.call(.sts, action: "GetCallerIdentity", options: .idempotent)
      let arn = reply.text("GetCallerIdentityResult/Arn") ?? used.accessKeyID
      who = arn
      let account = reply.text("GetCallerIdentityResult/Account") ?? "?"
      findings.append(AWSFinding("identity", .good, "account \(account), \(arn)"))
    } catch {
      findings.append(
        AWSFinding("identity", .bad, error.message, remedy: error.remedy.isEmpty ? Self.noCredentials : error.remedy))
      return findings
    }
    if let skew = client.clockSkew { findings.append(Self.clock(skew)) }
    var buckets: [String] = []
    for bucket in [settings.bucket].compactMap(\.self) + others where !buckets.contains(bucket) {
      buckets.append(bucket)
    }
    if settings.bucket == nil {
      findings.append(
        AWSFinding(
          "bucket", .warning, "aws.s3_bucket is not set",
          remedy: "Name the bucket in config.json, or give each run --s3-bucket BUCKET"))
    }
    let checks: [@Sendable () async -> [AWSFinding]] =
      settings.regions.map { region in { @Sendable in await self.region(region, who) } }
      + buckets.map { bucket in { @Sendable in await self.bucket(bucket, who) } }
    for found in await Self.sideBySide(checks) { findings += found }
    return findings
  }

  static let noCredentials = "Make an access key and store it: aws configure   (docs/aws.md#credentials)"

  /// The results in the order of the checks.
  private static func sideBySide(_ checks: [@Sendable () async -> [AWSFinding]]) async -> [[AWSFinding]] {
    await withTaskGroup(of: (Int, [AWSFinding]).self) { group in
      var results = [[AWSFinding]](repeating: [], count: checks.count)
      var next = 0
      while next < min(atOnce, checks.count) {
        group.addTask { [next] in (next, await checks[next]()) }
        next += 1
      }
      while let (index, found) = await group.next() {
        results[index] = found
        if next < checks.count {
          group.addTask { [next] in (next, await checks[next]()) }
          next += 1
        }
      }
      return results
    }
  }

  // MARK: What follows from values

  /// Where the credentials are from, and for how long they hold.
  static func life(_ credentials: AWSCredentials, now: Timestamp) -> AWSFinding {
    guard let end = credentials.expiration else {
      guard credentials.sessionToken != nil else {
        return AWSFinding("credentials", .good, "\(credentials.source); they hold until they are revoked")
      }
      return AWSFinding(
        "credentials", .warning, "\(credentials.source); they are temporary, and do not say until when they hold",
        remedy: "Have a watcher run with credentials that renew themselves (docs/aws.md#how-long-addresses-hold)")
    }
    let message = "\(credentials.source); they hold until \(end.iso8601()) (\(DurationText.short(end - now)))"
    guard end - now > .seconds(3600) else {
      return AWSFinding(
        "credentials", .warning, message,
        remedy: "Renew them before a long job: instances can be spoken to until then, unless a watcher renews that")
    }
    return AWSFinding(
      "credentials", .good, message + ", and so do the addresses of instances that no watcher renews")
  }

  /// AWS refuses signatures that are more than five minutes off
  /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html); calls allow for it, people do not.
  static func clock(_ ahead: Duration) -> AWSFinding {
    let seconds = ahead.components.seconds
    guard abs(seconds) > 60 else { return AWSFinding("clock", .good, "as AWS's") }
    return AWSFinding(
      "clock", .warning,
      "this machine's clock is \(DurationText.short(.seconds(abs(seconds)))) \(seconds > 0 ? "behind" : "ahead of") AWS's",
      remedy: "Set it: timedatectl set-ntp true")
  }

  /// Whether instances can be given what they need to reach the remote.
  ///
  /// - Parameters:
  ///   - remote: as in `sync.remote`.
  ///   - configuration: the text of rclone's configuration; nil if it can't be read.
  package static func remote(
    _ remote: String?, settings: AWSProviderSettings, configuration: String?
  ) -> AWSFinding {
    guard let remote else {
      return AWSFinding(
        "results", .warning, "sync.remote is not set, so results are lost with their instances",
        remedy: "Name an rclone remote in config.json (docs/google-drive.md)")
    }
    guard let name = remote.split(separator: ":", maxSplits: 1).first.map(String.init),
      !remote.hasPrefix("/"), !remote.hasPrefix("."), !remote.contains(",")
    else {
      return AWSFinding(
        "results", .bad, "sync.remote is a folder of this machine, to which instances have no way",
        remedy: "Name an rclone remote, such as gdrive (docs/google-drive.md)")
    }
    if let secret = settings.rcloneConfigSecret {
      guard settings.profile != nil else {
        return AWSFinding(
          "results", .bad, "aws.rclone_config_secret is read with the rights of aws.iam_role, which is not set",
          remedy: "Name the instance profile in aws.iam_role, or leave rclone_config_secret out")
      }
      return AWSFinding("results", .good, "instances read rclone.conf from the secret \(secret); it is not looked into")
    }
    let file = settings.rcloneConfigFile ?? "rclone.conf"
    guard let configuration else {
      return AWSFinding(
        "results", .bad, "\(file) can't be read; instances get their part of it",
        remedy: "Make the remote: rclone config; or name another file in aws.rclone_config_file")
    }
    guard RcloneConfiguration.part(of: configuration, remote: name) != nil else {
      return AWSFinding(
        "results", .bad, "\(file) has no remote \(name), or is encrypted",
        remedy: "Make it: rclone config; or name another file in aws.rclone_config_file")
    }
    return AWSFinding("results", .good, "remote \(name) of \(file) goes to the instances")
  }
}
