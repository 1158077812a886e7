internal import Foundation

/// One thing of an account that was looked at, and what to do if it is not right.
package struct AWSFinding: Sendable, Hashable {
  package enum Result: Sendable, Hashable {
    case good
    /// It may be as it should be, or is no hindrance.
    case warning
    case bad
  }

  /// `credentials`, `bucket`, a region, …
  package var subject: String
  package var result: Result
  package var message: String
  package var remedy: String?

  package init(_ subject: String, _ result: Result, _ message: String, remedy: String? = nil) {
    self.subject = subject
    self.result = result
    self.message = message
    self.remedy = remedy
  }

  /// What it means that a call was refused or not answered.
  ///
  /// - Parameters:
  ///   - action: the permission that the call needs, as in `ec2:RunInstances`.
  ///   - result: how grave it is that the permission is missing.
  static func refused(
    _ error: AWSError, _ subject: String, action: String, who: String, result: Result = .bad
  ) -> AWSFinding {
    guard error.code == .denied else {
      return AWSFinding(
        subject, .bad, error.message, remedy: error.remedy.isEmpty ? "Try again in a while" : error.remedy)
    }
    let missing = permission(in: error.serviceMessage ?? "") ?? action
    return AWSFinding(
      subject, result, "\(who) may not do \(missing)",
      remedy: "Allow \(missing) in its policy (docs/aws.md#permissions)")
  }

  /// The permission that a refusal names: a launch needs more than one
  /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
  static func permission(in message: String) -> String? {
    guard let start = message.range(of: "to perform: ") else { return nil }
    let word = message[start.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == ":" || $0 == "-" }
    return word.contains(":") ? String(word) : nil
  }
}
