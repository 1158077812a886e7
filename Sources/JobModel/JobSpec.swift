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
  package var executable: String? {
    get { rare[\.executable] }
    set { rare[\.executable] = newValue }
  }
  /// The user's own guess, in seconds.
  package var estimatedRuntimeSeconds: Int64? {
    get { rare[\.estimatedRuntimeSeconds] }
    set { rare[\.estimatedRuntimeSeconds] = newValue }
  }
  /// The instance ends itself after this many seconds.
  package var maxDurationSeconds: Int64? {
    get { rare[\.maxDurationSeconds] }
    set { rare[\.maxDurationSeconds] = newValue }
  }
  /// The instance ends itself when it has been idle for long.
  package var idle: IdleRule? {
    get { rare[\.idle] }
    set { rare[\.idle] = newValue }
  }
  /// How often and where the job goes on when its instance was taken back; nil for not at all.
  package var recovery: RecoveryRule? {
    get { rare[\.recovery] }
    set { rare[\.recovery] = newValue }
  }
  /// Where results go, as an rclone destination.
  package var gdrivePath: String?
  package var s3Bucket: String?
  package var s3InputPath: String? {
    get { rare[\.s3InputPath] }
    set { rare[\.s3InputPath] = newValue }
  }
  package var instanceType: String?
  package var region: String?
  package var tags: [String: String]
  /// Whatever else belongs to the job: columns of another tool's database, the launch result of its script.
  package var metadata: [String: JSONValue]
  /// In one box, since many thousand jobs are held in memory.
  private var rare = RareFields<Rare>()

  private struct Rare: Fields, Codable {
    var executable: String?
    var estimatedRuntimeSeconds: Int64?
    var maxDurationSeconds: Int64?
    var idle: IdleRule?
    var recovery: RecoveryRule?
    var s3InputPath: String?
  }

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
    self.gdrivePath = gdrivePath
    self.s3Bucket = s3Bucket
    self.instanceType = instanceType
    self.region = region
    self.tags = tags
    self.metadata = metadata
    rare = RareFields(
      Rare(
        executable: executable, estimatedRuntimeSeconds: estimatedRuntimeSeconds,
        maxDurationSeconds: maxDurationSeconds, idle: idle, s3InputPath: s3InputPath))
  }

  // MARK: Codable

  // All fields stand beside one another, whichever of them are in the box.

  private enum CodingKeys: CodingKey {
    case name, directory, command, environment, basisSet, gdrivePath, s3Bucket, instanceType, region, tags, metadata
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    directory = try container.decode(String.self, forKey: .directory)
    command = try container.decode(String.self, forKey: .command)
    environment = try container.decode([String: String].self, forKey: .environment)
    basisSet = try container.decodeIfPresent(String.self, forKey: .basisSet)
    gdrivePath = try container.decodeIfPresent(String.self, forKey: .gdrivePath)
    s3Bucket = try container.decodeIfPresent(String.self, forKey: .s3Bucket)
    instanceType = try container.decodeIfPresent(String.self, forKey: .instanceType)
    region = try container.decodeIfPresent(String.self, forKey: .region)
    tags = try container.decode([String: String].self, forKey: .tags)
    metadata = try container.decode([String: JSONValue].self, forKey: .metadata)
    rare = RareFields(try Rare(from: decoder))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(directory, forKey: .directory)
    try container.encode(command, forKey: .command)
    try container.encode(environment, forKey: .environment)
    try container.encodeIfPresent(basisSet, forKey: .basisSet)
    try container.encodeIfPresent(gdrivePath, forKey: .gdrivePath)
    try container.encodeIfPresent(s3Bucket, forKey: .s3Bucket)
    try container.encodeIfPresent(instanceType, forKey: .instanceType)
    try container.encodeIfPresent(region, forKey: .region)
    try container.encode(tags, forKey: .tags)
    try container.encode(metadata, forKey: .metadata)
    try rare.values.encode(to: encoder)
  }
}

extension JobSpec {
  /// The identity of the database that made the job, by which an instance is known to be its own.
  package var database: String? {
    get { metadata["cloudjobs:database"]?.string }
    set { metadata["cloudjobs:database"] = newValue.map(JSONValue.string) }
  }

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
