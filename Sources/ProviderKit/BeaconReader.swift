import FoundationEssentials
package import JobModel

/// Reads beacons that came from a machine: bounded, and never trusted.
package enum BeaconReader {
  /// A longer document is not a beacon.
  package static let limit = 65_536

  /// The beacon of this attempt, or nil if the bytes are not one. What the calculation or a stranger wrote there can
  /// neither crash the reader nor speak for another job.
  ///
  /// - Parameter modified: when the object was written that held the bytes. It is the heartbeat of a beacon that names
  ///   none (0).
  package static func parse(_ bytes: [UInt8], job: JobID, attempt: Int, modified: Timestamp? = nil) -> Beacon? {
    guard !bytes.isEmpty, bytes.count <= limit else { return nil }
    // A message cut in the middle of a character is still a message.
    let text = String(decoding: bytes, as: UTF8.self)
    // Not a beacon and not there are the same to the caller, so the reason is not kept.
    guard var beacon = try? JSONDecoder().decode(Beacon.self, from: Data(text.utf8)), beacon.version == 1,
      beacon.job == job.rawValue, beacon.attempt == attempt
    else { return nil }
    if beacon.heartbeatAt == 0, let modified { beacon.heartbeatAt = modified.rawValue }
    return beacon
  }
}
