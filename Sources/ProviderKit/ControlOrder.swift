package import JobModel

/// What the watcher wants of an instance, as the object says it that the instance keeps reading.
///
/// The whole of it holds at any moment: an order is taken back only by what the instance has not done yet.
///
/// One order a line, and unknown lines are ignored: `terminate`, `no-final-sync`, `sync MS`, `beacon-url URL`,
/// `control-url URL`, `until MS`.
package struct ControlOrder: Sendable, Hashable {
  /// The calculation is to end, and the machine after it.
  package var terminate: Bool
  /// Whether the results are copied once more before the end.
  package var finalSync: Bool
  /// When a copy of the results was last wished for; another moment is another wish.
  package var syncAt: Timestamp?
  /// Addresses instead of those that the instance has.
  package var beaconURL: String?
  package var controlURL: String?
  /// Until when these can be used.
  package var until: Timestamp?

  package init(
    terminate: Bool = false, finalSync: Bool = true, syncAt: Timestamp? = nil, beaconURL: String? = nil,
    controlURL: String? = nil, until: Timestamp? = nil
  ) {
    self.terminate = terminate
    self.finalSync = finalSync
    self.syncAt = syncAt
    self.beaconURL = beaconURL
    self.controlURL = controlURL
    self.until = until
  }

  /// Reads an object; nil if it is longer than any order.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count <= Self.limit else { return nil }
    self.init()
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      let argument = words.count == 2 ? words[1] : nil
      switch words.first {
      case "terminate": terminate = true
      case "no-final-sync": finalSync = false
      case "sync": syncAt = argument.flatMap(Int64.init).map { Timestamp(milliseconds: $0) }
      case "beacon-url": beaconURL = argument
      case "control-url": controlURL = argument
      case "until": until = argument.flatMap(Int64.init).map { Timestamp(milliseconds: $0) }
      default: break
      }
    }
  }

  /// In bytes.
  package static let limit = 65_536

  /// The text of the object.
  ///
  /// Throws `invalid` for an address that can't be one.
  package func text() throws(ProviderError) -> String {
    var lines: [String] = []
    if terminate { lines.append("terminate") }
    if !finalSync { lines.append("no-final-sync") }
    if let syncAt { lines.append("sync \(syncAt.rawValue)") }
    if let beaconURL {
      try PresignedURL.check(beaconURL)
      lines.append("beacon-url " + beaconURL)
    }
    if let controlURL {
      try PresignedURL.check(controlURL)
      lines.append("control-url " + controlURL)
    }
    if let until { lines.append("until \(until.rawValue)") }
    return lines.map { $0 + "\n" }.joined()
  }
}

extension ControlOrder: CustomStringConvertible {
  /// Without the addresses.
  package var description: String { "ControlOrder(terminate: \(terminate), finalSync: \(finalSync))" }
}
