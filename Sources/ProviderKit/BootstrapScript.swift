import JobModel

/// The one bootstrap script, and the files that it reads.
package enum BootstrapScript {
  /// POSIX shell; `sh bootstrap.sh DIR` runs the calculation that `DIR/job.conf` describes.
  package static var text: [UInt8] { PackageResources.bootstrap_sh }

  /// Names of the files in an instance's directory.
  package enum File {
    package static let script = "bootstrap.sh"
    package static let configuration = "job.conf"
    package static let inputs = "inputs"
    package static let identity = "identity"
    package static let beacon = "beacon.json"
    package static let output = "output.log"
    /// The folder in which the calculation runs.
    package static let work = "work"
    package static let staged = "staged"
    /// A link whose target is a `RecordedEnd`.
    package static let result = "result"
    /// Its presence asks for the end.
    package static let terminate = "terminate"
    /// Its presence forbids the last sync.
    package static let noFinalSync = "no-final-sync"
    /// Its presence is the notice that the instance is about to be taken away.
    package static let interrupt = "interrupt"
  }

  /// The environment variable that marks every process of an instance, beside the session that they belong to.
  package static let markName = "CLOUDJOBS_MARK"

  /// The mark's value. The semicolon ends it, so the mark of `abc-1` is not found in that of `abc-12`.
  package static func mark(token: String) -> String { token + ";" }
}

