/// The small status document that the bootstrap script on the instance keeps writing.
///
/// Unknown keys are ignored and missing ones are nil, so an older watcher reads a newer script's beacon.
package struct Beacon: Sendable, Hashable, Codable {
  package enum Phase: String, Sendable, Hashable, CaseIterable, Codable {
    /// The script runs, inputs are not there yet.
    case booting
    case staging
    /// The calculation runs.
    case running
    /// The calculation is over; results are being synced.
    case finishing
    /// Everything is done; the machine is about to shut down.
    case finished
  }

  /// Version of the format; 1 is the only one.
  package var version: Int
  package var job: String
  package var attempt: Int
  package var phase: Phase
  /// Milliseconds since 1970, like every time here. 0 in the form that is published as an object, which changes only
  /// when something worth reading has: there the object's own time is the heartbeat.
  package var heartbeatAt: Int64
  package var startedAt: Int64?
  package var finishedAt: Int64?
  package var exitCode: Int?
  /// Why the script ended the calculation, if it did: a raw `Reason`, or `terminated` for a plain SIGTERM.
  package var endedBy: String?
  /// A line for people beside `endedBy`.
  package var message: String?
  package var lastSyncAt: Int64?
  /// CPU use of the calculation since the last heartbeat, in percent of one core.
  package var cpuPercent: Int?
  /// When the calculation last wrote something: to its output, or to a file in its folder.
  package var progressAt: Int64?
  /// The moment at which the instance ends itself.
  package var lastMoment: Int64?
  /// The public host key of the instance's ssh server.
  package var hostKey: String?
  /// How the latest copy of the results went.
  package var sync: SyncReport?
  /// Since when a copy has been under way, if one is.
  package var syncingSince: Int64?
  /// Until when the instance can read its orders and publish this document by the addresses that it has.
  package var channelUntil: Int64?

  package init(
    version: Int = 1, job: String, attempt: Int, phase: Phase, heartbeatAt: Int64, startedAt: Int64? = nil,
    finishedAt: Int64? = nil, exitCode: Int? = nil, endedBy: String? = nil, message: String? = nil,
    lastSyncAt: Int64? = nil, cpuPercent: Int? = nil, progressAt: Int64? = nil, lastMoment: Int64? = nil,
    hostKey: String? = nil,
    sync: SyncReport? = nil, syncingSince: Int64? = nil, channelUntil: Int64? = nil
  ) {
    self.version = version
    self.job = job
    self.attempt = attempt
    self.phase = phase
    self.heartbeatAt = heartbeatAt
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.exitCode = exitCode
    self.endedBy = endedBy
    self.message = message
    self.lastSyncAt = lastSyncAt
    self.cpuPercent = cpuPercent
    self.progressAt = progressAt
    self.lastMoment = lastMoment
    self.hostKey = hostKey
    self.sync = sync
    self.syncingSince = syncingSince
    self.channelUntil = channelUntil
  }

  /// Whether the calculation is over, however it ended.
  package var isOver: Bool { exitCode != nil || endedBy != nil }
}
