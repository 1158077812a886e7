package import JobModel
package import JobStore
package import Logging
package import ProviderKit

/// Compares what providers run with what the database knows, both ways.
///
/// Rows without an instance need nothing of it: a launch that was not answered is looked for by its job's supervisor, and is
/// `launch_lost` when it is not found.
package struct Reconciler: Sendable {
  package struct Finding: Sendable, Hashable {
    package var member: FleetMember
    package var verdict: FleetVerdict
    /// Nil if it was not ended; otherwise what the provider answered.
    package var termination: TerminateAnswer?

    package init(member: FleetMember, verdict: FleetVerdict, termination: TerminateAnswer? = nil) {
      self.member = member
      self.verdict = verdict
      self.termination = termination
    }
  }

  package struct Report: Sendable {
    package var findings: [Finding] = []
    /// Regions of providers that did not answer.
    package var failures: [String] = []

    package var leaked: [Finding] { findings.filter { if case .leaked = $0.verdict { true } else { false } } }
    package var orphans: [Finding] { findings.filter { $0.verdict == .orphan } }
    package var foreign: [Finding] { findings.filter { if case .foreign = $0.verdict { true } else { false } } }
  }

  private let store: any Store
  private let providers: [any Provider]
  private let clock: any WallClock
  private let logger: Logger

  /// For how long after a job's end something of it may come to light in a region that the configuration does not name.
  private static let aftermath = Duration.seconds(30 * 86_400)

  package init(store: any Store, providers: [any Provider], clock: any WallClock, logger: Logger) {
    self.store = store
    self.providers = providers
    self.clock = clock
    self.logger = logger
  }

  /// - Parameter endsLeaked: whether what nothing needs is ended.
  package func run(endsLeaked: Bool) async throws(StoreError) -> Report {
    var report = Report()
    let database = try await store.databaseID()
    for provider in providers {
      guard let provider = provider as? any FleetProviding else { continue }
      // The list comes first: a job that is made meanwhile can't be missing then.
      let answer = await provider.fleet(alsoIn: try await regions(of: provider.name))
      for (region, failure) in answer.failures.sorted(by: { $0.key < $1.key }) {
        report.failures.append("\(provider.name) \(region): \(failure)")
      }
      for member in answer.members where member.state != .terminated {
        let job = member.job == nil ? nil : try await stored(member)
        var finding = Finding(member: member, verdict: FleetVerdict(member, job: job, database: database))
        if case .leaked(let why) = finding.verdict, endsLeaked {
          finding.termination = await end(member, why: why)
        }
        report.findings.append(finding)
      }
    }
    return report
  }

  /// A job may have been launched where the configuration does not look by itself.
  private func regions(of provider: ProviderName) async throws(StoreError) -> Set<String> {
    Set(try await store.regions(provider: provider, endedSince: clock.now() - Self.aftermath))
  }

  /// What people are told of a report: each leaked or orphaned instance once, and its end.
  ///
  /// Nothing ends while a provider left something open: what is missing in its list may still run.
  package static func alerts(
    for report: Report, firing: [Alert], policy: AlertPolicy, at now: Timestamp
  ) -> [Alert] {
    let known = Set(firing.filter { $0.rule == .instanceLeaked }.map(\.condition))
    var holding: Set<String> = []
    var made: [Alert] = []
    for finding in report.findings {
      let why: String
      switch finding.verdict {
      case .leaked(let text): why = text
      case .orphan: why = "this database has no such job, or only earlier attempts of it"
      case .known, .launching, .foreign: continue
      }
      let condition = AlertPolicy.leakCondition(finding.member)
      guard holding.insert(condition).inserted, !known.contains(condition) else { continue }
      let done: String? =
        switch finding.termination {
        case .accepted: "its end was ordered"
        case .failed(let message): "its end was ordered, and refused: \(message)"
        case nil: nil
        }
      if let alert = policy.instanceLeaked(finding.member, why: why, done: done, at: now) { made.append(alert) }
    }
    guard report.failures.isEmpty else { return made }
    return made
      + firing.filter { $0.rule == .instanceLeaked && !holding.contains($0.condition) }
      .map { policy.instanceNotLeaked($0, at: now) }
  }

  private func stored(_ member: FleetMember) async throws(StoreError) -> Job? {
    guard let id = member.job, let job = try await store.job(id), job.provider == member.provider else { return nil }
    return job
  }

  /// Orders the end of an instance. One whose tags name no attempt of ours is let alone: nobody knows what it is.
  package func end(_ member: FleetMember, why: String) async -> TerminateAnswer? {
    guard let provider = providers.first(where: { $0.name == member.provider }), let job = member.job,
      let attempt = member.attempt, let token = member.token
    else { return nil }
    // It is on its way already.
    guard member.state != .stopping else { return .accepted }
    let answer = await provider.terminate(
      InstanceReference(job: job, attempt: attempt, token: token, instance: member.instance, bucket: member.bucket),
      finalSync: false)
    logger.warning(
      "Leaked instance is ended",
      metadata: [
        "job.id": "\(job)", "instance.id": "\(member.instance.id)", "why": "\(why)", "answer": "\(answer)",
      ])
    return answer
  }
}
