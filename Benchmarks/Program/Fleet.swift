import Foundation
import JobModel

/// Instances of a stand-in for AWS, and the running jobs that they belong to.
struct Fleet: Decodable, Sendable {
  let bucket: String
  /// By region.
  let instances: [String: [Place]]

  /// What the stand-in says of an instance: a job that knows it otherwise would only be corrected when it is observed.
  struct Place: Decodable, Sendable {
    let id: String
    let type: String
    let zone: String
    let `public`: String?
    let `private`: String?
  }

  /// - Parameter path: of a file with these fields as JSON.
  init(path: String) throws {
    self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  var regions: [String] { instances.keys.sorted() }

  /// One running job for every instance, mixed over the regions as they come in life.
  func jobs(now: Timestamp) -> [Job] {
    let factory = JobFactory(mix: .open, now: now)
    var placed = instances.flatMap { region, places in places.map { (region: region, place: $0) } }
    placed.sort { ($0.region, $0.place.id) < ($1.region, $1.place.id) }
    var generator = SeededGenerator(seed: 1)
    placed.shuffle(using: &generator)
    return placed.enumerated().map { index, placed in
      var job = factory.job(index)
      job.spec.s3Bucket = bucket
      // Copies are a matter between an instance and the Drive; here nobody makes any.
      job.spec.gdrivePath = nil
      var instance = Instance(id: placed.place.id, type: placed.place.type, region: placed.region)
      instance.zone = placed.place.zone
      instance.publicIP = placed.place.public
      instance.privateIP = placed.place.private
      job.attempt.instance = instance
      return job
    }
  }
}
