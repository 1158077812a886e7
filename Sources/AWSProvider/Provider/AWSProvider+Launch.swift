internal import Foundation
package import JobModel
internal import Logging
package import ProviderKit
internal import Synchronization

/// Launching: what is asked for is in the bucket before EC2 is asked, so that whoever goes on asks for the same.
extension AWSProvider {
  package func launch(_ request: LaunchRequest) async -> LaunchAnswer {
    guard let bucket = request.spec.s3Bucket else {
      return .refused(.launchError, "no bucket is named for the inputs; give run --s3-bucket, or aws.s3_bucket")
    }
    let answer: LaunchAnswer
    do throws(AWSError) {
      answer = try await launch(request, bucket)
    } catch {
      // Whatever this call met: where an earlier one may have launched something, that is found by its token. Before the
      // first one nothing can have been launched, but the same may work in a moment.
      let isOpen = isDoubtful(request) || error.isRetryable || [.cancelled, .unreadable].contains(error.code)
      answer = isOpen ? .unknown(error.description) : .refused(.launchError, error.description)
    }
    switch answer {
    case .unknown: doubts.withLock { _ = $0.insert(request.token) }
    case .launched: doubts.withLock { _ = $0.remove(request.token) }
    case .refused:
      doubts.withLock { _ = $0.remove(request.token) }
      // Nobody will read it, so nobody would remove it.
      await removeRemoteConfigurations([(request.job, request.attempt)], bucket: bucket)
    }
    return answer
  }

  private func isDoubtful(_ request: LaunchRequest) -> Bool { doubts.withLock { $0.contains(request.token) } }

  private func launch(_ request: LaunchRequest, _ bucket: String) async throws(AWSError) -> LaunchAnswer {
    let store = objects(bucket)
    var journal = try await journal(of: request, store)
    // All offers of an earlier plan were refused, so it is asked anew what there is.
    if journal?.plan.current == nil {
      let candidates = try await candidates(request.spec, avoid: try await lostZones(request, store))
      guard !candidates.isEmpty else {
        return .refused(.capacity, "no spot offer fits the job; see cloudjobs prices")
      }
      let round = journal.map { ($0.plan.round ?? 0) + 1 }
      journal = LaunchJournal(plan: LaunchPlan(token: request.token, candidates: candidates, round: round))
      try await remember(request, store)
    }
    while var entry = journal, let candidate = entry.plan.current {
      let order: LaunchOrder
      let isRepeated = entry.order != nil
      if let known = entry.order {
        order = known
      } else {
        order = try await makeOrder(request, entry.plan, candidate, store)
        entry.order = order
        try await write(entry, request, store)
      }
      do throws(AWSError) {
        let instance = try await ec2.run(order)
        return .launched(
          Launched(
            instance: instance.instance, price: HourlyPrice(microdollars: candidate.price),
            at: instance.launchedAt ?? now()))
      } catch {
        let verdict = LaunchPlanner.verdict(error, candidate)
        if isRepeated, let answer = await afterRepetition(request, verdict, error) { return answer }
        switch verdict {
        case .unknown(let message): return .unknown(message)
        case .refused(let reason, let message): return .refused(reason, message)
        case .ended:
          // A launch that was made is a launch, however short: what became of it is seen by observation.
          if case .found(let launched) = await find(request) { return .launched(launched) }
          return .refused(.launchError, "\(candidate.place): the instance of this launch has been ended already")
        case .next(let reason, let refusal):
          logger.info("Launch refused", metadata: ["offer": "\(candidate.place)", "error": "\(error)"])
          journal = LaunchJournal(plan: entry.plan.next(after: refusal, reason))
        }
      }
    }
    if let journal { try await write(journal, request, store) }
    let refusals = journal?.plan.refusals ?? []
    return .refused(
      journal?.plan.lackedCapacity == true ? .capacity : .launchError,
      "no offer could be had: " + refusals.suffix(3).joined(separator: "; "))
  }

  /// What a repeated call was refused for may be new, and the instance of the first call runs. Nil if it does not.
  private func afterRepetition(
    _ request: LaunchRequest, _ verdict: LaunchPlanner.Verdict, _ error: AWSError
  ) async -> LaunchAnswer? {
    switch verdict {
    case .unknown, .ended: return nil
    case .next, .refused: break
    }
    switch await find(request) {
    case .found(let launched): return .launched(launched)
    case .unreachable(let message): return .unknown(message)
    case .absent:
      // Who may not launch any more may be looking at the same account too early.
      return [.denied, .credentials].contains(error.code) ? .unknown(error.description) : nil
    }
  }

