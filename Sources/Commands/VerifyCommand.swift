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
      missing or different, and with 66 if nothing was copied yet.

      Example:
        cloudjobs verify a1b2
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions
  @OptionGroup package var argument: JobArgument

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    await store.close()
    guard let folder = job.spec.gdrivePath else {
      throw CommandError(.noInput, "job \(job.id) was started without a place for its results")
    }
    let results = try await ResultsReport.look(RcloneFolder(program: context.settings.sync.rclone, folder: folder))
    guard let manifest = results.manifest, let verdict = results.verdict else {
      throw CommandError(.noInput, "nothing of job \(job.id) was copied to \(printable(folder)) yet")
    }
    switch context.format {
    case .json: context.console.out(JSONText.pretty(results.document))
    case .text: for line in results.text(now: context.clock.now()) { context.console.out(line) }
    }
    guard verdict.isWhole else {
      throw CommandError(
        .badData,
        "\(verdict.damaged.count) of \(manifest.files.count) files are missing or different. "
          + "If the instance still runs: cloudjobs resync \(job.id)")
    }
  }
}
