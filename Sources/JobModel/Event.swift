/// An immutable line of a job's history.
package struct Event: Sendable, Hashable {
  /// What happened. The raw strings are stable.
  package enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
    case created
    case launchRequested = "launch_requested"
    case launched
    case launchFailed = "launch_failed"
    /// There was no room for another attempt; it is launched later.
    case launchDelayed = "launch_delayed"
    case started
    case completed
    case failed
    case terminated
    case terminateRequested = "terminate_requested"
    case terminateSent = "terminate_sent"
    case terminateFailed = "terminate_failed"
    case instanceGone = "instance_gone"
    case addressChanged = "address_changed"
    case heartbeatLost = "heartbeat_lost"
    case heartbeatBack = "heartbeat_back"
    case providerUnreachable = "provider_unreachable"
    case providerReachable = "provider_reachable"
    case costThreshold = "cost_threshold"
    case budgetReached = "budget_reached"
    case priceChanged = "price_changed"
    /// The price has risen by more than a factor since the launch.
    case priceRise = "price_rise"
    case instanceIdle = "instance_idle"
    case instanceBusy = "instance_busy"
    /// The calculation has written nothing for long.
    case jobStuck = "job_stuck"
    case jobMoving = "job_moving"
    /// The last copy of the results is on the remote, checked.
    case synced
    case syncFailing = "sync_failing"
    case syncRecovered = "sync_recovered"
    case syncStale = "sync_stale"
    case finalSyncMissing = "final_sync_missing"
    case resultsDamaged = "results_damaged"
    case retried
    case strayInstance = "stray_instance"
    case imported
  }

  package var job: JobID
  package var attempt: Int
  package var at: Timestamp
  package var kind: Kind
  package var reason: Reason?
  package var message: String
  /// What tells two events of one kind apart, such as the key of a cost threshold.
  package var key: String?

  package init(
    job: JobID, attempt: Int, at: Timestamp, kind: Kind, reason: Reason? = nil, message: String, key: String? = nil
  ) {
    self.job = job
    self.attempt = attempt
    self.at = at
    self.kind = kind
    self.reason = reason
    self.message = message
    self.key = key
  }
}
