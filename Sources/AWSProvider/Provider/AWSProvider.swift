internal import Foundation
package import JobModel
package import Logging
package import ProviderKit
internal import Synchronization

/// Spot instances of Amazon EC2, with inputs, beacons and orders in a bucket of S3.
package final class AWSProvider: Provider, SSHReachable, FileListing, ChannelLife {
  package let settings: AWSProviderSettings
  package let ec2: EC2Client
  package let prices: SpotPrices
  let priceTrack: PriceTrack
  /// For instances that are over. What runs is asked for elsewhere, with other types and moments.
  let endTrack: PriceTrack
  let marketCache: MarketCache
  let logger: Logger
  let now: @Sendable () -> Timestamp
  private let makeObjects: @Sendable (String) -> any ObjectStore
  private let indexes: BeaconIndexes
  let images: ImageCatalog
  /// The addresses that an instance was given last, by token.
  let renewals = Mutex<[String: Renewal]>([:])
  /// Attempts of which an instance may run that no call here has shown: whose launch was not answered, or who were looked for.
  let doubts = Mutex<Set<String>>([])

  struct Renewal: Sendable, Hashable {
    /// Until when they hold.
    var until: Timestamp
    /// Whether the instance could still read them when they were written.
    var isInTime: Bool
    var writtenAt: Timestamp
    /// Whether they were still there a while later: another process may have written an order of its own over them.
    var isVerified = false
  }

  /// - Parameters:
  ///   - marketCache: where prices are kept for some minutes; nil for in this process only.
  ///   - objects: gives access to a bucket by its name.
  package init(
    settings: AWSProviderSettings, client: AWSClient, logger: Logger, now: @escaping @Sendable () -> Timestamp,
    marketCache: MarketCache? = nil, objects: @escaping @Sendable (String) -> any ObjectStore
  ) {
    self.settings = settings
    ec2 = EC2Client(client)
    prices = SpotPrices(ec2: ec2, now: now)
    priceTrack = PriceTrack(prices: prices, now: now)
    // Whoever is told of an end waits for it.
    endTrack = PriceTrack(
      prices: prices, options: CallOptions(isIdempotent: true, deadline: .seconds(10), tryTimeout: .seconds(5)),
      now: now)
    self.marketCache = marketCache ?? MarketCache(folder: nil, now: now)
    images = ImageCatalog(client: client)
    self.logger = logger
    self.now = now
    makeObjects = objects
    indexes = BeaconIndexes(now: now, make: objects)
  }

  package var name: ProviderName { .aws }
  package var billing: BillingRule { .ec2Spot }
  /// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html tells to wait up to five minutes.
  package var visibilityDelay: Duration { .seconds(300) }
  /// One DescribeInstances takes 1,000 ids of one region. Several of them for each region, because the last one of a region
  /// is seldom full.
  package var observeLimit: Int { 4000 * max(1, settings.regions.count) }

  func objects(_ bucket: String) -> any ObjectStore { makeObjects(bucket) }

  func beacons(_ bucket: String) async -> BeaconIndex { await indexes.index(bucket) }

  // MARK: Offers

  package func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    do throws(AWSError) {
      let quotes = try await candidates(spec, avoid: []).map { candidate in
        Quote(
          instanceType: candidate.type, region: candidate.region, zone: candidate.zone,
          price: HourlyPrice(microdollars: candidate.price))
      }
      guard var best = quotes.first else {
        throw AWSError(
          .capacity, "no spot offer fits: \(Self.wish(spec, settings))",
          remedy: "See cloudjobs prices, or name --instance-type and --region")
      }
      best.alternatives = Array(quotes.dropFirst())
      return best
    } catch {
      throw ProviderError(error)
    }
  }

  /// Where a job may be launched, the best first.
  func candidates(_ spec: JobSpec, avoid zones: Set<String>) async throws(AWSError) -> [LaunchPlan.Candidate] {
    let regions = spec.region.map { [$0] } ?? settings.regions
    var types = spec.instanceType.map { [$0] } ?? settings.instanceTypes
    if types.isEmpty {
      types = try await fittingTypes(regions)
    }
    guard !types.isEmpty else { return [] }
    var found = try await pricesEverywhere(types: types, regions: regions)
    if let subnet = settings.subnet {
      // A subnet is in one zone, and nothing can be launched in it elsewhere.
      var zones: Set<String> = []
      var failure: AWSError?
      for region in regions {
        do throws(AWSError) {
          if let zone = try await ec2.zone(ofSubnet: subnet, region: region) { zones.insert(zone) }
        } catch {
          failure = error
        }
      }
      if zones.isEmpty, let failure { throw failure }
      guard !zones.isEmpty else {
        throw AWSError(
          .notFound, "there is no subnet \(subnet) in \(regions.joined(separator: ", "))",
          remedy: "Correct aws.subnet_id, or leave it out")
      }
      found = found.filter { zones.contains($0.zone) }
    }
    return LaunchPlanner.candidates(
      found, types: types, regions: regions, maximum: settings.maximumPrice, avoid: zones,
      prefer: spec.preferredZone, limit: settings.tries)
  }

  /// The types that meet the needs, by the first region that answers: they are the same everywhere, as far as a region has them.
  private func fittingTypes(_ regions: [String]) async throws(AWSError) -> [String] {
    var failure: AWSError?
    for region in regions {
      do throws(AWSError) {
        return try await ec2.types(settings.hardware, region: region).map(\.name).sorted()
      } catch {
        failure = error
        guard error.code != .cancelled else { break }
      }
    }
    if let failure { throw failure }
    return []
  }

  /// The prices that hold now, of all regions side by side. A region that does not answer is left out if another one does.
  package func pricesEverywhere(types: [String], regions: [String]) async throws(AWSError) -> [SpotPrice] {
    let prices = prices
    // One child a region; there are a few dozen of them at most.
    let results = await withTaskGroup(of: Result<[SpotPrice], AWSError>.self) { group in
      for region in regions {
        group.addTask {
          do throws(AWSError) {
            return .success(try await prices.prices(types: types, region: region))
          } catch {
            return .failure(error)
          }
        }
      }
      var all: [Result<[SpotPrice], AWSError>] = []
      for await result in group { all.append(result) }
      return all
    }
    var found: [SpotPrice] = []
    var failure: AWSError?
    for result in results {
      switch result {
      case .success(let prices): found += prices
      case .failure(let error): failure = error
      }
    }
    if found.isEmpty, let failure { throw failure }
    if let failure { logger.warning("No spot prices of a region", metadata: ["error": "\(failure)"]) }
    return found
  }

  private static func wish(_ spec: JobSpec, _ settings: AWSProviderSettings) -> String {
    let types =
      spec.instanceType
      ?? (settings.instanceTypes.isEmpty ? "any type" : settings.instanceTypes.joined(separator: ", "))
    let regions = spec.region ?? settings.regions.joined(separator: ", ")
    let limit = settings.maximumPrice.map { ", at most \($0.formatted)" } ?? ""
    return "\(types) in \(regions)\(limit)"
  }

  // MARK: Reaching

  package func place(of instance: InstanceReference) -> SSHPlace? {
    guard let host = instance.instance.publicIP ?? instance.instance.privateIP else { return nil }
    return SSHPlace(
      alias: instance.token, host: host, user: settings.sshUser, directory: AWSProviderSettings.directory,
      elevated: settings.sshUser != "root")
  }

  package func inputs(of instance: InstanceReference) async -> FileCount? {
    guard let bucket = instance.bucket else { return nil }
    let prefix = BucketKeys.inputs(instance.job)
    guard let found = try? await objects(bucket).list(prefix) else { return nil }
    return FileCount(files: found.count, bytes: found.reduce(0) { $0 + $1.size })
  }
}

/// The indexes of beacons, one a bucket, shared by all calls of this process.
actor BeaconIndexes {
  private let now: @Sendable () -> Timestamp
  private let make: @Sendable (String) -> any ObjectStore
  private var indexes: [String: BeaconIndex] = [:]

  init(now: @escaping @Sendable () -> Timestamp, make: @escaping @Sendable (String) -> any ObjectStore) {
    self.now = now
    self.make = make
  }

  func index(_ bucket: String) -> BeaconIndex {
    if let known = indexes[bucket] { return known }
    let index = BeaconIndex(objects: make(bucket), freshness: .seconds(1), now: now)
    indexes[bucket] = index
    return index
  }
}

extension ProviderError {
  package init(_ error: AWSError) {
    let code: ProviderError.Code =
      switch error.code {
      case .denied, .credentials: .notPermitted
      case .configuration: .notConfigured
      case .invalid, .notFound, .conflict, .precondition, .wrongRegion: .invalid
      case .throttled, .clock, .capacity, .quota, .unavailable, .unreachable, .unreadable, .cancelled: .unavailable
      }
    self.init(code, error.message, remedy: error.remedy.isEmpty ? "Try again in a while" : error.remedy)
  }
}
