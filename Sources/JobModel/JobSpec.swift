/// What the user asked for. It never changes after the job was made.
package struct JobSpec: Sendable, Hashable, Codable {
  /// What people call the job; the name of its folder unless `--name` says otherwise.
  package var name: String
  /// The folder with the inputs, absolute.
  package var directory: String
  /// The shell command that is the calculation, run in the staged copy of the folder.
  package var command: String
  package var environment: [String: String]
  package var basisSet: String?
  package var executable: String?
  /// The user's own guess, in seconds.
  package var estimatedRuntimeSeconds: Int64?
  /// The instance ends itself after this many seconds.
  package var maxDurationSeconds: Int64?
  /// The instance ends itself when it has been idle for long.
  package var idle: IdleRule?
  /// How often and where the job goes on when its instance was taken back; nil for not at all.
  package var recovery: RecoveryRule?
  /// Where results go, as an rclone destination.
  package var gdrivePath: String?
  package var s3Bucket: String?
  package var s3InputPath: String?
  package var instanceType: String?
  package var region: String?
  package var tags: [String: String]
  /// Whatever else belongs to the job: columns of another tool's database, the launch result of its script.
  package var metadata: [String: JSONValue]

  package init(
    name: String, directory: String, command: String, environment: [String: String] = [:],
    basisSet: String? = nil, executable: String? = nil, estimatedRuntimeSeconds: Int64? = nil,
    maxDurationSeconds: Int64? = nil, idle: IdleRule? = nil, gdrivePath: String? = nil, s3Bucket: String? = nil,
    s3InputPath: String? = nil, instanceType: String? = nil, region: String? = nil, tags: [String: String] = [:],
    metadata: [String: JSONValue] = [:]
  ) {
    self.name = name
    self.directory = directory
    self.command = command
    self.environment = environment
    self.basisSet = basisSet
    self.executable = executable
    self.estimatedRuntimeSeconds = estimatedRuntimeSeconds
    self.maxDurationSeconds = maxDurationSeconds
    self.idle = idle
    self.gdrivePath = gdrivePath
    self.s3Bucket = s3Bucket
    self.s3InputPath = s3InputPath
    self.instanceType = instanceType
    self.region = region
    self.tags = tags
    self.metadata = metadata
  }
}

extension JobSpec {
  /// The zone whose price the user chose, if there was a choice. An instance may still be launched in another one.
  package var preferredZone: String? {
    get { metadata["zone"]?.string }
    set { metadata["zone"] = newValue.map(JSONValue.string) }
  }
}

/// When a job that lost its instance to its provider is launched again.
package struct RecoveryRule: Sendable, Hashable, Codable {
  package enum Zones: String, Sendable, Hashable, CaseIterable, Codable {
    /// Where it was.
    case same
    /// Anywhere that the configuration allows, the zone that took the last instance back last.
    case other
  }

  /// All attempts of the job, the first one included.
  package var maxAttempts: Int
  package var zones: Zones

  package init(maxAttempts: Int, zones: Zones = .other) {
    self.maxAttempts = maxAttempts
    self.zones = zones
  }
}

/// When an instance counts as idle: its CPU use stays under a threshold for a time.
package struct IdleRule: Sendable, Hashable, Codable {
  /// Percent of one core.
  package var cpuPercent: Int
  package var seconds: Int64

  package init(cpuPercent: Int, seconds: Int64) {
    self.cpuPercent = cpuPercent
    self.seconds = seconds
  }
}
