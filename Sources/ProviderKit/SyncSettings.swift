internal import JobModel

/// How results are copied from instances, from config.json. Where they go is part of each job's spec.
package struct SyncSettings: Sendable, Hashable {
  package var rclone: String
  package var interval: Duration
  package var exclude: [String]
  package var maximumBytes: Int64?
  package var includesInputs: Bool
  package var packFiles: Int?
  /// How long the last copy may take.
  package var finalLimit: Duration
  /// What rclone finds its configuration and its way out by, on instances that share this machine.
  package var environment: [String: String] = [:]

  package init(
    rclone: String = "rclone", interval: Duration = .seconds(300), exclude: [String] = [], maximumBytes: Int64? = nil,
    includesInputs: Bool = false, packFiles: Int? = nil, finalLimit: Duration = .seconds(900)
  ) {
    self.rclone = rclone
    self.interval = interval
    self.exclude = exclude
    self.maximumBytes = maximumBytes
    self.includesInputs = includesInputs
    self.packFiles = packFiles
    self.finalLimit = finalLimit
  }

  /// The copies of one attempt, or nil if the job names no place for them.
  package func job(_ request: LaunchRequest) -> SyncJob? {
    guard let remote = request.spec.gdrivePath, !remote.isEmpty else { return nil }
    return SyncJob(
      job: request.job, attempt: request.attempt, rclone: rclone, remote: remote, exclude: exclude,
      maximumBytes: maximumBytes, includesInputs: includesInputs, packFiles: packFiles, environment: environment)
  }
}
