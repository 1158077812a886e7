internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

/// Rebuilds jobs from what clouds remember of them.
enum RememberedJobs {
  struct Report: Sendable {
    var imported: [JobID] = []
    var skipped: [JobID] = []
    /// Those of the imported ones whose instance lives.
    var living = 0
  }

  /// - Parameter jobs: only these; all if nil.
  static func take(
    into store: any Store, _ context: CommandContext, bucket: String?, jobs: Set<JobID>?
  ) async throws -> Report {
    var report = Report()
    for provider in context.providers() {
      guard let provider = provider as? any JobRecovering else { continue }
      for remembered in try await provider.remembered(bucket: bucket, jobs: jobs) {
        let now = context.clock.now()
        guard let job = remembered.job(now: now) else { continue }
        guard try await store.job(job.id) == nil else {
          report.skipped.append(job.id)
          continue
        }
        let event = Event(
          job: job.id, attempt: job.attempt.number, at: now, kind: .imported,
          message: "rebuilt from \(provider.name): \(job.state.rawValue), attempt \(job.attempt.number)")
        _ = try await store.insert(job, events: [event], owner: nil, at: now)
        report.imported.append(job.id)
        if job.attempt.isLive { report.living += 1 }
      }
    }
    return report
  }

  static func show(_ report: Report, _ context: CommandContext) {
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "imported": .array(report.imported.map { .string($0.rawValue) }),
            "skipped": .array(report.skipped.map { .string($0.rawValue) }), "warnings": .array([]),
          ])))
    case .text:
      context.console.out("\(report.imported.count) jobs imported, \(report.skipped.count) were here already")
      if report.living > 0 {
        context.console.note("The instances of \(counted(report.living, "job")) live. Look after them: cloudjobs watch")
      }
    }
  }
}
