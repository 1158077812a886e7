package import JobModel

/// The one script that copies results, and the files that it reads and writes.
package enum SyncScript {
  /// POSIX shell; `sh sync.sh DIR` copies the results that `DIR/sync.conf` describes.
  package static var text: [UInt8] { PackageResources.sync_sh }

  /// Names in an instance's directory.
  package enum File {
    package static let script = "sync.sh"
    package static let configuration = "sync.conf"
    /// How the latest copy went: a `SyncReport`.
    package static let last = "sync/last.json"
    /// The same of the latest that succeeded.
    package static let lastGood = "sync/last-good.json"
  }

  /// The last copy, of which `SyncJob.limit` bounds the time.
  package static let finalCommand = "sh ./sync.sh . --final --wait 30"
}

/// What is copied from an instance, and where to. A pure value; the providers write it to where the script runs.
package struct SyncJob: Sendable, Hashable {
  package var job: JobID
  package var attempt: Int
  /// The rclone program, by name or path.
  package var rclone: String
  /// The folder of the job, as rclone names it: `gdrive:cloudjobs/a1b2c3d4`, or a folder of this machine.
  package var remote: String
  /// Shell patterns of files that stay: without a `/` for names, with one for the path within the results.
  package var exclude: [String]
  /// Larger files stay.
  package var maximumBytes: Int64?
  /// Whether inputs go too that are as they were staged.
  package var includesInputs: Bool
  /// With more files than this the small ones go as one archive.
  package var packFiles: Int?
  /// How large a file may be to go into the archive.
  package var packBytes: Int64
  /// After this long a copy is given up.
  package var limit: Duration
  /// Variables that rclone gets, such as `RCLONE_CONFIG`; none may be a secret.
  package var environment: [String: String]

  package init(
    job: JobID, attempt: Int, rclone: String = "rclone", remote: String, exclude: [String] = [],
    maximumBytes: Int64? = nil, includesInputs: Bool = false, packFiles: Int? = nil, packBytes: Int64 = 1_048_576,
    limit: Duration = .seconds(3600), environment: [String: String] = [:]
  ) {
    self.job = job
    self.attempt = attempt
    self.rclone = rclone
    self.remote = remote
    self.exclude = exclude
    self.maximumBytes = maximumBytes
    self.includesInputs = includesInputs
    self.packFiles = packFiles
    self.packBytes = packBytes
    self.limit = limit
    self.environment = environment
  }

  /// The text of `sync.conf` for an instance in this directory.
  ///
  /// - Parameter source: the folder with the results; otherwise that of the instance's calculation.
  /// - Throws: `ProviderError` with code `invalid` for what no process can be given.
  package func configuration(directory: String, source: String? = nil) throws(ProviderError) -> String {
    let source = source ?? directory + "/" + BootstrapScript.File.work
    let patterns = exclude.filter { !$0.isEmpty }
    guard
      !([remote, rclone, directory, source] + patterns).contains(where: { $0.utf8.contains(0) || $0.contains("\n") })
    else {
      throw ProviderError(
        .invalid, "the remote, the program or a pattern of the results' copies holds a line break",
        remedy: "Correct the section sync of the configuration")
    }
    let exports = environment.filter { BootstrapJob.isVariableName($0.key) && !$0.value.utf8.contains(0) }
      .sorted { $0.key < $1.key }.map { "export \($0.key)=\(quoted($0.value))" }
    let lines = [
      "cs_job=" + quoted(job.rawValue),
      "cs_attempt=\(attempt)",
      "cs_rclone=" + quoted(rclone),
      "cs_remote=" + quoted(remote),
      "cs_source=" + quoted(source),
      "cs_exclude=" + quoted(patterns.joined(separator: "\n")),
      "cs_max_bytes=" + (maximumBytes.map(String.init) ?? ""),
      "cs_inputs=" + (includesInputs ? "yes" : ""),
      "cs_pack_files=" + (packFiles.map(String.init) ?? ""),
      "cs_pack_bytes=\(packBytes)",
      "cs_limit_cs=\(max(100, limit.milliseconds / 10))",
      // A file that was written within this time may still grow, and is copied rather than linked if it is not huge.
      "cs_settle_s=60",
      "cs_copy_bytes=67108864",
      "cs_transfers=4",
      // Listings of Google Drive lag behind for some time.
      "cs_relist_s=10",
    ]
    return (lines + exports).joined(separator: "\n") + "\n"
  }
}
