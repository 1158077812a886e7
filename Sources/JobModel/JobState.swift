/// The six states of a job.
package enum JobState: String, Sendable, Hashable, CaseIterable, Codable {
  /// The intent to launch is on disk; no instance is known yet. Can go to: launched, failed, terminated.
  case launching
  /// The provider named an instance. Can go to: running, completed, failed, terminated.
  case launched
  /// The bootstrap script reported that the calculation started. Can go to: completed, failed, terminated.
  case running
  /// The calculation ended with exit code 0. Final.
  case completed
  /// The launch or the calculation failed. Can go to: launching (a new attempt of the same job).
  case failed
  /// Ended by the user, by a limit, or from outside. Final.
  case terminated

  /// Whether the calculation is over.
  package var isTerminal: Bool {
    switch self {
    case .launching, .launched, .running: false
    case .completed, .failed, .terminated: true
    }
  }

  package static let active: [JobState] = [.launching, .launched, .running]
}

/// The transition table: nothing else in the code decides whether a move is legal.
package enum TransitionTable {
  private static let legal: [JobState: Set<JobState>] = [
    .launching: [.launched, .failed, .terminated],
    .launched: [.running, .completed, .failed, .terminated],
    .running: [.completed, .failed, .terminated],
    .failed: [.launching],
  ]

  package static func allows(_ from: JobState, _ to: JobState) -> Bool {
    legal[from]?.contains(to) ?? false
  }
}
