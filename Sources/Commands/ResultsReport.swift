internal import JobModel
internal import ResultSync

/// What the remote holds of a job's results, for people and for scripts.
struct ResultsReport: Sendable {
  var manifest: Manifest?
  var verdict: Verdict?
  /// Why nothing can be said; then nothing is known, which is not the same as nothing being there.
  var trouble: String?

  static func look(_ folder: RcloneFolder) async throws -> ResultsReport {
    guard let manifest = try await folder.manifest() else { return ResultsReport() }
    return ResultsReport(manifest: manifest, verdict: Verdict(manifest, try await folder.listing()))
  }

  /// One of never, synced, incomplete, final, damaged, unknown.
  var state: String {
    if trouble != nil { return "unknown" }
    guard let manifest, let verdict else { return "never" }
    if !verdict.isWhole { return "damaged" }
    if !manifest.unreadable.isEmpty { return "incomplete" }
    return manifest.final ? "final" : "synced"
  }

  func text(now: Timestamp) -> [String] {
    if let trouble { return ["Results: unknown (\(printable(trouble)))"] }
    guard let manifest, let verdict else { return ["Results: nothing was copied yet"] }
    let results = manifest.results
    let bytes = results.reduce(0) { $0 + $1.size }
    let moment = Timestamp(milliseconds: manifest.startedAt)
    var lines = ["Synced files: \(results.count + manifest.packed.count) (\(StatusReport.grouped(bytes)) bytes)"]
    lines.append("As of: \(LocalZone.text(moment)) (\(DurationText.short(max(.zero, now - moment))) ago)")
    switch state {
    case "damaged":
      lines.append("Damaged: " + verdict.damaged.prefix(20).map { printable($0) }.joined(separator: ", "))
    case "incomplete":
      lines.append(
        "Incomplete: could not be read: " + manifest.unreadable.prefix(5).map { printable($0) }.joined(separator: ", "))
    case "final": lines.append("Final and whole: every file has its size and MD5")
    default: lines.append("Whole: every file has its size and MD5")
    }
    if manifest.excludedCount > 0 { lines.append("Not copied by the rules: \(manifest.excludedCount)") }
    if !verdict.doubled.isEmpty {
      lines.append("Twice on the remote: " + verdict.doubled.prefix(5).map { printable($0) }.joined(separator: ", "))
    }
    if !results.isEmpty {
      lines.append("Files:")
      lines += results.prefix(50).map { "  \(printable($0.path))" }
      if results.count > 50 { lines.append("  … and \(results.count - 50) more") }
    }
    return lines
  }

  var document: JSONValue {
    guard let manifest, let verdict else {
      return .object(["state": .string(state), "message": .optional(trouble)])
    }
    func paths(_ paths: [String]) -> JSONValue { .array(paths.map(JSONValue.string)) }
    return .object([
      "state": .string(state), "message": .null,
      "as_of": .time(Timestamp(milliseconds: manifest.startedAt)), "final": .bool(manifest.final),
      "files": .array(
        manifest.results.map { .object(["path": .string($0.path), "size": .integer($0.size), "md5": .string($0.md5)]) }),
      "packed": .integer(Int64(manifest.packed.count)), "excluded": .integer(Int64(manifest.excludedCount)),
      "unreadable": paths(manifest.unreadable), "damaged": paths(verdict.damaged), "kept": paths(verdict.kept),
      "doubled": paths(verdict.doubled), "unlisted": paths(verdict.unlisted),
    ])
  }
}
