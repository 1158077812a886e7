internal import JobModel

/// Keeps one copy of what many jobs have in common: the jobs of a series differ in their names and folders, and have the
/// same command and environment, which are the largest things that a supervised job holds.
struct SharedTexts {
  private var commands: Set<String> = []
  private var environments: Set<[String: String]> = []

  /// Beyond so many different ones there is nothing in common.
  private static let limit = 1000

  /// The same job, with texts that are shared with equal ones of other jobs.
  mutating func shared(_ job: Job) -> Job {
    var job = job
    job.spec.command = Self.shared(job.spec.command, &commands)
    if !job.spec.environment.isEmpty { job.spec.environment = Self.shared(job.spec.environment, &environments) }
    return job
  }

  private static func shared<Text: Hashable>(_ text: Text, _ known: inout Set<Text>) -> Text {
    guard known.count < limit else { return known.firstIndex(of: text).map { known[$0] } ?? text }
    return known.insert(text).memberAfterInsert
  }
}
