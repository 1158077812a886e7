internal import JobModel
internal import JobStore
internal import ProviderKit

/// When a job writes no more: the database says so, or, since nobody may be watching, the provider.
struct EndOfOutput {
  let reference: InstanceReference
  let provider: any Provider
  let policy: SupervisionPolicy
  /// Whether the database knows that the job is over.
  private(set) var isRecorded = false
  private var askAt = Timestamp(milliseconds: 0)
  private var absentSince: Timestamp?

  init(reference: InstanceReference, provider: any Provider, policy: SupervisionPolicy) {
    self.reference = reference
    self.provider = provider
    self.policy = policy
  }

  /// Looks into the store, and asks the provider now and then. Nothing is written.
  mutating func isReached(_ store: any Store, now: Timestamp) async throws -> Bool {
    isRecorded = try await store.job(reference.job)?.state.isTerminal ?? true
    guard !isRecorded, now >= askAt else { return isRecorded }
    askAt = now + policy.eagerPollInterval
    let answers = await provider.observe([reference])
    return isOver(answers[reference.token], now: now)
  }

  /// Whether an answer means that nothing more is written. Absent is not gone until it has lasted.
  mutating func isOver(_ observation: Observation?, now: Timestamp) -> Bool {
    switch observation {
    case .known(let report):
      absentSince = nil
      return [.stopped, .terminated].contains(report.state) || report.beacon?.phase == .finished
    case .absent:
      let since = absentSince ?? now
      absentSince = since
      return now - since >= policy.absenceConfirmation
    case .unreachable, nil: return false
    }
  }
}
