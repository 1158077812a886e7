internal import JobModel
internal import ProviderKit
internal import ResultSync

/// What the remote holds of a job's results, for people and for scripts.
struct ResultsReport: Sendable {
  var evidence: ResultsState.Evidence
  var state: ResultsState
  /// Why the remote could not be asked.
  var unreachable: SyncError?

  private var trouble: String? { unreachable?.message }

  /// Reads the manifest and one listing.
  ///
  /// - Parameter live: what the provider said of the instance just now, if it was asked.
  static func look(
    _ job: Job, _ folder: RcloneFolder, live: Observation? = nil, now: Timestamp, interval: Duration
  ) async throws -> ResultsReport {
    var evidence = ResultsState.Evidence(latest: job.attempt.sync, isRunning: job.state == .running)
    if case .known(let report)? = live, let beacon = report.beacon, job.attempt.isLive {
      evidence.latest = beacon.sync ?? evidence.latest
      evidence.isSyncing = beacon.syncingSince != nil && report.state != .terminated
    }
    var unreachable: SyncError?
    do {
      // A listing is not one moment: a copy that goes on meanwhile moves files and writes a newer manifest, and what Google
      // Drive has just taken it may not list yet. So damage is believed when it is seen three times.
      for pause in [Duration.zero, .seconds(2), .seconds(5)] {
        if pause > .zero { try await Task.sleep(for: pause) }
        guard let manifest = try await folder.manifest() else { break }
        evidence.manifest = manifest
        evidence.verdict = Verdict(manifest, try await folder.listing())
        if evidence.verdict?.isWhole == true { break }
      }
    } catch let error as SyncError {
      evidence.isUnreachable = true
      unreachable = error
    }
    return ResultsReport(
      evidence: evidence, state: ResultsState(evidence, now: now, interval: interval), unreachable: unreachable)
  }

  func text(now: Timestamp) -> [String] {
    guard !evidence.isUnreachable else {
      return ["Results: unknown, the remote can't be asked (\(printable(trouble ?? "-")))"] + latestLines(now)
    }
    guard let manifest = evidence.manifest, let verdict = evidence.verdict else {
      return ["Results: nothing was copied yet"] + latestLines(now)
    }
    let results = manifest.results
    let bytes = results.reduce(0) { $0 + $1.size } + manifest.packed.reduce(0) { $0 + $1.size }
    var lines = ["Synced files: \(results.count + manifest.packed.count) (\(StatusReport.grouped(bytes)) bytes)"]
    lines.append(
      "Results: \(state.rawValue), \(sentence(manifest, verdict))")
    if let moment = evidence.asOf {
      lines.append("As of: \(LocalZone.text(moment)) (\(DurationText.short(max(.zero, now - moment))) ago)")
    }
    lines += latestLines(now)
    if manifest.excludedCount > 0 {
      let rules = Dictionary(grouping: manifest.excluded, by: \.rule).map { "\(printable($0.key)) \($0.value.count)" }
      lines.append("Not copied by the rules: \(manifest.excludedCount) (\(rules.sorted().joined(separator: ", ")))")
    }
    if !verdict.doubled.isEmpty { lines.append("Twice on the remote: " + Self.some(verdict.doubled)) }
    if !results.isEmpty || !manifest.packed.isEmpty {
      lines.append("Files:")
      let names = results.map(\.path) + manifest.packed.map { "\($0.path) (packed)" }
      lines += names.prefix(50).map { "  \(printable($0))" }
      if names.count > 50 { lines.append("  … and \(names.count - 50) more") }
    }
    return lines
  }

  /// The one sentence that a person can rely on.
  private func sentence(_ manifest: Manifest, _ verdict: Verdict) -> String {
    switch state {
    case .damaged:
      "\(verdict.damaged.count) of \(manifest.files.count) files are missing or different: "
        + Self.some(verdict.damaged)
    case .incomplete: "could not be read on the instance: " + Self.some(manifest.unreadable)
    case .final: "and whole: every file is there with its size and MD5, compared with the instance at its end"
    case .syncing: "a copy is under way; every file of the last one is there with its size and MD5"
    case .stale: "every file is there with its size and MD5, but the last copy is too old"
    default: "every file is there with its size and MD5"
    }
  }

  /// What is wrong with the copies themselves.
  private func latestLines(_ now: Timestamp) -> [String] {
    guard let latest = evidence.latest, latest.result == .failing, let trouble = latest.trouble else { return [] }
    let since = latest.failingSince.map { now - Timestamp(milliseconds: $0) }
    let words = latest.message.map { " (\(printable($0)))" } ?? ""
    return [
      "Copies fail: \(trouble.phrase)\(words)" + (since.map { ", for \(DurationText.short(max(.zero, $0)))" } ?? "")
    ]
  }

  private static func some(_ paths: [String]) -> String {
    let shown = paths.prefix(20).map { printable($0) }.joined(separator: ", ")
    return paths.count > 20 ? "\(shown), … and \(paths.count - 20) more" : shown
  }

  var document: JSONValue {
    var members: [String: JSONValue] = [
      "state": .string(state.rawValue), "message": .optional(trouble),
      "latest": JobDocument.sync(evidence.latest),
    ]
    if let manifest = evidence.manifest, let verdict = evidence.verdict {
      members["as_of"] = .time(evidence.asOf)
      members["final"] = .bool(manifest.final)
      members["files"] = .array(
        manifest.results.map { .object(["path": .string($0.path), "size": .integer($0.size), "md5": .string($0.md5)]) })
      members["packed"] = .integer(Int64(manifest.packed.count))
      members["excluded"] = .integer(Int64(manifest.excludedCount))
      members["unreadable"] = .texts(manifest.unreadable)
      members["damaged"] = .texts(verdict.damaged)
      members["kept"] = .texts(verdict.kept)
      members["doubled"] = .texts(verdict.doubled)
      members["unlisted"] = .texts(verdict.unlisted)
    }
    return .object(members)
  }
}

extension JSONValue {
  static func texts(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
}
