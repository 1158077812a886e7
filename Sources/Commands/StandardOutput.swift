internal import Foundation
internal import Synchronization

/// Standard output of this process. It remembers that something could not be written: a command whose output is cut short
/// must not look as if it had worked.
enum StandardOutput {
  /// Why something could not be written, or nil. A reader that has left (`| head`) is no failure.
  static var problem: String? {
    failure.number.withLock { $0 }.map { String(cString: strerror($0)) }
  }

  /// Writes everything; false if that is not possible.
  @discardableResult
  static func write(_ bytes: [UInt8]) -> Bool {
    guard let number = writeAll(bytes, to: 1) else { return true }
    if number != EPIPE { failure.number.withLock { $0 = $0 ?? number } }
    return false
  }

  private static let failure = Failure()

  private final class Failure: Sendable {
    /// The first `errno`.
    let number = Mutex<Int32?>(nil)
  }
}

/// Writes all bytes to a descriptor. Returns the `errno` that prevented it, or nil.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
  bytes.withUnsafeBytes { buffer -> Int32? in
    var done = 0
    while done < buffer.count {
      let count = write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      if count >= 0 {
        done += count
        continue
      }
      let number = errno
      switch number {
      case EINTR: continue
      case EAGAIN:
        // Another program made the terminal non-blocking; it takes more as soon as it has room.
        var output = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&output, 1, -1)
      default: return number
      }
    }
    return nil
  }
}
