/// A program that takes alerts.
package struct CommandSettings: Sendable, Hashable {
  /// The program and its arguments, without a shell. Not for secrets: other users of the machine can see them.
  package var words: [String]
  /// What the program finds in its environment.
  package var environment: [String: String]
  /// After this long the program is killed, with everything it started.
  package var timeout: Duration

  package init(words: [String], environment: [String: String] = [:], timeout: Duration = .seconds(30)) {
    self.words = words
    self.environment = environment
    self.timeout = timeout
  }

  /// The program's name or path; `~/` is the home of the environment.
  var program: String {
    guard let word = words.first else { return "" }
    guard word.hasPrefix("~/"), let home = environment["HOME"], !home.isEmpty else { return word }
    return home + word.dropFirst(1)
  }
}
