import Foundation
import JobModel

/// Instances of a stand-in for AWS, and the running jobs that they belong to.
struct Fleet: Decodable, Sendable {
  let bucket: String
  /// Instance ids by region.
  let instances: [String: [String]]

  /// - Parameter path: of a file with these fields as JSON.
  init(path: String) throws {
    self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  var regions: [String] { instances.keys.sorted() }

  /// One running job for every instance, mixed over the regions as they come in life.
  func jobs(now: Timestamp) -> [Job] {
    let factory = JobFactory(mix: .open, now: now)
    var placed = instances.flatMap { region, ids in ids.map { (region, $0) } }.sorted { $0 < $1 }
    var generator = SeededGenerator(seed: 1)
    placed.shuffle(using: &generator)
    return placed.enumerated().map { index, place in
      var job = factory.job(index)
      job.spec.s3Bucket = bucket
      job.attempt.instance?.region = place.0
      job.attempt.instance?.zone = place.0 + "a"
      job.attempt.instance?.id = place.1
      return job
    }
  }
}
