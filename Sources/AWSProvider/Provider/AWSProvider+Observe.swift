package import JobModel
internal import Logging
package import ProviderKit

/// What instances are doing: one call for a thousand of a region, and one listing for all beacons of a bucket.
extension AWSProvider {
  package func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    let known = await states(instances)
    // The last words of an instance that is gone must be among them.
    let isAnyGone = known.values.contains { if case .known(let instance) = $0 { instance.isGone } else { false } }
    let words = await beacons(instances, asOf: isAnyGone ? now() : nil)
    var answers: [String: Observation] = [:]
    for reference in instances {
      switch known[reference.instance.id] {
      case .known(let instance):
        answers[reference.token] = .known(instance.report(beacon: words[reference.token]))
      case .absent: answers[reference.token] = .absent
      case .unreachable(let message): answers[reference.token] = .unreachable(message)
      case nil: answers[reference.token] = .unreachable("EC2 was not asked")
      }
    }
    await renewChannels(instances.filter { known[$0.instance.id]?.isAlive == true }, words)
    return answers
  }

  private enum State: Sendable {
    case known(EC2Instance)
    case absent
    case unreachable(String)

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

  /// By token. A bucket that can't be read is no reason to doubt the instances: their heartbeat is what grows old.
  private func beacons(_ instances: [InstanceReference], asOf moment: Timestamp?) async -> [String: Beacon] {
    var all: [String: Beacon] = [:]
    for (bucket, references) in Dictionary(grouping: instances, by: \.bucket) {
      guard let bucket else { continue }
      do {
        all.merge(try await beacons(bucket).beacons(of: references.map(\.token), asOf: moment)) { first, _ in first }
      } catch {
        logger.warning("Beacons could not be read", metadata: ["bucket": "\(bucket)", "error": "\(error)"])
      }
    }
    return all
  }

  // MARK: Ending

  package func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    if finalSync, let bucket = instance.bucket, await hasSpoken(instance, bucket) {
      do throws(AWSError) {
        try await order({ $0.terminate = true }, to: instance, bucket: bucket)
        return .accepted
      } catch {
        return .failed("the order to end \(instance.instance.id) could not be written: \(error)")
      }
    }
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

  /// An instance whose script has never said a word hears no order either.
  private func hasSpoken(_ instance: InstanceReference, _ bucket: String) async -> Bool {
    (try? await beacons(bucket).knows(instance.token)) ?? false
  }
}
