package import JobModel

/// A bucket, as far as launching and watching instances needs one.
package protocol ObjectStore: Sendable {
  var bucket: String { get }
  /// Where the bucket was found to be.
  var region: String { get }
  /// How much later the clock is by which objects are dated, as far as that matters.
  var clockSkew: Duration { get }
  /// The object's bytes; nil if there is none. At most `limit` bytes.
  func read(_ key: String, limit: Int) async throws(AWSError) -> [UInt8]?
  func write(_ key: String, _ bytes: [UInt8]) async throws(AWSError)
  /// Every object whose key begins with `prefix`, page by page.
  func list(_ prefix: String) async throws(AWSError) -> [StoredObject]
  func delete(_ keys: [String]) async throws(AWSError)
  /// An address by which somebody without credentials may do one thing with one object, for at most `lifetime`.
  func presigned(
    _ method: PresignedAddress.Method, _ key: String, lifetime: Duration
  ) async throws(AWSError) -> PresignedAddress
}

package struct StoredObject: Sendable, Hashable {
  package var key: String
  package var size: Int64
  package var etag: String
  package var modified: Timestamp

  package init(key: String, size: Int64, etag: String, modified: Timestamp) {
    self.key = key
    self.size = size
    self.etag = etag
    self.modified = modified
  }
}

/// A bearer's address: whoever has it may use it, so it is as good as a secret.
package struct PresignedAddress: Sendable, Hashable {
  package enum Method: String, Sendable, Hashable {
    case get = "GET"
    case put = "PUT"
    case delete = "DELETE"
  }

  package var url: String
  /// When it holds no more: its lifetime is over, or that of the credentials that signed it.
  package var until: Timestamp

  package init(url: String, until: Timestamp) {
    self.url = url
    self.until = until
  }
}

/// Where what belongs to an attempt lies in its bucket.
package enum BucketKeys {
  /// All beacons lie under one prefix, so that one listing shows which of them are new.
  package static let beacons = "_cloudjobs/beacons/"

  package static func beacon(_ token: String) -> String { "\(beacons)\(token).json" }
  package static func inputs(_ job: JobID) -> String { "\(job)/input/" }
  package static func manifest(_ job: JobID) -> String { "\(job)/input.json" }
  /// All records of jobs lie under one prefix too, from which a lost database is rebuilt.
  package static let jobs = "_cloudjobs/jobs/"
  package static func job(_ job: JobID) -> String { "\(jobs)\(job).json" }
  /// The job whose record a key is, or nil for another object.
  package static func job(_ key: String) -> JobID? {
    guard key.hasPrefix(jobs), key.hasSuffix(".json") else { return nil }
    return JobID(String(key.dropFirst(jobs.count).dropLast(5)))
  }
  package static func attempts(_ job: JobID) -> String { "\(job)/attempts/" }
  /// The number of the attempt whose plan a key holds, or nil for another object.
  package static func attempt(_ key: String, of job: JobID) -> Int? {
    let prefix = attempts(job)
    guard key.hasPrefix(prefix), key.hasSuffix(".json") else { return nil }
    return Int(key.dropFirst(prefix.count).dropLast(5))
  }
  package static func plan(_ job: JobID, _ attempt: Int) -> String { "\(job)/attempts/\(attempt).json" }
  package static func bundle(_ job: JobID, _ attempt: Int) -> String { "\(job)/attempts/\(attempt).bundle" }
  package static func control(_ job: JobID, _ attempt: Int) -> String { "\(job)/attempts/\(attempt).control" }
  package static func rclone(_ job: JobID, _ attempt: Int) -> String { "\(job)/attempts/\(attempt).rclone" }

  /// An object by which somebody finds out what he may do; it is removed at once.
  package static func probe(_ id: String) -> String { "_cloudjobs/doctor-\(id)" }

  /// The token of a beacon's key, or nil for another object.
  package static func token(_ key: String) -> String? {
    guard key.hasPrefix(beacons), key.hasSuffix(".json") else { return nil }
    return String(key.dropFirst(beacons.count).dropLast(5))
  }
}
