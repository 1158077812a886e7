internal import Foundation
internal import Synchronization

/// The terminal while the live table is on it: raw keys, the alternate screen, and everything put back at the end.
final class Terminal: Sendable {
  /// What a key means here.
  enum Key: Sendable, Equatable {
    case quit
    case suspend
    case other
    /// Nothing will come any more: the terminal's window was closed, or its connection broke.
    case hangUp
  }

  private struct State {
    /// The settings to go back to; nil while the table is not on the terminal.
    var saved: termios?
    /// Whether the terminal was given back for good.
    var isOver = false
  }
  private let state: Mutex<State>

  /// Takes the terminal over, or returns nil if there is none.
  init?() {
    guard isatty(0) == 1, isatty(1) == 1, let saved = Terminal.takeOver() else { return nil }
    state = Mutex(State(saved: saved))
  }

  /// Whether a terminal of this kind (`TERM`) knows the escape sequences of the table.
  static func isCapable(_ environment: [String: String]) -> Bool {
    let kind = environment["TERM"] ?? ""
    return !kind.isEmpty && kind != "dumb"
  }

  /// Whether the terminal has hung up: nothing can be read from it or shown on it.
  static var isGone: Bool { isatty(0) == 0 || isatty(1) == 0 }

  /// Columns and rows now, of the terminal that a stream leads to.
  static func size(_ stream: Int32 = 1) -> (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(stream, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// A key that was pressed since the last call, without waiting for one.
  func key() -> Key? {
    // The keys of a shell that has put us into the background are not ours, and asking for them would stop us.
    guard Self.isForeground else { return nil }
    var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    guard poll(&input, 1, 0) == 1 else { return nil }
    var byte: UInt8 = 0
    switch read(0, &byte, 1) {
    case 1: break
    case 0: return .hangUp
    default: return [EINTR, EAGAIN].contains(errno) ? nil : .hangUp
    }
    switch byte {
    case UInt8(ascii: "q"): return .quit
    case 0x1A: return .suspend
    default: return .other
    }
  }

  /// Draws over what is there, so that nothing flickers. After `suspend` the table comes back as soon as the shell has put
  /// us into the foreground; after `restore` nothing is drawn.
  func show(_ lines: [String]) {
    // Erased before it is written: after a line as wide as the terminal, xterm would erase its last letter.
    let text = lines.map { "\u{1B}[K" + $0 }.joined(separator: "\r\n")
    state.withLock { state in
      guard !state.isOver, Self.isForeground else { return }
      if state.saved == nil { state.saved = Self.takeOver() }
      if state.saved != nil { Self.write("\u{1B}[?2026h\u{1B}[H\(text)\u{1B}[?2026l") }
    }
  }

  /// Gives the terminal back for a while: before the process is stopped by Ctrl-Z.
  func suspend() { state.withLock { Self.giveBack(&$0.saved) } }

  /// Gives the terminal back as it was. May be called twice.
  func restore() {
    state.withLock { state in
      state.isOver = true
      Self.giveBack(&state.saved)
    }
  }

  /// Raw keys and the alternate screen. Returns the settings as they were, or nil if there is no terminal.
  private static func takeOver() -> termios? {
    var settings = termios()
    guard tcgetattr(0, &settings) == 0 else { return nil }
    let saved = settings
    settings.c_lflag &= ~tcflag_t(ECHO | ICANON)
    // Ctrl-Z comes as a key, so that the screen is given back before the process stops. 0 is _POSIX_VDISABLE.
    withUnsafeMutableBytes(of: &settings.c_cc) { $0[Int(VSUSP)] = 0 }
    tcsetattr(0, TCSANOW, &settings)
    write("\u{1B}[?1049h\u{1B}[?25l")
    return saved
  }

  private static func giveBack(_ saved: inout termios?) {
    guard var settings = saved else { return }
    saved = nil
    // In the background the screen is the shell's, and touching it would stop us.
    guard isForeground else { return }
    write("\u{1B}[?25h\u{1B}[?1049l")
    tcsetattr(0, TCSANOW, &settings)
  }

  /// Whether the keys are ours. A terminal without job control, or one that has hung up, belongs to nobody else.
  private static var isForeground: Bool {
    let group = tcgetpgrp(0)
    return group == -1 || group == getpgrp()
  }

  /// A terminal that is gone can't be told.
  private static func write(_ text: String) { _ = writeAll(Array(text.utf8), to: 1) }
}
