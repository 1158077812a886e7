internal import Foundation
package import JobModel
internal import Logging
package import ProviderKit
internal import Synchronization

/// What an instance is given at its launch, and how it is spoken to later.
extension AWSProvider {
  /// The longest that an address may hold (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
  private static let longest = Duration.seconds(7 * 86_400)
  /// Between the order of an instance and the moment at which it has fetched what it needs.
  private static let launchTime = Duration.seconds(12 * 3600)

  /// The user data of an instance. What it fetches by it is in the bucket when this returns.
  func material(
    _ request: LaunchRequest, _ candidate: LaunchPlan.Candidate, _ store: any ObjectStore
  ) async throws(AWSError) -> String {
    let price = HourlyPrice(microdollars: candidate.price)
    let limits = InstanceLimits(request, price: price, billing: billing)
    var sync = settings.sync.job(request)
    // What points to files and proxies of this machine means nothing there.
    sync?.environment = [:]
    sync?.rclone = "rclone"
    let beacon = try await store.presigned(.put, BucketKeys.beacon(request.token), lifetime: Self.longest)
    let control = try await store.presigned(
      .get, BucketKeys.control(request.job, request.attempt), lifetime: Self.longest)
    var channel = ChannelSettings(
      beaconURL: beacon.url, controlURL: control.url, until: min(beacon.until, control.until),
      heartbeatInterval: settings.heartbeatInterval, controlInterval: settings.controlInterval, notices: .ec2,
      metadata: ChannelSettings.ec2Metadata, hasRole: settings.profile != nil, region: store.region)
    renewals.withLock {
      $0[request.token] = Renewal(until: min(beacon.until, control.until), isInTime: true, writtenAt: now())
    }
    // The machine is younger than the instance, by up to two minutes.
    channel.freeIfTaken = (billing.freeIfPreemptedWithin ?? .zero) - .seconds(120)
    channel.lastCopyLimit = settings.sync.finalLimit
    channel.endLimit = settings.grace + settings.sync.finalLimit + .seconds(600)
    // Without the right to list the bucket S3 would answer a missing order like one that may not be read.
    try await store.write(BucketKeys.control(request.job, request.attempt), [])
    (channel.rcloneArchive, channel.rcloneSums) = (settings.rcloneArchive, settings.rcloneSums)
    if sync != nil { channel.remote = try await remoteConfiguration(request, store) }
    let job = BootstrapJob(
      request: request, inputs: try await inputs(request, store), limits: limits,
      heartbeatInterval: settings.heartbeatInterval, grace: settings.grace,
      syncInterval: sync == nil ? nil : settings.sync.interval, finalSync: sync == nil ? nil : SyncScript.finalCommand,
      finalSyncLimit: settings.sync.finalLimit, restores: sync != nil && request.attempt > 1)
    do throws(ProviderError) {
      let bundle = try InstanceBundle(job, channel: channel, sync: sync).bytes()
      let key = BucketKeys.bundle(request.job, request.attempt)
      do throws(AWSError) {
        try await store.write(key, bundle)
        let address = try await store.presigned(.get, key, lifetime: Self.launchTime)
        return try loader(address, limits)
      } catch {
        throw ProviderError(error)
      }
    } catch {
      throw AWSError(.invalid, error.message, remedy: error.remedy)
    }
  }

  private func loader(_ address: PresignedAddress, _ limits: InstanceLimits) throws(AWSError) -> String {
    // The script keeps the limits to the second. This is for a machine on which it is no more.
    let limit = [limits.duration, limits.budget].compactMap(\.self).min()
    let backstop = limit.map { $0 + settings.sync.finalLimit + .seconds(1800) }
    do {
      return try LoaderScript(bundleURL: address.url, backstop: backstop).text()
    } catch {
      throw AWSError(.invalid, error.message, remedy: error.remedy)
    }
  }

  /// Where an instance gets rclone's configuration from: a secret that its role may read, or an object that it removes.
  private func remoteConfiguration(
    _ request: LaunchRequest, _ store: any ObjectStore
  ) async throws(AWSError) -> ChannelSettings.RemoteConfiguration {
    if let secret = settings.rcloneConfigSecret {
      guard settings.profile != nil else {
        throw AWSError(
          .configuration, "aws.rclone_config_secret is read with the rights of aws.iam_role, which is not set",
          remedy: "Name the instance profile in aws.iam_role, or leave rclone_config_secret out")
      }
      // One that is only named is where everything else is by default.
      let region = Self.region(ofARN: secret) ?? ec2.client.settings.region
      let endpoint = ec2.client.settings.endpoints.endpoint(.secretsManager, region: region)
      return .secret(id: secret, endpoint: endpoint.origin + endpoint.path, region: region)
    }
    guard let remote = request.spec.gdrivePath?.split(separator: ":", maxSplits: 1).first.map(String.init),
      request.spec.gdrivePath?.contains(":") == true
    else {
      throw AWSError(
        .configuration, "results of an instance on AWS can't go to a folder of this machine",
        remedy: "Name an rclone remote in sync.remote, such as gdrive, or give run --gdrive-path remote:path")
    }
    guard let path = settings.rcloneConfigFile, let bytes = FileManager.default.contents(atPath: path),
      let part = RcloneConfiguration.part(of: String(decoding: bytes, as: UTF8.self), remote: remote)
    else {
      throw AWSError(
        .configuration,
        "rclone's configuration \(settings.rcloneConfigFile.map { "\($0) " } ?? "")has no remote \(remote)",
        remedy: "Make it: rclone config; or name another file in aws.rclone_config_file")
    }
    let key = BucketKeys.rclone(request.job, request.attempt)
    try await store.write(key, Array(part.utf8))
    let get = try await store.presigned(.get, key, lifetime: Self.launchTime)
    let delete = try await store.presigned(.delete, key, lifetime: Self.launchTime)
    return .object(get: get.url, delete: delete.url)
  }

