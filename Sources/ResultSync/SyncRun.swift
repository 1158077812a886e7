package import JobModel
internal import ProviderKit
internal import Synchronization

/// One copy of results that a person asked for, followed to its end. The copy itself runs apart, so that it outlives
/// whoever follows it.
package struct SyncRun: Sendable {
  package struct Outcome: Sendable, Hashable {
    package var report: SyncReport?
    package var code: Int32
    /// Whether another copy was under way already and was followed.
    package var hasJoined = false
    /// Why, where no report says it: the copy was killed, or never began.
    package var reason: String?

    /// Why it failed.
    package var trouble: SyncTrouble {
      report?.trouble ?? reason.map { SyncTrouble(rawValue: $0) ?? .other } ?? .other
    }
  }

  private let access: InstanceAccess
  private let options: [String]
  private let timeout: Duration

  package init(
    _ access: InstanceAccess, isDryRun: Bool, isFinal: Bool = false, timeout: Duration = .seconds(24 * 3600)
  ) {
    self.access = access
    options = (isDryRun ? ["--dry-run"] : []) + (isFinal ? ["--final"] : [])
    self.timeout = timeout
  }

  /// - Parameter onEvent: told of each event as it comes.
  /// - Throws: `SyncError`, or `CancellationError`.
  package func follow(_ onEvent: @escaping @Sendable (SyncEvent) -> Void) async throws -> Outcome {
    let picture = Mutex((outcome: Outcome(report: nil, code: 74), isOver: false))
    let words = ["sh", "./" + SyncScript.File.script, ".", "--follow"] + options
    let code = try await access.shell(words.joined(separator: " "), timeout: timeout) { line in
      guard let event = SyncEvent(line: line) else { return }
      picture.withLock { picture in
        switch event {
        case .joined: picture.outcome.hasJoined = true
        case .end(let report): picture.outcome.report = report
        case .exit(let code, let reason):
          picture.outcome.code = code
          picture.outcome.reason = reason
          picture.isOver = true
        default: break
        }
      }
      onEvent(event)
    }
    let (outcome, isOver) = picture.withLock { $0 }
    if isOver { return outcome }
    throw SyncError.withoutScript(access, code: code)
  }

  /// Starts a copy, unless one is under way or nothing has changed, and does not wait for its end.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package static func start(_ access: InstanceAccess, timeout: Duration = .seconds(45)) async throws {
    let script = SyncScript.File.script
    let code = try await access.shell(
      "[ -e \(script) ] || exit 66; setsid sh ./\(script) . --if-changed >/dev/null 2>&1 &", timeout: timeout
    ) { _ in }
    if code != 0 { throw SyncError.withoutScript(access, code: code) }
  }
}
