internal import Foundation
internal import Synchronization

/// The terminal while the live table is on it: raw keys, the alternate screen, and everything put back at the end.
final class Terminal: Sendable {
  private let saved: Mutex<termios?>

  /// Takes the terminal over, or returns nil if there is none.
  init?() {
    guard isatty(0) == 1, isatty(1) == 1 else { return nil }
    var settings = termios()
    guard tcgetattr(0, &settings) == 0 else { return nil }
    saved = Mutex(settings)
    settings.c_lflag &= ~tcflag_t(ECHO | ICANON)
    tcsetattr(0, TCSANOW, &settings)
    Self.write("\u{1B}[?1049h\u{1B}[?25l")
  }

  /// Columns and rows now.
  static func size() -> (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// A key that was pressed since the last call, without waiting for one.
  func key() -> UInt8? {
    var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    guard poll(&input, 1, 0) == 1, input.revents & Int16(POLLIN) != 0 else { return nil }
    var byte: UInt8 = 0
    return read(0, &byte, 1) == 1 ? byte : nil
  }

  /// Draws over what is there, so that nothing flickers.
  func show(_ lines: [String]) {
    // Erased before it is written: after a line as wide as the terminal, xterm would erase its last letter.
    let text = lines.map { "\u{1B}[K" + $0 }.joined(separator: "\r\n")
    Self.write("\u{1B}[?2026h\u{1B}[H\(text)\u{1B}[?2026l")
  }

  /// Gives the terminal back as it was. May be called twice.
  func restore() {
    let settings = saved.withLock { saved -> termios? in
      defer { saved = nil }
      return saved
    }
    guard var settings else { return }
    Self.write("\u{1B}[?25h\u{1B}[?1049l")
    tcsetattr(0, TCSANOW, &settings)
  }

  /// A terminal that is gone can't be told.
  private static func write(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) }
}