/// One attempt as the bootstrap script is told of it. A pure value; the providers write it to where the script runs.
package struct BootstrapJob: Sendable, Hashable {
  package var request: LaunchRequest
  package var inputs: [Input]
  package var limits: InstanceLimits
  package var heartbeatInterval: Duration
  /// How often the script looks for notices and limits.
  package var noticeInterval: Duration
  /// Between TERM and KILL.
  package var grace: Duration
  /// How often sync.sh copies the results while the calculation runs; nil if it does not.
  package var syncInterval: Duration?
  /// A shell command that copies the results away, run in the instance's directory when the calculation is over.
  package var finalSync: String?
  package var finalSyncLimit: Duration
  /// The file with the public host key of the instance's ssh server, which the beacon publishes.
  package var hostKeyFile: String
  /// A shell command that switches the machine off, run at the very end.
  package var shutdown: String?
  /// How often the download of an input is tried again.
  package var inputRetries: Int
  /// Physical paths that are no inputs, though they lie in an input folder: the database, for instance.
  package var skipped: [String]
  /// Whether what earlier attempts have made is fetched back before the calculation starts. It needs `sync.sh`.
  package var restores: Bool

  package init(
    request: LaunchRequest, inputs: [Input], limits: InstanceLimits, heartbeatInterval: Duration,
    noticeInterval: Duration = .seconds(1), grace: Duration, syncInterval: Duration? = nil,
    finalSync: String? = nil,
    finalSyncLimit: Duration = .seconds(900), hostKeyFile: String = Self.standardHostKeyFile, shutdown: String? = nil,
    inputRetries: Int = 5,
    skipped: [String] = [], restores: Bool = false
  ) {
    self.request = request
    self.inputs = inputs
    self.limits = limits
    self.heartbeatInterval = heartbeatInterval
    self.noticeInterval = noticeInterval
    self.grace = grace
    self.syncInterval = syncInterval
    self.finalSync = finalSync
    self.finalSyncLimit = finalSyncLimit
    self.hostKeyFile = hostKeyFile
    self.shutdown = shutdown
    self.inputRetries = inputRetries
    self.skipped = skipped
    self.restores = restores
  }

  /// Where sshd keeps it unless its configuration says otherwise.
  package static let standardHostKeyFile = "/etc/ssh/ssh_host_ed25519_key.pub"

  /// The text of `job.conf`.
  ///
  /// Throws `invalid` for what no process can be given: a name that is not one, a NUL.
  package func configuration() throws(ProviderError) -> String {
    let spec = request.spec
    var exports: [(String, String)] = []
    if let basisSet = spec.basisSet { exports.append(("BASIS_SET", basisSet)) }
    if let executable = spec.executable { exports.append(("EXECUTABLE", executable)) }
    exports += spec.environment.sorted { $0.key < $1.key }
    exports += [
      ("CLOUDJOBS_JOB_ID", request.job.rawValue), ("CLOUDJOBS_ATTEMPT", String(request.attempt)),
      ("CLOUDJOBS_TOKEN", request.token),
      (BootstrapScript.markName, BootstrapScript.mark(token: request.token)),
    ]
    var lines = [
      "cj_job=" + quoted(request.job.rawValue),
      "cj_attempt=\(request.attempt)",
      "cj_token=" + quoted(request.token),
      "cj_command=" + quoted(spec.command),
      "cj_environment() {",
      "  :",
    ]
    for (name, value) in exports {
      guard Self.isVariableName(name) else {
        throw ProviderError(
          .invalid, "'\(name)' can not be the name of an environment variable",
          remedy: "Use letters, digits and '_', and no digit first")
      }
      guard !value.utf8.contains(0) else {
        throw ProviderError(
          .invalid, "the value of the environment variable \(name) contains a NUL", remedy: "Remove it")
      }
      lines.append("  export \(name)=" + quoted(value))
    }
    guard !spec.command.utf8.contains(0) else {
      throw ProviderError(.invalid, "the command contains a NUL", remedy: "Remove it")
    }
    lines += [
      "}",
      "cj_heartbeat_cs=\(hundredths(heartbeatInterval))",
      "cj_notice_cs=\(hundredths(noticeInterval))",
      "cj_grace_cs=\(hundredths(grace))",
      "cj_max_cs=" + (limits.duration.map { String(hundredths($0)) } ?? ""),
      "cj_max_text=" + quoted(limits.durationMessage),
      "cj_budget_cs=" + (limits.budget.map { String(hundredths($0)) } ?? ""),
      "cj_budget_text=" + quoted(limits.budgetMessage),
      "cj_idle_percent=\(max(0, limits.idle?.cpuPercent ?? 0))",
      "cj_idle_cs=" + (limits.idle.map { String(hundredths(.seconds($0.seconds))) } ?? ""),
      "cj_idle_text=" + quoted(limits.idleMessage),
      "cj_sync_cs=" + (syncInterval.map { String(hundredths($0)) } ?? ""),
      "cj_final_sync=" + quoted(finalSync ?? ""),
      "cj_final_sync_cs=\(hundredths(finalSyncLimit))",
      "cj_host_key=" + quoted(hostKeyFile),
      "cj_shutdown=" + quoted(shutdown ?? ""),
      "cj_retries=\(max(0, inputRetries))",
      "cj_skip=" + quoted(skipped.filter { !$0.contains("\n") }.joined(separator: "\n")),
      "cj_restore=" + (restores ? "yes" : ""),
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// The text of the manifest: one input a line (see `Input.line`).
  package func manifest() -> String { inputs.map { $0.line + "\n" }.joined() }

  /// Whether a POSIX shell can export a variable of this name.
  package static func isVariableName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}

/// `text` as one word of a POSIX shell. It works on bytes: between single quotes every byte but the quote is itself.
package func quoted(_ text: String) -> String {
  var bytes: [UInt8] = [UInt8(ascii: "'")]
  for byte in text.utf8 {
    if byte == UInt8(ascii: "'") {
      bytes += Array("'\\''".utf8)
    } else {
      bytes.append(byte)
    }
  }
  bytes.append(UInt8(ascii: "'"))
  return String(decoding: bytes, as: UTF8.self)
}

/// `text` with everything but unreserved characters and `/` escaped (RFC 3986, 2.1).
func percentEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"), UInt8(ascii: "/"):
      bytes.append(byte)
    default:
      bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}

/// Hundredths of a second, at most about three hundred years: shells count in 64 bits.
func hundredths(_ duration: Duration) -> Int64 {
  min(max(0, duration.milliseconds / 10), 1_000_000_000_000)
}
