internal import Foundation
internal import Synchronization

/// A program on a terminal of its own (`Servers/terminal.py`), and what a person would see there.
package final class TerminalProgram: Sendable {
  /// The screen, and the state of the terminal.
  package struct Screen: Sendable, Decodable, CustomStringConvertible {
    /// Whether what was waited for has come.
    var ok: Bool
    /// From top to bottom, without the blanks at the ends.
    package var lines: [String]
    /// The numbers of the lines with colours or other attributes.
    package var painted: [Int]
    /// Whether the cursor is shown.
    package var cursor: Bool
    /// Whether the alternate screen is on.
    package var alternate: Bool
    /// Whether what is typed is shown, and read line by line.
    package var echo: Bool
    package var cooked: Bool
    /// Whether all modes of the terminal are as they were before the program.
    package var restored: Bool
    /// How many escape sequences were written so far.
    package var escapes: Int
    /// How often a text was longer than the terminal is wide.
    package var wraps: Int
    /// Escape sequences that the terminal does not know.
    package var unknown: [String]
    /// Whether the program is stopped, as by Ctrl-Z.
    package var stopped: Bool
    /// The exit code; 128 and the signal's number if a signal ended it; nil while it runs.
    package var code: Int32?

    /// Whether a program that took the terminal over has given it back as it was.
    package var isGivenBack: Bool { !alternate && cursor && echo && cooked && restored }

    package var description: String {
      let state =
        "code \(code.map { "\($0)" } ?? "-"), cursor \(cursor), alternate \(alternate), echo \(echo), "
        + "cooked \(cooked), restored \(restored), escapes \(escapes), wraps \(wraps), unknown \(unknown), "
        + "stopped \(stopped)"
      return ([state] + lines.map { "|" + $0 }).joined(separator: "\n")
    }
  }

  private let terminal: RunningProgram
  private let asked = Mutex(0)

  init(_ terminal: RunningProgram) { self.terminal = terminal }

  // MARK: What a person does

  /// Types; `\r` is the return key.
  package func send(_ text: String) async throws { _ = try await ask("send \(Self.json(text))") }

  /// Changes the size of the window.
  package func resize(width: Int, height: Int) async throws { _ = try await ask("resize \(width) \(height)") }

  package func signal(_ number: Int32) async throws { _ = try await ask("signal \(number)") }

  /// Closes the window.
  package func close() { terminal.signal(SIGKILL) }

  // MARK: What a person sees

  /// Waits until each of the texts stands on a line.
  @discardableResult
  package func shows(_ texts: String..., within seconds: Int = 30) async throws -> Screen {
    try await ask("wait \(seconds) \(Self.json(texts))", within: seconds)
  }

  /// Waits until the live table was drawn `count` more times.
  @discardableResult
  package func draws(_ count: Int, within seconds: Int = 30) async throws -> Screen {
    try await ask("updates \(seconds) \(count)", within: seconds)
  }

  /// Waits until the program is stopped, as by Ctrl-Z.
  @discardableResult
  package func stops(within seconds: Int = 30) async throws -> Screen {
    try await ask("stop \(seconds)", within: seconds)
  }

  /// Waits for the program's end. The terminal stays.
  package func ends(within seconds: Int = 60) async throws -> Screen {
    try await ask("end \(seconds)", within: seconds)
  }

  // MARK: Asking the terminal

  private static func json(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
  }

  private func ask(_ command: String, within seconds: Int = 0) async throws -> Screen {
    let number = asked.withLock { number in
      number += 1
      return number
    }
    try terminal.say(command + "\n")
    var answer: Screen?
    try await eventually("the terminal answers \(command)", deadline: .seconds(seconds + 30)) {
      guard terminal.isRunning else {
        throw Workplace.Failure(description: "the terminal has ended at \(command)\n\(terminal.errors)")
      }
      // The last piece is what follows the last whole line.
      let answers = terminal.output.split(separator: "\n", omittingEmptySubsequences: false)
      guard answers.count > number else { return false }
      answer = try JSONDecoder().decode(Screen.self, from: Data(answers[number - 1].utf8))
      return true
    }
    guard let screen = answer, screen.ok else {
      throw Workplace.Failure(description: "in vain: \(command)\n\(answer.map(\.description) ?? "no answer")")
    }
    return screen
  }
}

extension Workplace {
  /// Starts `cloudjobs` on a terminal and goes on.
  package func terminal(
    _ arguments: String..., width: Int = 100, height: Int = 24, environment: [String: String] = [:]
  ) throws -> TerminalProgram {
    try terminal(command: [Self.executable] + arguments, width: width, height: height, environment: environment)
  }

  /// Starts any program on a terminal and goes on.
  package func terminal(
    command: [String], width: Int = 100, height: Int = 24, environment: [String: String] = [:]
  ) throws -> TerminalProgram {
    let arguments = [LoopbackServer.script("terminal"), "--width", "\(width)", "--height", "\(height)", "--"] + command
    let all = ["TERM": "xterm-256color"].merging(environment) { _, new in new }
    return TerminalProgram(try program(LoopbackServer.python, arguments, input: "", environment: all))
  }
}
