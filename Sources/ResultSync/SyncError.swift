/// Why results could not be copied or looked at.
package struct SyncError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable {
    /// rclone, ssh, or a part of their configuration, is missing.
    case notSetUp = "not_set_up"
    /// The remote, or the instance, did not answer.
    case unreachable
    case timedOut = "timed_out"
    /// The connection ended before the work did.
    case broken
    /// Keys or permissions forbid it.
    case refused
    /// The instance has nothing that could be copied.
    case absent
    /// It answered something that can't be read.
    case damaged
  }

  package var code: Code
  package var message: String
  package var remedy: String

  package init(_ code: Code, _ message: String, remedy: String) {
    self.code = code
    self.message = message
    self.remedy = remedy
  }

  package var description: String { message + ". " + remedy }

  /// A script that ended without a word of its own.
  static func withoutScript(_ access: InstanceAccess, code: Int32) -> SyncError {
    switch code {
    case 66, 127, 2:
      SyncError(
        .absent, "the instance's folder on \(access.name) has no script that copies results",
        remedy: access.isHere
          ? "The folder was removed, or the job was started without a place for its results"
          : "It may still be starting: try again in a minute")
    default:
      SyncError(.broken, "the copy ended with exit code \(code) and without a word", remedy: "Try again")
    }
  }
}
