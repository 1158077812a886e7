/// Copies of results: what the instance says of them, when the watcher asks for one itself, and what people are told.
extension Turn {
  private static let failingKey = "sync_failing"
  private static let unreadableKey = "sync_unreadable"
  private static let staleKey = "sync_stale"

  /// Whether the results of this job are copied at all.
  private var copies: Bool { job.spec.gdrivePath.map { !$0.isEmpty } ?? false }

  // MARK: What the instance says

  mutating func readSync(_ beacon: Beacon, launchedAt: Timestamp) {
    // The channel that the beacon comes through is authenticated, so a new key on it is as good as the first.
    if let key = beacon.hostKey.flatMap(HostKey.init) { machine.job.attempt.hostKey = key }
    if let synced = beacon.lastSyncAt { noteSynced(Timestamp(milliseconds: synced), launchedAt: launchedAt) }
    guard let report = beacon.sync, report.attempt == job.attempt.number, report.job == job.id.rawValue,
      report != job.attempt.sync, report.finishedAt >= job.attempt.sync?.finishedAt ?? .min
    else { return }
    machine.job.attempt.sync = report
    if report.isGood { noteSynced(Timestamp(milliseconds: report.startedAt), launchedAt: launchedAt) }
    tell(report)
  }

  /// A time before the launch or after now is that of a wrong clock.
  private mutating func noteSynced(_ moment: Timestamp, launchedAt: Timestamp) {
    guard moment <= now, moment >= launchedAt, moment > job.attempt.syncedAt ?? Timestamp(milliseconds: .min) else {
      return
    }
    machine.job.attempt.syncedAt = moment
  }

  private mutating func tell(_ report: SyncReport) {
    switch report.result {
    case .failing:
      let since = Timestamp(milliseconds: report.failingSince ?? report.startedAt)
      let trouble = report.trouble ?? .other
      // What may pass gets the time of two copies.
      let patience = trouble.isPassing ? policy.syncInterval * 2 : .zero
      guard !job.crossed.contains(Self.failingKey), now - since >= patience else { return }
      machine.job.crossed.append(Self.failingKey)
      record(
        .syncFailing, "the results are not copied: \(describe(report))", key: "\(trouble.rawValue)-\(since.rawValue)")
    case .incomplete:
      guard !job.crossed.contains(Self.unreadableKey) else { return }
      machine.job.crossed.append(Self.unreadableKey)
      record(
        .syncFailing, "the results are copied in part only: \(describe(report))",
        key: "\(SyncTrouble.unreadable.rawValue)-\(report.startedAt)")
    case .synced, .unchanged:
      recover()
      if report.final {
        record(
          .synced, "the results are on the remote: \(report.files ?? 0) files, \(report.bytes ?? 0) bytes, checked")
      }
    case .planned: return
    }
  }

  private mutating func recover() {
    let alarms: Set = [Self.failingKey, Self.unreadableKey, Self.staleKey]
    guard job.crossed.contains(where: alarms.contains) else { return }
    machine.job.crossed.removeAll(where: alarms.contains)
    record(.syncRecovered, "the results are copied again")
  }

  private func describe(_ report: SyncReport) -> String {
    let phrase = (report.trouble ?? .other).phrase
    return report.message.map { "\(phrase) (\($0))" } ?? phrase
  }

  // MARK: What its silence means

  /// From when on the results that are on the remote are too old: two copies and the time of one are missing.
  private var staleAt: Timestamp? {
    guard copies, job.state == .running, job.wish == nil, !job.attempt.heartbeatLost, let started = job.startedAt else {
      return nil
    }
    let length = job.attempt.sync.map { max(0, $0.finishedAt - $0.startedAt) } ?? 0
    let last = max(job.attempt.syncedAt ?? started, machine.outstanding.resumedAt ?? started)
    return last + policy.syncInterval * 2 + .milliseconds(length) + .seconds(60)
  }

  /// Told at most once until a copy succeeds, and not beside the reason of a failure.
  mutating func checkStaleness() {
    guard let staleAt, now >= staleAt, job.attempt.sync?.result != .failing,
      !job.crossed.contains(Self.staleKey), !job.crossed.contains(Self.failingKey)
    else { return }
    machine.job.crossed.append(Self.staleKey)
    let last = job.attempt.syncedAt.map { "last copied \(DurationText.short(now - $0)) ago" } ?? "never copied yet"
    record(.syncStale, "the results are out of date: \(last)", key: String((job.attempt.syncedAt ?? now).rawValue))
  }

  /// The instance is gone. Whether its last results are safe is said now, or nobody ever hears of it.
  mutating func checkFinalSync(wish: TerminationWish?) {
    guard copies, job.startedAt != nil, wish?.finalSync ?? true else { return }
    let last = job.attempt.sync
    guard last?.final != true || last?.isGood != true else { return }
    var text = "the instance ended without a last copy of its results"
    if let last, last.final { text += ": \(describe(last))" }
    text += job.attempt.syncedAt.map { "; copied last \(DurationText.short(now - $0)) ago" } ?? "; nothing was copied"
    record(.finalSyncMissing, text)
  }

  // MARK: When the watcher asks

  /// When a copy is asked for from here: the instance's own loop has missed its time.
  var syncDueAt: Timestamp? {
    guard copies, job.state == .running, job.attempt.isLive, job.wish == nil, !job.attempt.heartbeatLost,
      machine.outstanding.hasHeard, job.attempt.unreachableSince == nil, let started = job.startedAt
    else { return nil }
    let due = (job.attempt.syncedAt ?? started) + policy.syncInterval + min(policy.syncInterval / 2, .seconds(60))
    return max(due, machine.outstanding.nextSyncAt ?? due)
  }

  mutating func syncIfDue() {
    if let pending = machine.outstanding.sync {
      guard now >= pending.since + policy.observeTimeout else { return }
      syncAnswered(pending.sequence)
    }
    guard let due = syncDueAt, now >= due else { return }
    let sequence = nextSequence()
    machine.outstanding.sync = .init(sequence: sequence, since: now)
    decision.effects.append(.sync(sequence: sequence))
  }

  /// Whether it was started or not: how it went stands in the beacon, and the next one has its time.
  mutating func syncAnswered(_ sequence: Int) {
    guard machine.outstanding.sync?.sequence == sequence else { return }
    machine.outstanding.sync = nil
    machine.outstanding.nextSyncAt = now + max(policy.syncInterval, .seconds(1))
  }
}
