/// Why a folder could not be staged. Names the file and what to do.
package struct StagingError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable, Hashable {
    /// A file or folder can't be read.
    case unreadable
    /// A file changed while it was staged.
    case changed
    /// A name can't stand in S3.
    case name
    /// A link leads out of the folder.
    case link
    case tooLarge = "too_large"
    /// AWS refused or did not answer.
    case service
    case cancelled
  }

  package var code: Code
  package var message: String
  package var remedy: String
  /// With `Code.service`.
  package var cause: AWSError?

  package init(_ code: Code, _ message: String, remedy: String, cause: AWSError? = nil) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.cause = cause
  }

  package init(_ error: AWSError) {
    self.init(error.code == .cancelled ? .cancelled : .service, error.message, remedy: error.remedy, cause: error)
  }

  package var description: String { remedy.isEmpty ? message : "\(message). \(remedy)" }
}
