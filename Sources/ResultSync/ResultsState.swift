package import JobModel

/// What can be said of a job's results in one word.
package enum ResultsState: String, Sendable, Hashable, CaseIterable {
  /// Nothing was copied yet.
  case never
  /// Everything as of the last copy is on the remote, whole.
  case synced
  /// A copy is under way; what is there is whole.
  case syncing
  /// The job runs, and its last copy is too old.
  case stale
  /// Some results could not be read, so they are not on the remote.
  case incomplete
  /// Copies fail; what is there, if anything, is that of the last one that did not.
  case failing
  /// The last copy of a job that is over is on the remote, and was compared with the instance.
  case final
  /// Files of the manifest are missing on the remote, or different.
  case damaged
  /// The remote can't be asked. This is not the same as nothing being there.
  case unknown

  /// What the remote and the instance said.
  package struct Evidence: Sendable, Hashable {
    package var manifest: Manifest?
    package var verdict: Verdict?
    package var isUnreachable = false
    /// How the latest copy went, as the instance says.
    package var latest: SyncReport?
    package var isSyncing = false
    /// Whether the calculation runs, so that new results may appear at any time.
    package var isRunning = false

    package init(
      manifest: Manifest? = nil, verdict: Verdict? = nil, isUnreachable: Bool = false, latest: SyncReport? = nil,
      isSyncing: Bool = false, isRunning: Bool = false
    ) {
      self.manifest = manifest
      self.verdict = verdict
      self.isUnreachable = isUnreachable
      self.latest = latest
      self.isSyncing = isSyncing
      self.isRunning = isRunning
    }

    /// Up to when the results are covered: an unchanged look counts as a copy.
    package var asOf: Timestamp? {
      guard let manifest else { return nil }
      let covered = latest.flatMap { $0.isGood && $0.seq == manifest.seq ? $0.startedAt : nil }
      return Timestamp(milliseconds: max(manifest.startedAt, covered ?? manifest.startedAt))
    }
  }

  /// - Parameter interval: how often results are to be copied.
  package init(_ evidence: Evidence, now: Timestamp, interval: Duration) {
    let latest = evidence.latest
    if evidence.isUnreachable {
      self = .unknown
    } else if evidence.verdict?.isWhole == false {
      self = .damaged
    } else if evidence.manifest?.final == true, evidence.verdict != nil {
      self = evidence.manifest?.unreadable.isEmpty == true ? .final : .incomplete
    } else if evidence.isSyncing {
      self = .syncing
    } else if latest?.result == .failing, (latest?.finishedAt ?? 0) > (evidence.manifest?.finishedAt ?? 0) {
      self = .failing
    } else if let manifest = evidence.manifest, let asOf = evidence.asOf {
      let length = Duration.milliseconds(max(0, manifest.finishedAt - manifest.startedAt))
      if !manifest.unreadable.isEmpty {
        self = .incomplete
      } else if evidence.isRunning, now - asOf > interval * 2 + length + .seconds(60) {
        self = .stale
      } else {
        self = .synced
      }
    } else {
      self = .never
    }
  }
}
