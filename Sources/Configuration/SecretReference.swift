/// Where a secret is kept. The secret itself is never part of the configuration.
package enum SecretReference: Sendable, Hashable, CustomStringConvertible {
  /// The name of an environment variable.
  case environment(String)
  /// The path of a file that holds only the secret; `~/` is the user's home.
  case file(String)
  /// A program and its arguments, without a shell; its output is the secret.
  case command([String])

  /// Names the place. Of a command only the program, because arguments may tell too much.
  package var description: String {
    switch self {
    case .environment(let name): "environment variable \(name)"
    case .file(let path): "file \(Wording.bare(path))"
    case .command(let words): "command \(Wording.bare(words.first ?? ""))"
    }
  }
}

/// A text that may be kept secret, as the address of a webhook.
package enum PlainOrSecret: Sendable, Hashable, CustomStringConvertible {
  case plain(String)
  case secret(SecretReference)

  /// Where it is kept, if it is secret.
  package var reference: SecretReference? {
    guard case .secret(let reference) = self else { return nil }
    return reference
  }

  /// A plain text is not shown either: it may be an address whose path is a key.
  package var description: String {
    switch self {
    case .plain: "•••"
    case .secret(let reference): reference.description
    }
  }
}

/// Why a secret could not be had. It names the place and the remedy, and never the secret.
package struct SecretError: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Code: String, Sendable {
    case missing
    case unreadable
    case empty
    case tooLong
    case failed
    case timedOut
  }

  package var code: Code
  package var reference: SecretReference
  package var message: String

  package var description: String { "\(reference): \(message)" }
}