  /// The region in `arn:partition:service:region:account:…`; nil for what is no ARN
  /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
  static func region(ofARN text: String) -> String? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count >= 6, parts[0] == "arn", isRegion(String(parts[3])) else { return nil }
    return String(parts[3])
  }

  /// Removes the sealed configurations of attempts whose instances will not read them any more.
  func removeRemoteConfigurations(_ attempts: [(job: JobID, number: Int)], bucket: String) async {
    guard settings.rcloneConfigSecret == nil, !attempts.isEmpty else { return }
    let keys = attempts.map { BucketKeys.rclone($0.job, $0.number) }
    do throws(AWSError) { try await objects(bucket).delete(keys) } catch {
      logger.warning(
        "Configurations of rclone were left in the bucket",
        metadata: ["bucket": "\(bucket)", "keys": "\(keys.prefix(10).joined(separator: " "))", "error": "\(error)"])
    }
  }

  package func channelEnd(of instance: InstanceReference) -> Timestamp? {
    renewals.withLock { $0[instance.token]?.until }
  }

  /// A beacon with the end of the addresses that its instance can have read by now.
  func renewed(_ beacon: Beacon?, _ token: String) -> Beacon? {
    guard var beacon, let told = beacon.channelUntil,
      let known = renewals.withLock({ $0[token] }), known.isInTime, known.until.rawValue > told
    else { return beacon }
    beacon.channelUntil = known.until.rawValue
    return beacon
  }

  // MARK: Orders

  /// Changes what an instance is to do. The whole of its orders is one object, so it is read first.
  func order(
    _ change: (inout ControlOrder) -> Void, to instance: InstanceReference, bucket: String
  ) async throws(AWSError) {
    let store = objects(bucket)
    let key = BucketKeys.control(instance.job, instance.attempt)
    var order = ControlOrder()
    if let bytes = try await store.read(key, limit: ControlOrder.limit), let known = ControlOrder(bytes) {
      order = known
    }
    let before = order
    change(&order)
    guard order != before else { return }
    do throws(ProviderError) {
      let text = try order.text()
      do throws(AWSError) { try await store.write(key, Array(text.utf8)) } catch { throw ProviderError(error) }
    } catch {
      throw AWSError(.unavailable, error.message, remedy: error.remedy)
    }
  }

  /// Gives new addresses to instances whose present ones will not hold much longer.
  ///
  /// Addresses live for a week at most, and with temporary credentials no longer than these.
  func renewChannels(_ instances: [InstanceReference], _ beacons: [String: Beacon]) async {
    let soon = now() + .seconds(86_400)
    let due = instances.compactMap { instance -> (InstanceReference, String, Timestamp)? in
      guard let bucket = instance.bucket, let beacon = beacons[instance.token], beacon.phase != .finished,
        let until = beacon.channelUntil.map({ Timestamp(milliseconds: $0) }), until < soon
      else { return nil }
      return (instance, bucket, until)
    }
    let workers = min(Self.renewers, due.count)
    // One child a worker.
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<workers {
        group.addTask {
          for index in stride(from: worker, to: due.count, by: workers) {
            let (instance, bucket, until) = due[index]
            do throws(AWSError) { try await self.renew(instance, bucket: bucket, until: until) } catch {
              self.logger.warning(
                "Addresses of an instance could not be renewed",
                metadata: [
                  "instance.id": "\(instance.instance.id)", "until": "\(until.iso8601())", "error": "\(error)",
                ])
            }
          }
        }
      }
    }
  }

  private static let renewers = 16
  /// What is written later than this before the old addresses end may never be read.
  private static let readingTime = Duration.seconds(120)
  /// An instance that has not told of new addresses by then has perhaps not got them.
  private static let verification = Duration.seconds(300)

  /// - Parameter until: the end that the instance tells.
  private func renew(_ instance: InstanceReference, bucket: String, until: Timestamp) async throws(AWSError) {
    let store = objects(bucket)
    let last = renewals.withLock { $0[instance.token] }
    var known = last?.until ?? until
    if let last, last.until > until, !last.isVerified, now() - last.writtenAt >= Self.verification {
      let bytes = try await store.read(BucketKeys.control(instance.job, instance.attempt), limit: ControlOrder.limit)
      if bytes.flatMap(ControlOrder.init)?.until == last.until {
        renewals.withLock { $0[instance.token]?.isVerified = true }
      } else {
        known = until
      }
    }
    let beacon = try await store.presigned(.put, BucketKeys.beacon(instance.token), lifetime: Self.longest)
    let key = BucketKeys.control(instance.job, instance.attempt)
    let control = try await store.presigned(.get, key, lifetime: Self.longest)
    let end = min(beacon.until, control.until)
    // Credentials that end just as soon give nothing new; and one order is enough until the instance has read it.
    guard end > max(until, known) + .seconds(300) else { return }
    try await order(
      { order in
        order.beaconURL = beacon.url
        order.controlURL = control.url
        order.until = end
      }, to: instance, bucket: bucket)
    // What it was given in time before, it can have read this by.
    let readable = last?.isInTime == true ? max(until, known) : until
    let moment = now()
    let renewal = Renewal(until: end, isInTime: moment + Self.readingTime < readable, writtenAt: moment)
    renewals.withLock { $0[instance.token] = renewal }
  }
}
