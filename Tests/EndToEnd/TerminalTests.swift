import Foundation
import TestSupport
import Testing

@Suite("The live table on a real terminal")
struct TerminalTests {
  private static let shown = #"\x1b[?1049h"#
  private static let left = #"\x1b[?1049l"#

  /// What was written to the terminal, and how the program ended; see Servers/terminal.py for the steps.
  private struct Session {
    var output: String
    var code: Int?
  }

  private func session(
    _ place: Workplace, term: String? = "xterm-256color", _ steps: [String], _ command: String...
  ) async throws -> Session {
    var words = ["-u", LoopbackServer.script("terminal").path]
    if let term { words += ["--term", term] }
    words += steps
    words += ["--", Workplace.executable]
    words += command
    let outcome = try await place.program(LoopbackServer.python, words).outcome(within: .seconds(120))
    #expect(outcome.code == 0, "\(outcome)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome)")
    return Session(output: report["output"] as? String ?? "", code: report["code"] as? Int)
  }

  @Test("q gives the terminal back as it was")
  func quit() async throws {
    try await Workplace.run { place in
      let session = try await session(
        place, ["wait=" + Self.shown, "wait=q quits", "keys=q", "wait=" + Self.left, "exit"], "watch")
      #expect(session.code == 0)
      #expect(session.output.components(separatedBy: "\u{1B}[?1049l").count == 2)
    }
  }

  @Test("Ctrl-Z leaves the alternate screen, and the table comes back with the program")
  func suspend() async throws {
    try await Workplace.run { place in
      let session = try await session(
        place,
        [
          "wait=q quits", #"keys=\x1a"#, "wait=" + Self.left, "stopped", "continue", "wait=" + Self.shown,
          "wait=q quits", "keys=q", "wait=" + Self.left, "exit",
        ], "watch")
      #expect(session.code == 0)
    }
  }

  @Test("a window that is closed ends the watcher, and the lease is free")
  func hangUp() async throws {
    try await Workplace.run { place in
      let session = try await session(place, ["wait=q quits", "hangup", "exit"], "watch")
      #expect(session.code == 0)
      #expect(try await place.cloudjobs("watch", "--once").code == 0)
    }
  }

  @Test("a terminal that knows no escape sequences gets log lines", arguments: ["dumb", nil] as [String?])
  func plain(_ term: String?) async throws {
    try await Workplace.run { place in
      let session = try await session(place, term: term, ["wait=Watching", #"keys=\x03"#, "exit"], "watch")
      #expect(session.code == 0)
      #expect(!session.output.contains("\u{1B}"))
    }
  }

  @Test("terminate asks on the terminal, and does nothing without a yes")
  func question() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", "while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      let question = "wait=Are you sure you want to terminate this job? (y/N): "
      let no = try await session(place, [question, #"keys=n\n"#, "exit"], "terminate", id)
      #expect(no.code == 0 && no.output.contains("Nothing was terminated."))
      #expect(!place.strays().isEmpty)
      let yes = try await session(place, [question, #"keys=y\n"#, "exit"], "terminate", id)
      #expect(yes.code == 0 && yes.output.contains("Job \(id) marked as terminated in database"))
      #expect(place.strays().isEmpty)
    }
  }
}
