internal import Synchronization

/// In which region each bucket was found to be.
final class BucketRegions: Sendable {
  private let known = Mutex<[String: String]>([:])

  subscript(bucket: String) -> String? {
    get { known.withLock { $0[bucket] } }
    set { known.withLock { $0[bucket] = newValue } }
  }
}
