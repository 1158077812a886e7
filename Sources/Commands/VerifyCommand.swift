package import ArgumentParser
internal import Configuration
internal import JobModel
internal import JobStore
internal import Monitor
internal import ResultSync

package struct VerifyCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check that a job's results are on the remote, whole",
    discussion: """
      Compares every file of the last manifest with what the remote holds, by size and MD5. Exits with 65 if one is
      missing or different, and with 66 if nothing was copied yet. With --deep the instance reads all its results again,
      and they are compared too: what was written since the last copy is named, and is no damage.

      Examples:
        cloudjobs verify a1b2
        cloudjobs verify a1b2 --deep
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions
  @OptionGroup package var argument: JobArgument

  @Flag(help: "Compare also with the files that the instance has now.")
  var deep = false

  @Option(help: "How the instance is reached for --deep: ssh, or local on this machine.")
  var method: AccessMethod?

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    await store.close()
    guard let folder = context.remoteFolder(of: job) else {
      throw CommandError(.noInput, "job \(job.id) was started without a place for its results")
    }
    let now = context.clock.now()
    let results = try await ResultsReport.look(
      job, RcloneFolder(program: context.settings.sync.rclone, folder: folder), now: now,
      interval: context.settings.sync.interval)
    if let error = results.unreachable { throw error }
    guard let manifest = results.evidence.manifest, let verdict = results.evidence.verdict else {
      throw CommandError(.noInput, "nothing of job \(job.id) was copied to \(printable(folder)) yet")
    }
    let comparison = deep ? try await DeepCheck.run(manifest, try await context.access(to: job, by: method)) : nil
    show(results, comparison, now, context)
    guard verdict.isWhole else {
      try await ResultsDamage.tell(job, manifest, verdict, context)
      throw CommandError(
        .badData,
        "\(verdict.damaged.count) of \(manifest.files.count) files are missing or different. "
          + "If the instance still runs: cloudjobs resync \(job.id)")
    }
    if let comparison, !comparison.isSound {
      throw CommandError(
        .badData,
        "\(counted(comparison.different.count, "file")) on the instance differ from their copies although nothing was "
          + "written since. The disk of the instance, or what wrote there, can't be trusted")
    }
  }

  private func show(_ results: ResultsReport, _ comparison: DeepCheck?, _ now: Timestamp, _ context: CommandContext) {
    switch context.format {
    case .json:
      guard case .object(var members) = results.document else { return }
      members["deep"] = comparison.map(Self.document) ?? .null
      context.console.out(JSONText.pretty(.object(members)))
    case .text:
      for line in results.text(now: now) + (comparison.map(Self.text) ?? []) { context.console.out(line) }
    }
  }

  private static func text(_ check: DeepCheck) -> [String] {
    var lines = ["On the instance: \(counted(check.same, "file")) are the same"]
    for (what, paths) in [
      ("Written since the last copy", check.newer), ("Not copied yet", check.new), ("Not there any more", check.gone),
      ("Can't be read", check.unreadable), ("Different", check.different),
    ] where !paths.isEmpty {
      let names = paths.prefix(10).map { printable($0) }.joined(separator: ", ")
      lines.append("  \(what): \(paths.count) (\(names)\(paths.count > 10 ? ", …" : ""))")
    }
    return lines
  }

  private static func document(_ check: DeepCheck) -> JSONValue {
    .object([
      "same": .integer(Int64(check.same)), "newer": .texts(check.newer), "new": .texts(check.new),
      "gone": .texts(check.gone), "unreadable": .texts(check.unreadable), "different": .texts(check.different),
    ])
  }
}

/// Damage that somebody found is told to everybody, once for each manifest.
enum ResultsDamage {
  static func tell(_ job: Job, _ manifest: Manifest, _ verdict: Verdict, _ context: CommandContext) async throws {
    let policy = context.settings.alertPolicy
    let event = Event(
      job: job.id, attempt: job.attempt.number, at: context.clock.now(), kind: .resultsDamaged,
      message: "\(verdict.damaged.count) of \(manifest.files.count) files are missing on the remote or different: "
        + verdict.damaged.prefix(5).joined(separator: ", "),
      key: String(manifest.seq))
    let alerts = policy.alerts(for: event, job: job, billing: context.billing(job))
    guard !policy.channels.isEmpty, !alerts.isEmpty else { return }
    let store = try await context.openExisting()
    do {
      try await store.raise(alerts, at: event.at)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }
}
