package import JobModel

/// How a calculation ended, as the bootstrap script keeps it in the target of a link beside its beacon: a full disk has
/// room for that when it has none for the beacon.
package struct RecordedEnd: Sendable, Hashable {
  package var exitCode: Int?
  package var endedBy: String?

  /// Reads `exit=CODE;by=REASON`, in which one part may be empty. Anything else says nothing.
  package init?(_ target: String) {
    let parts = target.split(separator: ";", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].hasPrefix("exit="), parts[1].hasPrefix("by=") else { return nil }
    let (code, reason) = (parts[0].dropFirst(5), parts[1].dropFirst(3))
    exitCode = UInt8(code).map(Int.init)
    endedBy = reason.isEmpty ? nil : String(reason)
    guard exitCode != nil || (code.isEmpty && endedBy != nil) else { return nil }
    guard reason.utf8.count <= 64, reason.utf8.allSatisfy({ (97...122).contains($0) || $0 == 95 }) else { return nil }
  }

  /// The last beacon as the script would have written it, from the one that is there.
  package func completing(_ beacon: Beacon?, job: JobID, attempt: Int, at moment: Timestamp) -> Beacon {
    var last =
      beacon
      ?? Beacon(job: job.rawValue, attempt: attempt, phase: .finished, heartbeatAt: moment.rawValue)
    last.phase = .finished
    last.heartbeatAt = max(last.heartbeatAt, moment.rawValue)
    last.finishedAt = last.finishedAt ?? moment.rawValue
    last.exitCode = exitCode
    last.endedBy = endedBy
    return last
  }
}
