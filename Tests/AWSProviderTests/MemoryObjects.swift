import AWSProvider
import JobModel
import Synchronization

/// A bucket in memory that counts what it is asked.
final class MemoryObjects: ObjectStore {
  let bucket: String
  let region = "eu-central-1"
  private let state = Mutex(State())

  struct State {
    var objects: [String: (bytes: [UInt8], modified: Timestamp)] = [:]
    var reads: [String] = []
    var lists = 0
    /// How long a listing takes.
    var listTime = Duration.zero
    var failure: AWSError?
    /// Keys that can't be read.
    var unreadable: Set<String> = []
    var skew = Duration.zero
    var now = Timestamp(seconds: 1_800_000_000)
  }

  init(bucket: String = "bucket") { self.bucket = bucket }

  func with<Value>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

  var clockSkew: Duration { with { $0.skew } }

  private func check() throws(AWSError) { if let failure = with({ $0.failure }) { throw failure } }

  func read(_ key: String, limit: Int) async throws(AWSError) -> [UInt8]? {
    try check()
    if with({ $0.unreadable.contains(key) }) { throw AWSError(.throttled, "slow down") }
    return with {
      $0.reads.append(key)
      return $0.objects[key]?.bytes
    }
  }

  func write(_ key: String, _ bytes: [UInt8]) async throws(AWSError) {
    try check()
    with { $0.objects[key] = (bytes, $0.now) }
  }

  func list(_ prefix: String) async throws(AWSError) -> [StoredObject] {
    try check()
    return with { state in
      state.lists += 1
      state.now = state.now + state.listTime
      return state.objects.filter { $0.key.hasPrefix(prefix) }.map { key, object in
        StoredObject(
          key: key, size: Int64(object.bytes.count), etag: String(object.bytes.hashValue), modified: object.modified)
      }
    }
  }

  func delete(_ keys: [String]) async throws(AWSError) {
    with { state in for key in keys { state.objects[key] = nil } }
  }

  func presigned(
    _ method: PresignedAddress.Method, _ key: String, lifetime: Duration
  ) async throws(AWSError) -> PresignedAddress {
    try check()
    return PresignedAddress(
      url: "https://\(bucket).example/\(key)?\(method.rawValue)", until: with { $0.now } + lifetime)
  }
}
