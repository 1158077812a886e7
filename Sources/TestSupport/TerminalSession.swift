internal import Foundation

/// A real terminal for a program: tmux without a window.
package struct TerminalSession: Sendable {
  private let place: Workplace
  private let socket: String

  package static var isAvailable: Bool { Workplace.has("tmux") }

  /// Runs a shell command in a terminal of that size until `body` ends. The shell is kept after the command, so that
  /// what is on the screen can be read.
  package static func run(
    _ place: Workplace, _ command: String, width: Int = 100, height: Int = 24, environment: [String: String] = [:],
    _ body: (TerminalSession) async throws -> Void
  ) async throws {
    let session = TerminalSession(place: place, socket: (place.folder as NSString).deletingLastPathComponent + "/tmux")
    try await place.tool(
      // The server must not keep the pipes that its caller waits on.
      "sh", "-c", "exec tmux \"$@\" </dev/null >/dev/null 2>&1", "tmux", "-S", session.socket, "-f", "/dev/null", "new-session", "-d", "-x", "\(width)", "-y", "\(height)",
      "exec sh -c '\(command.replacing("'", with: "'\\''")); exec sleep 600'", environment: environment)
    do {
      try await body(session)
    } catch {
      let screen = try await session.screen()
      try await session.tmux("kill-server")
      throw Workplace.Failure(description: "\(error)\nThe terminal shows:\n\(screen)")
    }
    try await session.tmux("kill-server")
  }

  @discardableResult
  private func tmux(_ words: String...) async throws -> String {
    let outcome = try await place.program("/usr/bin/env", ["tmux", "-S", socket] + words).outcome(within: .seconds(20))
    guard outcome.code == 0 else { throw Workplace.Failure(description: "\(outcome)") }
    return outcome.output
  }

  /// What the terminal shows now; with `escapes` also its colours.
  package func screen(escapes: Bool = false) async throws -> String {
    escapes ? try await tmux("capture-pane", "-p", "-e") : try await tmux("capture-pane", "-p")
  }

  package func type(_ keys: String) async throws { try await tmux("send-keys", "-l", keys) }
  package func enter() async throws { try await tmux("send-keys", "Enter") }
  package func resize(width: Int, height: Int) async throws {
    try await tmux("resize-window", "-x", "\(width)", "-y", "\(height)")
  }

  /// Waits until the screen shows a text, and returns all of it.
  @discardableResult
  package func shows(_ text: String) async throws -> String {
    var last = ""
    try await eventually("the terminal shows “\(text)”", deadline: .seconds(30)) {
      last = try await screen()
      return last.contains(text)
    }
    return last
  }
}
