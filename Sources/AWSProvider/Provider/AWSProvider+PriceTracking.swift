package import JobModel
internal import Logging
package import ProviderKit

/// What running instances cost from one moment to the next: one question a region, however many instances it has.
extension AWSProvider: PriceTracking {
  package func priceChanges(
    of instances: [(reference: InstanceReference, since: Timestamp)]
  ) async -> [String: [PriceSegment]] {
    await segments(of: instances, by: priceTrack)
  }

  /// By token: what each instance costs from one moment to the next.
  func segments(
    of instances: [(reference: InstanceReference, since: Timestamp)], by track: PriceTrack
  ) async -> [String: [PriceSegment]] {
    // Without its zone nobody knows what an instance is charged.
    let placed = instances.filter { $0.reference.instance.zone != nil }
    let byRegion = Dictionary(grouping: placed) { $0.reference.instance.region }
    let logger = logger
    let histories = await withTaskGroup(of: (String, PriceHistory?).self) { group in
      for (region, members) in byRegion {
        let wanted = Dictionary(members.map { ($0.reference.instance.type, $0.since) }, uniquingKeysWith: min)
        group.addTask {
          do throws(AWSError) {
            return (region, try await track.history(region: region, since: wanted))
          } catch {
            logger.warning("Prices of a region are not known", metadata: ["region": "\(region)", "error": "\(error)"])
            return (region, nil)
          }
        }
      }
      var histories: [String: PriceHistory] = [:]
      for await (region, history) in group { histories[region] = history }
      return histories
    }
    var answers: [String: [PriceSegment]] = [:]
    for (reference, since) in placed {
      guard let zone = reference.instance.zone, let history = histories[reference.instance.region] else { continue }
      let offer = SpotPrice.Offer(type: reference.instance.type, zone: zone)
      guard history.segments[offer] != nil else { continue }
      answers[reference.token] = history.segments(of: offer, from: since)
    }
    return answers
  }
}
