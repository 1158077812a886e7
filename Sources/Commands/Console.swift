internal import Foundation

/// Where a command writes to and asks from: data on standard output, everything else on standard error.
package struct Console: Sendable {
  package var isOutputTerminal: Bool
  package var isErrorTerminal: Bool
  package var isInputTerminal: Bool
  /// Whether the terminal knows no escape sequences (`TERM=dumb`, or no `TERM` at all).
  package var isDumb: Bool
  /// Whether escape sequences for colour may be written to standard output.
  package var usesColor: Bool
  /// The same of standard error, which may lead elsewhere.
  package var usesErrorColor: Bool
  private let sink: @Sendable (Stream, String) -> Void
  private let source: @Sendable () -> String?

  package enum Stream: Sendable { case output, error }

  package init(
    isOutputTerminal: Bool, isErrorTerminal: Bool, isInputTerminal: Bool, isDumb: Bool = false, usesColor: Bool,
    usesErrorColor: Bool = false, sink: @escaping @Sendable (Stream, String) -> Void,
    source: @escaping @Sendable () -> String?
  ) {
    self.isOutputTerminal = isOutputTerminal
    self.isErrorTerminal = isErrorTerminal
    self.isInputTerminal = isInputTerminal
    self.isDumb = isDumb
    self.usesColor = usesColor
    self.usesErrorColor = usesErrorColor
    self.sink = sink
    self.source = source
  }

  /// The streams of this process. Colour only on a terminal, and never with `NO_COLOR` (https://no-color.org) or `TERM=dumb`.
  package static func standard(environment: [String: String]) -> Console {
    let (output, error) = (isatty(1) == 1, isatty(2) == 1)
    let plain = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
    return Console(
      isOutputTerminal: output, isErrorTerminal: error, isInputTerminal: isatty(0) == 1,
      isDumb: !Terminal.isCapable(environment), usesColor: output && !plain, usesErrorColor: error && !plain,
      sink: { stream, text in
        switch stream {
        // A closed pipe ends the program by SIGPIPE, as people expect of `| head`.
        case .output: StandardOutput.write(Array(text.utf8))
        // What can't be written here has nobody to be told.
        case .error: _ = writeAll(Array(text.utf8), to: 2)
        }
      },
      source: { readLine(strippingNewline: true) })
  }

  /// A line of data.
  package func out(_ line: String) { sink(.output, line + "\n") }

  /// Data as it is.
  package func raw(_ text: String) { sink(.output, text) }

  /// A line for the person at the terminal.
  package func note(_ line: String) { sink(.error, line + "\n") }

  /// Whether a line that was written can be written over.
  package var canRedraw: Bool { isErrorTerminal && !isDumb }

  /// Writes over the last line that was written like this; an empty one takes it away.
  package func redraw(_ line: String) { sink(.error, "\r\u{1B}[K" + line) }

  /// Whether there is somebody who sees a question and can answer it.
  package var canAsk: Bool { isInputTerminal && isErrorTerminal }

  /// Asks a question that is answered with y or n; no answer is no. It is no data, so it goes to standard error.
  package func confirm(_ question: String) -> Bool {
    sink(.error, question + " (y/N): ")
    let answer = source()?.trimmingCharacters(in: .whitespaces).lowercased()
    return answer == "y" || answer == "yes"
  }

  /// Asks a question that is answered with a line; nil if nothing more will be answered.
  package func ask(_ question: String) -> String? {
    sink(.error, question)
    return source()
  }

  package func colored(_ text: String, _ color: Color, on stream: Stream = .output) -> String {
    let uses = stream == .output ? usesColor : usesErrorColor
    return uses ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
  }

  package enum Color: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
    case blue = 34
    case cyan = 36
    case dim = 2
    case bold = 1
  }
}

/// Text that comes from outside (a job's name, a provider's message), without what could move the cursor or forge a line.
package func printable(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar.properties.generalCategory {
    // The zero-width joiner holds emoji together.
    case .format where scalar.value == 0x200D: result.append(scalar)
    case .control, .lineSeparator, .paragraphSeparator, .format: result.append("\u{FFFD}")
    default: result.append(scalar)
    }
  }
  return String(result)
}

/// `1 job`, `2 jobs`.
func counted(_ count: Int, _ one: String, _ many: String? = nil) -> String {
  "\(count) " + (count == 1 ? one : many ?? one + "s")
}
