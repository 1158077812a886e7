internal import ArgumentParser
internal import JobModel
internal import Monitor
internal import ProviderKit
internal import ResultSync

/// Brings the inputs of a new job to its cloud, and shows how far that is.
///
/// Nothing costs before it is done: a job gets its row, and an instance, only when its inputs are in place. So whoever is
/// interrupted has lost nothing, and goes on with `run --job-id`.
struct StagingView: Sendable {
  let context: CommandContext

  func stage(_ id: JobID, _ spec: JobSpec, provider name: ProviderName) async throws -> JobSpec {
    guard let provider = context.provider(name) as? any InputStaging else { return spec }
    let console = context.console
    console.note("Staging \(printable(spec.directory)) for job \(id)")
    let picture = StagingPicture(console, width: { Terminal.size(2).width })
    let clock = context.clock
    let staged: StagedFolder
    do {
      staged = try await Interruption.guarding {
        try await provider.stage(id, spec) { picture.show($0, at: clock.now()) }
      }
    } catch {
      picture.end()
      guard let interruption = error as? Interruption else { throw error }
      console.note("Interrupted. No instance was started. To go on: the same command with --job-id \(id)")
      throw ExitCode(interruption.code)
    }
    picture.end()
    for notice in staged.notices { console.note("warning: \(printable(notice))") }
    var text =
      "Inputs are in \(staged.place): \(counted(staged.count.files, "file")), \(ByteText.short(staged.count.bytes))"
    if staged.sent.bytes < staged.count.bytes { text += " (\(ByteText.short(staged.sent.bytes)) sent now)" }
    console.note(text)
    var spec = spec
    spec.s3InputPath = staged.place
    return spec
  }
}
