package import JobModel
internal import Logging
package import ProviderKit
internal import Synchronization

/// What instances are doing: one call for a thousand of a region, and one listing for all beacons of a bucket.
extension AWSProvider {
  package func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    let known = await states(instances)
    // The last words of an instance that is gone must be among them.
    let isAnyGone = known.values.contains { $0.isGone }
    let words = await beacons(instances, asOf: isAnyGone ? now() : nil)
    var answers: [String: Observation] = [:]
    var over: [InstanceReference] = []
    for reference in instances {
      let state = known[reference.instance.id] ?? .unreachable("EC2 was not asked")
      let answer = state.observation(
        beacon: renewed(words.found[reference.token], reference.token),
        // In a bucket that is gone nothing will be found later either.
        failure: words.lost.contains(reference.token) && state.isGone ? nil : words.failures[reference.token])
      answers[reference.token] = answer
      guard case .known(let report) = answer, report.state == .terminated else { continue }
      over.append(reference)
      renewals.withLock { $0[reference.token] = nil }
    }
    if !over.isEmpty {
      for (token, prices) in await settle(over, known) {
        guard case .known(var report)? = answers[token] else { continue }
        report.prices = prices
        answers[token] = .known(report)
      }
    }
    await renewChannels(instances.filter { known[$0.instance.id]?.isAlive == true }, words.found)
    return answers
  }

  /// Removes what was left in the bucket for instances that are over, and tells by token what they have cost. The answers wait
  /// for this, so it is given up after a while.
  private func settle(_ over: [InstanceReference], _ known: [String: State]) async -> [String: [PriceSegment]] {
    let clock = ec2.client.clock
    return await withTaskGroup(of: [String: [PriceSegment]]?.self) { group in
      group.addTask { await self.settled(over, known) }
      group.addTask {
        do { try await clock.sleep(clock.now() + Self.settling) } catch { return nil }
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first ?? [:]
    }
  }

  private static let settling = Duration.seconds(15)

  private func settled(_ over: [InstanceReference], _ known: [String: State]) async -> [String: [PriceSegment]] {
    for (bucket, members) in Dictionary(grouping: over, by: \.bucket) {
      guard let bucket else { continue }
      await removeRemoteConfigurations(members.map { ($0.job, $0.attempt) }, bucket: bucket)
    }
    let questions = over.compactMap { reference -> (reference: InstanceReference, since: Timestamp)? in
      guard let since = reference.launchedAt ?? known[reference.instance.id]?.launchedAt else { return nil }
      return (reference, since)
    }
    return await segments(of: questions, by: endTrack)
  }

  private enum State: Sendable {
    case known(EC2Instance)
    case absent
    case unreachable(String)

    /// Whether its last words are said.
    var isGone: Bool {
      switch self {
      case .known(let instance): instance.isGone
      case .absent: true
      case .unreachable: false
      }
    }

    /// - Parameter failure: why the last words could not be read.
    func observation(beacon: Beacon?, failure: String?) -> Observation {
      // Nothing more comes after this look, so whoever may have ended well is not judged without his last words.
      if isGone, let failure { return .unreachable("the last words of the instance can't be read: \(failure)") }
      switch self {
      case .known(let instance):
        var report = instance.report(beacon: beacon)
        report.isUnheard = failure != nil
        return .known(report)
      case .absent:
        // EC2 forgets an instance an hour after its end. What it has published says how it ended, and when.
        guard let beacon, beacon.isOver else { return .absent }
        return .known(
          .init(state: .terminated, endedAt: Timestamp(milliseconds: beacon.heartbeatAt), beacon: beacon))
      case .unreachable(let message): return .unreachable(message)
      }
    }

    var launchedAt: Timestamp? { if case .known(let instance) = self { instance.launchedAt } else { nil } }

    var isAlive: Bool { if case .known(let instance) = self { !instance.isGone } else { false } }
  }

  /// By instance id.
  private func states(_ instances: [InstanceReference]) async -> [String: State] {
    let byRegion = Dictionary(grouping: instances, by: \.instance.region).flatMap { region, references in
      let ids = references.map(\.instance.id)
      return stride(from: 0, to: ids.count, by: 1000).map { (region, Array(ids[$0..<min($0 + 1000, ids.count)])) }
    }
    let ec2 = ec2
    return await withTaskGroup(of: [String: State].self) { group in
      for (region, ids) in byRegion {
        group.addTask {
          do throws(AWSError) {
            let found = try await ec2.instances(ids, region: region)
            var states = Dictionary(ids.map { ($0, State.absent) }) { first, _ in first }
            for instance in found { states[instance.id] = .known(instance) }
            return states
          } catch {
            let message = error.description
            return Dictionary(ids.map { ($0, State.unreachable(message)) }) { first, _ in first }
          }
        }
      }
      var all: [String: State] = [:]
      for await part in group { all.merge(part) { first, _ in first } }
      return all
    }
  }

  /// By token, with why some could not be read, and those whose bucket is gone. A bucket that can't be read is no reason to
  /// doubt instances that run.
  private func beacons(
    _ instances: [InstanceReference], asOf moment: Timestamp?
  ) async -> (found: [String: Beacon], failures: [String: String], lost: Set<String>) {
    var found: [String: Beacon] = [:]
    var lost: Set<String> = []
    var failures: [String: String] = [:]
    for (bucket, references) in Dictionary(grouping: instances, by: \.bucket) {
      guard let bucket else { continue }
      let tokens = references.map(\.token)
      do throws(AWSError) {
        let answer = try await beacons(bucket).look(for: tokens, asOf: moment)
        found.merge(answer.found) { first, _ in first }
        failures.merge(answer.failures.mapValues(\.description)) { first, _ in first }
      } catch {
        for token in tokens { failures[token] = error.description }
        if error.code == .notFound { lost.formUnion(tokens) }
        logger.warning("Beacons could not be read", metadata: ["bucket": "\(bucket)", "error": "\(error)"])
      }
    }
    return (found, failures, lost)
  }

  // MARK: Ending

  package func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    if finalSync, let bucket = instance.bucket {
      do throws(AWSError) {
        // An instance whose script has never said a word hears no order either.
        guard try await beacons(bucket).knows(instance.token) else { return await end(instance) }
        try await order({ $0.terminate = true }, to: instance, bucket: bucket)
        return .accepted
      } catch {
        // It is tried again, and ends without its last copy only when that has taken too long.
        return .failed("the order to end \(instance.instance.id) could not be written: \(error)")
      }
    }
    return await end(instance)
  }

  private func end(_ instance: InstanceReference) async -> TerminateAnswer {
    do throws(AWSError) {
      try await ec2.terminate([instance.instance.id], region: instance.instance.region)
      if let request = instance.instance.spotRequestID {
        try await ec2.cancelSpotRequests([request], region: instance.instance.region)
      }
      return .accepted
    } catch {
      return .failed(error.description)
    }
  }
}
