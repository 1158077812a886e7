import CCurl
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many bytes of files were given to libcurl. What has to be sent again is taken back.
package final class ByteCounter: Sendable, Hashable {
  private let count = Atomic<Int64>(0)

  package init() {}

  package var value: Int64 { count.load(ordering: .relaxed) }
  package func add(_ bytes: Int64) { count.add(bytes, ordering: .relaxed) }

  package static func == (left: ByteCounter, right: ByteCounter) -> Bool { left === right }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// The piece of a file that a transfer sends. Made, used and closed on the transport's thread.
struct BodySource {
  private let piece: HTTPRequest.FilePiece
  private let descriptor: Int32
  private var position: Int64 = 0
  /// Why the file could not be read to the end of the piece.
  private(set) var failure: TransportError?

  init(_ piece: HTTPRequest.FilePiece) throws(TransportError) {
    // O_NONBLOCK: a named pipe must not hold the thread.
    let descriptor = open(piece.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw BodyFile.error("\(piece.path) can't be read", errno) }
    self.piece = piece
    self.descriptor = descriptor
  }

  func close() { BodyFile.close(descriptor) }

  mutating func read(_ buffer: UnsafeMutablePointer<CChar>?, _ room: Int) -> Int {
    guard let buffer else { return Int(CURL_READFUNC_ABORT) }
    let wanted = min(room, Int(clamping: piece.length - position))
    guard wanted > 0 else { return 0 }
    while true {
      let count = pread(descriptor, buffer, wanted, off_t(piece.offset + position))
      if count > 0 {
        position += Int64(count)
        piece.counter?.add(Int64(count))
        return count
      }
      if count < 0, errno == EINTR { continue }
      failure =
        count < 0
        ? BodyFile.error("\(piece.path) can't be read", errno)
        : TransportError(
          .localFile, "\(piece.path) has become shorter while it was sent",
          remedy: "Try again when nothing writes to it.")
      return Int(CURL_READFUNC_ABORT)
    }
  }

  mutating func seek(_ offset: curl_off_t, _ origin: Int32) -> Int32 {
    guard origin == SEEK_SET, offset >= 0, offset <= piece.length else { return Int32(CURL_SEEKFUNC_FAIL) }
    piece.counter?.add(Int64(offset) - position)
    position = Int64(offset)
    return Int32(CURL_SEEKFUNC_OK)
  }
}

/// The file that the body of an answer goes to. Made, used and closed on the transport's thread.
struct BodySink {
  private let path: String
  private var descriptor: Int32
  private var failure: TransportError?

  init(_ path: String) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if descriptor < 0 { failure = BodyFile.error("\(path) can't be written", errno) }
  }

  /// Closes the file if `finish` has not.
  func close() { BodyFile.close(descriptor) }

  mutating func write(_ bytes: UnsafeMutablePointer<CChar>, _ count: Int) -> Bool {
    guard failure == nil else { return false }
    var done = 0
    while done < count {
      let written = BodyFile.write(descriptor, bytes + done, count - done)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        failure = BodyFile.error("\(path) can't be written", errno)
        return false
      }
      done += written
    }
    return true
  }

  /// Closes the file, and says whether everything has reached it: network file systems tell of a full disk only then.
  mutating func finish() -> TransportError? {
    let code = BodyFile.close(descriptor)
    descriptor = -1
    if code != 0, failure == nil { failure = BodyFile.error("\(path) can't be written", errno) }
    return failure
  }
}

/// System calls by their full names, because the types above have methods of the same ones.
private enum BodyFile {
  static func error(_ what: String, _ code: Int32) -> TransportError {
    TransportError(.localFile, "\(what): \(String(cString: strerror(code)))")
  }

  @discardableResult
  static func close(_ descriptor: Int32) -> Int32 {
    guard descriptor >= 0 else { return 0 }
    #if canImport(Glibc)
      return Glibc.close(descriptor)
    #elseif canImport(Musl)
      return Musl.close(descriptor)
    #else
      return Darwin.close(descriptor)
    #endif
  }

  static func write(_ descriptor: Int32, _ bytes: UnsafeMutablePointer<CChar>, _ count: Int) -> Int {
    #if canImport(Glibc)
      return Glibc.write(descriptor, bytes, count)
    #elseif canImport(Musl)
      return Musl.write(descriptor, bytes, count)
    #else
      return Darwin.write(descriptor, bytes, count)
    #endif
  }
}
