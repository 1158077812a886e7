/// One thing that is wrong with the configuration, and how to put it right.
package struct Mistake: Sendable, Hashable, CustomStringConvertible {
  /// The key's path (`alerts.rules.job_failed.severity`), the environment variable, or the flag; empty for the document.
  package var path: String
  /// Continues the path as a sentence, and never contains a secret.
  package var message: String
  /// Where it stands in the file, if it stands there.
  package var position: TextPosition?

  package init(path: String, message: String, position: TextPosition? = nil) {
    self.path = path
    self.message = message
    self.position = position
  }

  /// `12:5: alerts.rules.job_failed.severity: "loud" is not allowed; one of info, warning, critical`.
  package var description: String {
    let place = position.map { "\($0.line):\($0.column): " } ?? ""
    return place + (path.isEmpty ? "" : path + ": ") + message
  }
}

/// Why a configuration can't be used: every mistake that it has.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// The named file does not exist.
    case missing
    /// The file can't be read: no permission, not a regular file.
    case unreadable
    /// It is not JSON.
    case syntax
    /// It is JSON, but not a configuration.
    case invalid
  }

  package var code: Code
  /// The file, as it was named; nil if no file was read.
  package var file: String?
  package var mistakes: [Mistake]

  package init(code: Code, file: String?, mistakes: [Mistake]) {
    self.code = code
    self.file = file
    self.mistakes = mistakes
  }

  /// One line a mistake; those from the file begin with `config.json:12:5:`.
  package var description: String {
    mistakes.map { mistake in
      if mistake.position != nil { return "\(file ?? "config.json"):\(mistake)" }
      return code == .invalid ? mistake.description : "\(file ?? "config.json"): \(mistake)"
    }.joined(separator: "\n")
  }
}

/// Mistakes as they are found, bounded so that a hostile file can't make an endless report.
struct MistakeList {
  static let limit = 100

  private(set) var mistakes: [Mistake] = []
  private var dropped = 0

  var isEmpty: Bool { mistakes.isEmpty }

  mutating func add(_ path: String, _ message: String, at position: TextPosition? = nil) {
    guard mistakes.count < Self.limit else {
      dropped += 1
      return
    }
    mistakes.append(Mistake(path: path, message: message, position: position))
  }

  /// In the order of the file, those from elsewhere last.
  var sorted: [Mistake] {
    var all = mistakes.enumerated().sorted { left, right in
      switch (left.element.position, right.element.position) {
      case (let one?, let two?): (one.line, one.column, left.offset) < (two.line, two.column, right.offset)
      case (nil, .some): false
      case (.some, nil): true
      case (nil, nil): left.offset < right.offset
      }
    }.map(\.element)
    if dropped > 0 { all.append(Mistake(path: "", message: "and \(dropped) more mistakes")) }
    return all
  }
}