  package func find(_ request: LaunchRequest) async -> FindAnswer {
    doubts.withLock { _ = $0.insert(request.token) }
    guard let bucket = request.spec.s3Bucket else { return .absent }
    do throws(AWSError) {
      // Before the first order, and after the last one was refused, nothing runs.
      guard let entry = try await journal(of: request, objects(bucket)), entry.order != nil || entry.plan.current != nil
      else {
        doubts.withLock { _ = $0.remove(request.token) }
        return .absent
      }
      var found: [EC2Instance] = []
      for region in entry.plan.regions {
        found += try await ec2.instances(
          region: region, filters: [("tag:\(InstanceTags.token)", [request.token])])
        // Tags may show later than the instance.
        if found.isEmpty, let order = entry.order, order.candidate.region == region {
          found += try await ec2.instances(region: region, filters: [("client-token", [order.clientToken])])
        }
      }
      let best = found.first { !$0.isGone } ?? found.first
      guard let best else { return .absent }
      doubts.withLock { _ = $0.remove(request.token) }
      let price = entry.plan.candidates.first { $0.type == best.type && ($0.zone ?? best.zone) == best.zone }?.price
      return .found(
        Launched(
          instance: best.instance, price: HourlyPrice(microdollars: price ?? entry.plan.current?.price ?? 0),
          at: best.launchedAt ?? now()))
    } catch {
      return .unreachable(error.description)
    }
  }

  // MARK: The journal

  private func journal(of request: LaunchRequest, _ store: any ObjectStore) async throws(AWSError) -> LaunchJournal? {
    try await journal(request.job, request.attempt, store)
  }

  func journal(
    _ job: JobID, _ attempt: Int, _ store: any ObjectStore
  ) async throws(AWSError) -> LaunchJournal? {
    let key = BucketKeys.plan(job, attempt)
    guard let bytes = try await store.read(key, limit: 1 << 20) else { return nil }
    do {
      return try JSONDecoder().decode(LaunchJournal.self, from: Data(bytes))
    } catch {
      throw AWSError(
        .unreadable, "s3://\(store.bucket)/\(key) is no launch plan",
        remedy: "If no instance of job \(job) runs, remove the object and try again")
    }
  }

  private func write(
    _ journal: LaunchJournal, _ request: LaunchRequest, _ store: any ObjectStore
  ) async throws(AWSError) {
    try await store.write(BucketKeys.plan(request.job, request.attempt), Self.json(journal))
  }

  static func json(_ value: some Encodable) throws(AWSError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(value)) } catch {
      throw AWSError(.invalid, "a document can't be written as JSON: \(error)")
    }
  }

  /// Where earlier attempts of the job were: the zones that took them back.
  private func lostZones(_ request: LaunchRequest, _ store: any ObjectStore) async throws(AWSError) -> Set<String> {
    guard request.attempt > 1, request.spec.recovery?.zones != .same else { return [] }
    var zones: Set<String> = []
    for attempt in 1..<request.attempt {
      if let zone = try await journal(request.job, attempt, store)?.plan.current?.zone { zones.insert(zone) }
    }
    return zones
  }

  // MARK: The order

  private func makeOrder(
    _ request: LaunchRequest, _ plan: LaunchPlan, _ candidate: LaunchPlan.Candidate, _ store: any ObjectStore
  ) async throws(AWSError) -> LaunchOrder {
    // Addresses that are signed with credentials end with these.
    try await ec2.client.holdCredentials(atLeast: .seconds(300), wanted: .seconds(3600))
    let image: String
    if let named = settings.image {
      image = named
    } else {
      let type = try await ec2.types(named: [candidate.type], region: candidate.region).first
      image = try await images.amazonLinux(
        architecture: type?.architectures.first { $0 == "arm64" || $0 == "x86_64" } ?? settings.hardware.architecture,
        region: candidate.region)
    }
    var rootDevice: String?
    if settings.diskGigabytes != nil, settings.image != nil {
      rootDevice = try await ec2.rootDevice(ofImage: image, region: candidate.region)
    }
    let userData = try await material(request, candidate, store)
    guard userData.utf8.count <= 16_384 else {
      throw AWSError(.invalid, "the user data of the instance would be \(userData.utf8.count) bytes; EC2 takes 16384")
    }
    let database = request.spec.database ?? ""
    return LaunchOrder(
      candidate: candidate,
      clientToken: LaunchOrder.clientToken(
        database: database, attempt: request.token, candidate: candidate, index: plan.step),
      image: image, userData: userData,
      tags: InstanceTags.all(
        job: request.job, token: request.token, database: database, bucket: store.bucket, name: request.spec.name),
      keyName: settings.keyName, securityGroup: settings.securityGroup, subnet: settings.subnet,
      profile: settings.profile, diskGigabytes: settings.diskGigabytes,
      rootDevice: rootDevice ?? LaunchOrder.amazonLinuxRoot, maximumPrice: settings.maximumPrice)
  }
}

/// What the bucket remembers of a launch: the plan, and the very call that is being made.
struct LaunchJournal: Sendable, Hashable, Codable {
  var plan: LaunchPlan
  /// The same call must be made again under the same client token, to the letter.
  var order: LaunchOrder?
}
