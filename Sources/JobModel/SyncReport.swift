/// What sync.sh says of one copy of results, as it stands in `sync/last.json`, in its last event and in the beacon.
package struct SyncReport: Sendable, Hashable, Codable {
  package enum Result: String, Sendable, Hashable, CaseIterable, Codable {
    /// Everything is on the remote, checked, and the manifest says so.
    case synced
    /// Nothing has changed since the last manifest.
    case unchanged
    /// A dry run: this would be copied.
    case planned
    /// What could be read is on the remote, but something could not be read.
    case incomplete
    case failing
  }

  package var job: String
  package var attempt: Int
  package var result: Result
  /// Milliseconds since 1970. What was written after `startedAt` is not covered.
  package var startedAt: Int64
  package var finishedAt: Int64
  package var final: Bool
  package var seq: Int?
  package var files: Int?
  package var bytes: Int64?
  package var excluded: Int?
  package var unreadable: Int?
  /// Why it is failing or incomplete, as a raw `SyncTrouble`.
  package var reason: String?
  package var message: String?
  /// Since when it has been failing without a success in between.
  package var failingSince: Int64?

  package init(
    job: String, attempt: Int, result: Result, startedAt: Int64, finishedAt: Int64, final: Bool, seq: Int? = nil,
    files: Int? = nil, bytes: Int64? = nil, excluded: Int? = nil, unreadable: Int? = nil, reason: String? = nil,
    message: String? = nil, failingSince: Int64? = nil
  ) {
    self.job = job
    self.attempt = attempt
    self.result = result
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.final = final
    self.seq = seq
    self.files = files
    self.bytes = bytes
    self.excluded = excluded
    self.unreadable = unreadable
    self.reason = reason
    self.message = message
    self.failingSince = failingSince
  }

  /// Whether the results as of `startedAt` are on the remote, as far as they could be read.
  package var isGood: Bool { result == .synced || result == .unchanged || result == .incomplete }

  /// Why it is failing or incomplete; a word that this version does not know is `other`.
  package var trouble: SyncTrouble? { reason.map { SyncTrouble(rawValue: $0) ?? .other } }
}

/// Why a copy of results failed or is not complete. The raw strings are stable: sync.sh writes them.
package enum SyncTrouble: String, Sendable, Hashable, CaseIterable, Codable {
  // The remote refuses, until somebody does something.
  case quota
  case dailyLimit = "daily_limit"
  case revoked
  case unauthorized
  case notFound = "not_found"
  case configuration
  case noRclone = "no_rclone"
  // It may go by itself.
  case network
  case rateLimit = "rate_limit"
  case changing
  case missing
  case timeLimit = "time_limit"
  case interrupted
  case killed
  case busy
  // The instance.
  case diskFull = "disk_full"
  case noSource = "no_source"
  case unreadable
  case other

  /// A short phrase for people.
  package var phrase: String {
    switch self {
    case .quota: "the remote is full"
    case .dailyLimit: "the remote's daily limit is reached"
    case .revoked: "the access to the remote was revoked or has run out"
    case .unauthorized: "the remote refuses access"
    case .notFound: "the folder on the remote is not there"
    case .configuration: "rclone is not configured for the remote"
    case .noRclone: "rclone is not installed on the instance"
    case .network: "the remote can't be reached"
    case .rateLimit: "the remote limits the rate of requests"
    case .changing: "files changed while they were copied"
    case .missing: "files were not on the remote after the copy"
    case .timeLimit: "the copy took too long"
    case .interrupted: "the copy was interrupted"
    case .killed: "the copy was killed"
    case .busy: "another copy is under way"
    case .diskFull: "the instance's disk is full"
    case .noSource: "the results folder can't be read"
    case .unreadable: "some results can't be read"
    case .other: "the copy failed"
    }
  }

  /// Whether it can go by itself, so that one more try is worth more than a message.
  package var isPassing: Bool {
    switch self {
    case .network, .rateLimit, .changing, .missing, .timeLimit, .interrupted, .killed, .busy, .other: true
    case .quota, .dailyLimit, .revoked, .unauthorized, .notFound, .configuration, .noRclone, .diskFull, .noSource,
      .unreadable:
      false
    }
  }

  /// What rclone's words mean, as sync.sh reads them too; its exit codes say little and differ between its versions.
  package init(said text: String) {
    let text = text.lowercased()
    func has(_ words: String...) -> Bool { words.contains { text.contains($0) } }
    if has("didn't find section", "failed to create file system", "unknown remote type") {
      self = .configuration
    } else if has("invalid_grant", "couldn't fetch token", "token expired", "empty token") {
      self = .revoked
    } else if has("storagequotaexceeded", "storage quota") {
      self = .quota
    } else if has("upload limit", "dailylimitexceeded") {
      self = .dailyLimit
    } else if has("error 401", "unauthorized", "permission denied", "insufficientpermissions") {
      self = .unauthorized
    } else if has("ratelimitexceeded", "rate limit") {
      self = .rateLimit
    } else if has(
      "no such host", "connection refused", "i/o timeout", "connection reset", "network is unreachable",
      "tls handshake", "did not answer")
    {
      self = .network
    } else if has("directory not found", "object not found") {
      self = .notFound
    } else {
      self = .other
    }
  }
}
