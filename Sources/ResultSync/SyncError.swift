/// Why results could not be copied or looked at.
package struct SyncError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable {
    /// rclone, or a part of its configuration, is missing.
    case notSetUp = "not_set_up"
    /// The remote, or the instance, did not answer.
    case unreachable
    case timedOut = "timed_out"
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
}
