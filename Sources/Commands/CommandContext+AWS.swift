internal import AWSProvider
internal import Configuration
internal import Foundation
internal import JobModel
internal import Logging
internal import Monitor
internal import ProviderKit
internal import Synchronization
internal import Transport

/// Providers that were built once and are shared by all of a process: their limits and caches hold for it as a whole.
final class SharedProviders: Sendable {
  private let built = Mutex<[ProviderName: any Provider]>([:])

  func provider(_ name: ProviderName, make: () -> any Provider) -> any Provider {
    built.withLock { built in
      if let known = built[name] { return known }
      let provider = make()
      built[name] = provider
      return provider
    }
  }
}

extension CommandContext {
  /// EC2, as config.json and the user's AWS files have it. Nothing is asked before it is used.
  func awsProvider() -> any Provider {
    do throws(AWSError) {
      let settings = try awsSettings()
      let clock = clock
      let client = awsClient(settings, credentialSource(HTTPClient()))
      let storage = S3Client(client)
      return AWSProvider(
        settings: awsProviderSettings(region: settings.region), client: client, logger: logger, now: { clock.now() },
        marketCache: marketCache, objects: { S3Bucket($0, storage) })
    } catch {
      return UnusableProvider(name: .aws, billing: .ec2Spot, error: ProviderError(error))
    }
  }

  /// What `doctor` looks at AWS with. Few tries: whoever waits for it wants to know that something does not answer.
  func awsExamination() throws(AWSError) -> AWSExamination {
    var settings = try awsSettings()
    settings.maxTries = 2
    let clock = clock
    let source = credentialSource(HTTPClient())
    return AWSExamination(
      settings: awsProviderSettings(region: settings.region), client: awsClient(settings, source), credentials: source,
      probeID: String(UInt64.random(in: .min ... .max), radix: 36), now: { clock.now() })
  }

  private func credentialSource(_ http: HTTPClient) -> CredentialSource {
    let clock = clock
    return CredentialSource(
      CredentialChain(environment: environment, profile: settings.aws.string("profile"), http: http),
      now: { clock.now() })
  }

  private func awsClient(_ settings: AWSSettings, _ credentials: CredentialSource) -> AWSClient {
    let clock = clock
    return AWSClient(
      settings: settings, http: HTTPClient(), credentials: credentials,
      clock: AWSClock(now: { clock.now() }, sleep: { try await clock.sleep(until: $0) }))
  }

  /// Prices of the last minutes, kept for the next command. Whoever names other credentials may have another account.
  private var marketCache: MarketCache {
    let clock = clock
    let names = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE"].compactMap { environment[$0] }
    return MarketCache(
      folder: cacheFolder, account: ([settings.aws.string("profile") ?? ""] + names).joined(separator: ","),
      now: { clock.now() })
  }

  /// How AWS is called: the region and the endpoints that hold here.
  private func awsSettings() throws(AWSError) -> AWSSettings {
    func text(_ path: String) -> String? {
      FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }
    let profiles = try AWSProfiles(
      config: text(AWSProfiles.configPath(environment)), credentials: text(AWSProfiles.credentialsPath(environment)))
    let keys = try profiles.chosen(explicit: settings.aws.string("profile"), environment: environment).keys
    let own = settings.aws.string("region") ?? settings.aws.strings("regions").first
    guard let region = AWSProfiles.region(environment: environment, profile: [:]) ?? own ?? keys["region"] else {
      throw AWSError(
        .configuration, "no AWS region is named", remedy: "Set aws.region in config.json, or AWS_REGION")
    }
    let bundle = environment["AWS_CA_BUNDLE"].flatMap { $0.isEmpty ? nil : $0 } ?? keys["ca_bundle"]
    return AWSSettings(
      region: region,
      endpoints: try AWSEndpoints(environment: environment, profile: keys, services: profiles.services(of: keys)),
      caFile: bundle)
  }

  func awsProviderSettings(region: String) -> AWSProviderSettings {
    let aws = settings.aws
    let hardware = settings.hardware
    func mebibytes(_ key: String) -> Int64? { hardware.double(key).map { Int64(($0 * 1024).rounded()) } }
    let needs = HardwareNeeds(
      minimumCores: hardware.integer("min_vcpu") ?? 1, maximumCores: hardware.integer("max_vcpu"),
      minimumMemory: mebibytes("min_memory_gb") ?? 0, maximumMemory: mebibytes("max_memory_gb"),
      architecture: hardware.string("architecture") ?? "x86_64", minimumGPUs: hardware.integer("min_gpus") ?? 0)
    let named = aws.strings("regions")
    var result = AWSProviderSettings(
      regions: named.isEmpty ? [region] : named, hardware: needs, sshUser: sshUser(.aws) ?? "ec2-user")
    result.instanceTypes = aws.strings("instance_types")
    if result.instanceTypes.isEmpty, let type = aws.string("instance_type") { result.instanceTypes = [type] }
    result.bucket = aws.string("s3_bucket")
    result.profile = aws.string("iam_role")
    result.keyName = aws.string("key_name")
    result.securityGroup = aws.string("security_group")
    result.subnet = aws.string("subnet_id")
    result.image = aws.string("ami_id")
    result.rcloneConfigSecret = aws.string("rclone_config_secret")
    result.rcloneConfigFile = aws.string("rclone_config_file").map(absolute) ?? rcloneConfigFile
    if let archive = aws.string("rclone_archive") { result.rcloneArchive = archive == "none" ? nil : archive }
    result.rcloneSums = (aws["rclone_sha256"]?.object ?? [:]).compactMapValues { $0.string?.lowercased() }
    result.diskGigabytes = aws.integer("disk_gb")
    result.excludedInputs = aws.strings("exclude_patterns")
    result.skippedInputs = Set(databaseFiles)
    result.maximumPrice = aws["max_price_per_hour"].flatMap { value in
      value.string.flatMap { HourlyPrice($0) } ?? value.double.flatMap { HourlyPrice(dollars: $0) }
    }
    result.sync = syncSettings
    return result
  }

  /// Where rclone itself looks (https://rclone.org/docs/#config-string).
  private var rcloneConfigFile: String? {
    if let named = syncSettings.environment["RCLONE_CONFIG"] { return absolute(named) }
    return environment["HOME"].map { $0 + "/.config/rclone/rclone.conf" }
  }
}
