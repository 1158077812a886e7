/// What can happen to a job, as its supervisor hears it.
package enum Input: Sendable, Hashable {
  /// The job was just made: its launch intent is on disk.
  case launch
  /// A supervisor took the job over as it stands in the store.
  case adopted
  /// A deadline has come, or may have.
  case tick
  case launchAnswered(attempt: Int, LaunchAnswer)
  /// The provider knows an instance for the attempt.
  case found(attempt: Int, Launched)
  case notFound(sequence: Int)
  case findFailed(sequence: Int, String)
  case observed(sequence: Int, Observation)
  case terminateRequested(TerminationWish)
  case terminateAccepted(sequence: Int)
  case terminateFailed(sequence: Int, String)
  /// The call that starts a copy of the results is over, well or not.
  case syncAnswered(sequence: Int)
  /// The price of the instance, and since when it holds; nil for now.
  case priceChanged(HourlyPrice, at: Timestamp? = nil)
  /// A new attempt of a failed job.
  case retry
}

/// What a supervisor has to do in the world after a decision was committed.
package enum Effect: Sendable, Hashable {
  case launch
  case find(sequence: Int)
  case observe(sequence: Int)
  case terminate(sequence: Int, finalSync: Bool)
  /// Start a copy of the results on the instance, unless one is under way.
  case sync(sequence: Int)
  /// End an instance that belongs to no attempt any more.
  case discard(attempt: Int, Instance)
}

/// The outcome of one decision. The job value itself is in the machine.
package struct Decision: Sendable, Hashable {
  package var events: [Event] = []
  package var alerts: [Alert] = []
  package var effects: [Effect] = []
  /// Whether the job's row has to be written before the effects are carried out.
  package var needsCommit = false
  /// When the job wants to be looked at again; nil if it is closed.
  package var wakeAt: Timestamp?

  package init() {}
}
