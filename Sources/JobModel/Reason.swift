/// Why a job is in its state. The raw strings are stable: they stand in the database and in JSON.
package enum Reason: String, Sendable, Hashable, CaseIterable, Codable {
  // Launches that failed.
  case launchError = "launch_error"
  case launchLost = "launch_lost"
  case capacity
  // Calculations that failed.
  case exitCode = "exit_code"
  case bootstrapError = "bootstrap_error"
  case preempted
  case heartbeatLost = "heartbeat_lost"
  case instanceVanished = "instance_vanished"
  /// The machine switched itself off without a word.
  case shutDown = "shut_down"
  // Ends that somebody or something wanted.
  case userRequest = "user_request"
  case budget
  case maxDuration = "max_duration"
  case idle
  case stoppedOutside = "stopped_outside"
  /// The calculation is over, and its machine has to go as well.
  case finished
  /// Taken over from another tool's database, which kept no reason.
  case imported

  /// A short phrase for people.
  package var phrase: String {
    switch self {
    case .launchError: "the launch failed"
    case .launchLost: "the launch was lost"
    case .capacity: "no capacity"
    case .exitCode: "the calculation failed"
    case .bootstrapError: "the bootstrap script failed"
    case .preempted: "the instance was preempted"
    case .heartbeatLost: "the instance stopped reporting"
    case .instanceVanished: "the instance vanished"
    case .shutDown: "the machine switched itself off"
    case .userRequest: "terminated on request"
    case .budget: "the budget was reached"
    case .maxDuration: "the maximum duration was reached"
    case .idle: "the instance was idle"
    case .stoppedOutside: "stopped from outside"
    case .finished: "the calculation is over"
    case .imported: "imported"
    }
  }
}
