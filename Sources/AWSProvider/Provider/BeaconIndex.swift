internal import Foundation
package import JobModel

/// The beacons of one bucket: one listing for everybody who asks within a moment, and only what changed is read.
///
/// A beacon is published in a form that stays the same while nothing worth reading changes, so its ETag does too, and the
/// time at which the object was written is the heartbeat.
package actor BeaconIndex {
  private let objects: any ObjectStore
  /// A listing that is younger is taken for the present one.
  private let freshness: Duration
  private let now: @Sendable () -> Timestamp
  private var entries: [String: Entry] = [:]
  private var listedAt: Timestamp?
  private var listing: Task<Void, any Error>?

  private struct Entry {
    var etag: String
    var modified: Timestamp
    /// Nil while it was not read, or could not be.
    var beacon: Beacon?
    var isRead: Bool
  }

  /// Beacons are small; more is no beacon.
  private static let limit = 65_536
  private static let readers = 16

  package init(objects: any ObjectStore, freshness: Duration, now: @escaping @Sendable () -> Timestamp) {
    self.objects = objects
    self.freshness = freshness
    self.now = now
  }

  /// The beacons of these attempts, as far as there are any.
  ///
  /// - Parameter moment: a listing that was begun earlier is not good enough. Nil takes one that is a moment old.
  package func beacons(
    of tokens: [String], asOf moment: Timestamp? = nil
  ) async throws(AWSError) -> [String: Beacon] {
    let answer = try await look(for: tokens, asOf: moment)
    if let failure = answer.failures.values.first, answer.failures.count == tokens.count { throw failure }
    return answer.found
  }

  /// The same, with why a beacon that is newer than the one that was found could not be read.
  package func look(
    for tokens: [String], asOf moment: Timestamp? = nil
  ) async throws(AWSError) -> (found: [String: Beacon], failures: [String: AWSError]) {
    try await refresh(asOf: moment)
    let failures = await read(tokens)
    // A silence that only two clocks make is none.
    let skew = objects.clockSkew
    var found: [String: Beacon] = [:]
    for token in tokens {
      guard let entry = entries[token], var beacon = entry.beacon else { continue }
      if beacon.heartbeatAt == 0 { beacon.heartbeatAt = (entry.modified - skew).rawValue }
      found[token] = beacon
    }
    return (found, failures)
  }

  /// Whether an attempt's instance has ever published anything, as of the last listing.
  package func knows(_ token: String) async throws(AWSError) -> Bool {
    try await refresh()
    return entries[token] != nil
  }

  /// One listing at a time, whoever waits for it.
  private func refresh(asOf moment: Timestamp? = nil) async throws(AWSError) {
    // Twice: the listing that is under way may have begun too early.
    for _ in 0..<2 {
      if let listedAt, now() >= listedAt {
        if let moment { if listedAt >= moment { return } } else if now() - listedAt < freshness { return }
      }
      let task: Task<Void, any Error>
      if let listing {
        task = listing
      } else {
        task = Task { try await self.list() }
        listing = task
      }
      do { try await task.value } catch {
        throw error as? AWSError ?? AWSError(.cancelled, "listing the beacons was given up")
      }
      // However long it took: thousands of beacons are more than a moment's work, and a second listing would take as long.
      if moment == nil { return }
    }
  }

  private func list() async throws(AWSError) {
    defer { listing = nil }
    let start = now()
    let found = try await objects.list(BucketKeys.beacons)
    var fresh: [String: Entry] = [:]
    fresh.reserveCapacity(found.count)
    for object in found {
      guard let token = BucketKeys.token(object.key) else { continue }
      if var known = entries[token], known.etag == object.etag {
        known.modified = object.modified
        fresh[token] = known
      } else {
        // What is known stays until the new one was read: an old word is better than none.
        fresh[token] = Entry(
          etag: object.etag, modified: object.modified, beacon: entries[token]?.beacon, isRead: false)
      }
    }
    entries = fresh
    listedAt = start
  }

  private func read(_ tokens: [String]) async -> [String: AWSError] {
    let wanted = tokens.filter { entries[$0]?.isRead == false }
    guard !wanted.isEmpty else { return [:] }
    let objects = objects
    let share = (wanted.count + Self.readers - 1) / Self.readers
    let chunks = stride(from: 0, to: wanted.count, by: share).map { Array(wanted[$0..<min($0 + share, wanted.count)]) }
    // One child a reader, not one an object.
    let results = await withTaskGroup(of: [(String, Result<Beacon?, AWSError>)].self) { group in
      for chunk in chunks {
        group.addTask {
          var read: [(String, Result<Beacon?, AWSError>)] = []
          for token in chunk {
            do throws(AWSError) {
              let bytes = try await objects.read(BucketKeys.beacon(token), limit: Self.limit)
              // One that is cut or forged is no news; the next one will be whole.
              read.append((token, .success(bytes.flatMap { try? JSONDecoder().decode(Beacon.self, from: Data($0)) })))
            } catch {
              read.append((token, .failure(error)))
            }
          }
          return read
        }
      }
      var all: [(String, Result<Beacon?, AWSError>)] = []
      for await part in group { all += part }
      return all
    }
    var failures: [String: AWSError] = [:]
    for (token, result) in results {
      switch result {
      case .success(let beacon):
        if let beacon { entries[token]?.beacon = beacon }
        entries[token]?.isRead = true
      case .failure(let error): failures[token] = error
      }
    }
    return failures
  }
}
