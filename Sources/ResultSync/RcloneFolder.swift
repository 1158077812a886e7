internal import Foundation
internal import Subprocess

/// The folder of a job on the remote, looked at through the rclone program. It is only read here.
package struct RcloneFolder: Sendable {
  package let program: String
  /// As rclone names it: `gdrive:cloudjobs/a1b2c3d4`, or a folder of this machine.
  package let folder: String
  private let timeout: Duration
  /// Variables that rclone gets beside those of this process.
  private let environment: [String: String]

  package init(
    program: String = "rclone", folder: String, timeout: Duration = .seconds(60), environment: [String: String] = [:]
  ) {
    self.program = program
    self.folder = folder
    self.timeout = timeout
    self.environment = environment
  }

  /// The manifest that holds, or nil if nothing was copied yet.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func manifest() async throws -> Manifest? {
    var documents: [Data] = []
    for place in Manifest.places {
      // A manifest that is not there yet, in a folder that may not be there either.
      if let bytes = try await output(["cat", "\(folder)/\(place)"], isThere: { $0 != 3 && $0 != 4 }) {
        documents.append(Data(bytes))
      }
    }
    return Manifest.latest(documents)
  }

  /// Everything that lies in the folder, kept versions too.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func listing() async throws -> [Verdict.Listed] {
    let arguments = ["lsf", "-R", "--files-only", "--hash", "MD5", "--format", "phs", "--separator", "\t", folder]
    guard let bytes = try await output(arguments, isThere: { $0 != 3 }) else { return [] }
    return try String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 3, let size = Int64(fields[fields.count - 1]) else {
        throw SyncError(.damaged, "rclone lists \(folder) in a way that can't be read", remedy: "Try another rclone.")
      }
      return Verdict.Listed(
        path: fields.dropLast(2).joined(separator: "\t"), size: size, md5: String(fields[fields.count - 2]))
    }
  }

  /// The first line of `rclone version`: `rclone v1.60.1-DEV`.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func version() async throws -> String {
    let bytes = try await output(["version"], isThere: { _ in true }) ?? []
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// What is known of the room on the remote.
  package enum Space: Sendable, Hashable {
    /// So many bytes are free.
    case free(Int64)
    /// The remote tells no limit: it has none, or does not say.
    case unknown
  }

  /// The room on the remote (`rclone about`). What lies in a trash counts as used.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func space() async throws -> Space {
    let colon = folder.firstIndex(of: ":")
    // Asked of the remote itself: the folder may not be there yet. A folder of this machine is asked by its parents.
    var place = colon.map { String(folder[...$0]) } ?? folder
    while colon == nil, place.count > 1, !FileManager.default.fileExists(atPath: place) {
      place = (place as NSString).deletingLastPathComponent
    }
    guard let bytes = try await output(["about", "--json", place], isThere: { _ in true }),
      let answer = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
      let free = answer["free"] as? NSNumber
    else { return .unknown }
    return .free(free.int64Value)
  }

  /// The remotes of rclone's configuration, and those that the environment defines, of which only the name is known.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func remotes() async throws -> [RcloneRemote] {
    let bytes = try await output(["listremotes"], isThere: { _ in true }) ?? []
    let names = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0.prefix { $0 != ":" }) }
    let described = RcloneRemote.all(try await output(["config", "dump"], isThere: { _ in true }) ?? []) ?? []
    return described
      + names.filter { name in !described.contains { $0.name == name } }.map { RcloneRemote(name: $0, type: "") }
  }

  /// Asks the remote itself, which shows whether its token works.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package func ping() async throws {
    let remote = String(folder.prefix { $0 != ":" }) + ":"
    // A remote that knows no `about` answers at least with its first folders.
    do { _ = try await output(["about", "--json", remote], isThere: { _ in true }) } catch let error as SyncError {
      guard error.message.contains("doesn't support about") else { throw error }
      _ = try await output(["lsf", "--max-depth", "1", "--dirs-only", remote], isThere: { _ in true })
    }
  }

  /// What rclone prints; nil if what was asked for is not there, which its exit code tells.
  private func output(_ arguments: [String], isThere: @escaping @Sendable (Int32) -> Bool) async throws -> [UInt8]? {
    let standard = [
      "--ask-password=false", "--contimeout", "10s", "--timeout", "30s", "--low-level-retries", "3", "--retries", "1",
    ]
    var options = PlatformOptions()
    options.teardownSequence = [.send(signal: .kill, allowedDurationToNextStep: .zero)]
    let settings = options
    var variables: [Environment.Key: String?] = [:]
    for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
    let all = Environment.inherit.updating(variables)
    return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
      group.addTask {
        do {
          let result = try await run(
            executable(self.program), arguments: Arguments(standard + arguments), environment: all,
            platformOptions: settings, output: .bytes(limit: 64 * 1024 * 1024), error: .string(limit: 64 * 1024))
          guard case .exited(let code) = result.terminationStatus else {
            throw SyncError(.unreachable, "rclone was ended by a signal", remedy: "Try again.")
          }
          if code == 0 { return result.standardOutput }
          if !isThere(code) { return nil }
          let said = result.standardError.split(separator: "\n").last.map(String.init) ?? "exit code \(code)"
          throw SyncError(
            .unreachable, "\(self.folder) could not be read: \(Self.short(said))", remedy: "See: cloudjobs doctor")
        } catch let problem as SubprocessError {
          if problem.code == .executableNotFound {
            throw SyncError(
              .notSetUp, "the program \(self.program) is not installed here",
              remedy: "Install rclone (apt install rclone).")
          }
          throw SyncError(.unreachable, "rclone could not be run (\(problem.code))", remedy: "Try again.")
        }
      }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw SyncError(
          .timedOut, "\(folder) did not answer within \(Int(timeout.components.seconds)) s", remedy: "Try again later.")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  /// Without rclone's date, and not too long.
  private static func short(_ text: String) -> String {
    let words = text.split(separator: " ", maxSplits: 2)
    let hasDate = words.count == 3 && words[0].contains("/") && words[1].contains(":")
    return String((hasDate ? String(words[2]) : text).prefix(300))
  }
}
