/// Follows the server's side of an SMTP session line by line.
///
/// libcurl 7.88 sends a message without logging in if the server offers no AUTH, although a password was given, and
/// tells neither that nor the text of the last reply. Both can be seen here.
struct SMTPDialogue: Sendable {
  enum Step: Sendable, Hashable {
    case goOn
    /// The server let itself be talked to, but offers no way to log in.
    case noLogin
  }

  private enum Phase: Sendable, Hashable {
    case greeting
    /// The next reply answers EHLO; after it STARTTLS follows if `thenTLS`.
    case hello(thenTLS: Bool)
    case startTLS
    case session
    /// The message is on its way or was sent.
    case message
    /// The server has said its last word about the message.
    case decided
  }

  private let needsLogin: Bool
  private var phase = Phase.greeting
  private let startsTLS: Bool
  private var offersLogin = false
  /// Whether a 235 was seen (RFC 4954, section 6).
  private(set) var isLoggedIn = false
  /// The lines of the last complete reply.
  private(set) var lastReply: [String] = []
  private var reply: [String] = []

  init(security: SMTPRequest.Security, needsLogin: Bool) {
    self.needsLogin = needsLogin
    startsTLS = security == .startTLS
  }

  /// Whether the message may be handed over now.
  var maySend: Bool { !needsLogin || isLoggedIn }

  /// Whether the server has answered the whole message, so that only the goodbye is left.
  var isDecided: Bool { phase == .decided }

  /// Whether the server asked for the message and has not answered it.
  var isUndecided: Bool { phase == .message }

  /// Takes one line of the server without its line break.
  mutating func receive(_ line: String) -> Step {
    let bytes = Array(line.utf8.prefix(512))
    guard bytes.count >= 3, bytes.prefix(3).allSatisfy({ (48...57).contains($0) }) else { return .goOn }
    // A reply of a hundred lines is none.
    if reply.count < 100 { reply.append(String(decoding: bytes, as: UTF8.self)) }
    if case .hello = phase {
      let words = line.dropFirst(4).uppercased().split { $0 == " " || $0 == "=" }
      if words.first == "AUTH", words.count > 1 { offersLogin = true }
    }
    guard bytes.count == 3 || bytes[3] != UInt8(ascii: "-") else { return .goOn }
    defer { reply = [] }
    // The answer to the message is the last word, and a goodbye says nothing about what went before.
    guard phase != .decided, !line.hasPrefix("221") else { return .goOn }
    lastReply = reply
    return replied(Int(bytes[0] - 48) * 100 + Int(bytes[1] - 48) * 10 + Int(bytes[2] - 48))
  }

  private mutating func replied(_ code: Int) -> Step {
    switch phase {
    case .greeting:
      phase = .hello(thenTLS: startsTLS)
    case .hello(let thenTLS):
      guard code / 100 == 2 else { return .goOn }
      phase = thenTLS ? .startTLS : .session
      guard !thenTLS, needsLogin, !offersLogin else { return .goOn }
      return .noLogin
    case .startTLS:
      // What was offered without encryption does not count.
      offersLogin = false
      if code == 220 { phase = .hello(thenTLS: false) }
    case .session:
      if code == 235 { isLoggedIn = true }
      if code == 354 { phase = .message }
    case .message:
      phase = .decided
    case .decided:
      break
    }
    return .goOn
  }
}
