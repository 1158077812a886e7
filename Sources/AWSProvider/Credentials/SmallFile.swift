internal import Dispatch

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Reads small text files on a thread that may wait: homes lie on network file systems.
enum SmallFile {
  enum Answer: Sendable, Hashable {
    case text(String)
    case absent
    /// Says why, as a sentence after the path.
    case unreadable(String)
  }

  private static let limit = 1024 * 1024
  private static let queue = DispatchQueue(label: "cloudjobs.aws.files")

  static func read(_ path: String) async -> Answer {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: readNow(path)) }
    }
  }

  private static func readNow(_ path: String) -> Answer {
    // Without O_NONBLOCK a named pipe would be waited for.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return .absent }
      return .unreadable("can't be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = readPiece(descriptor, &chunk)
      if count == 0 { break }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return .unreadable("can't be read: \(String(cString: strerror(errno)))") }
      bytes += chunk[..<count]
      guard bytes.count <= limit else { return .unreadable("is larger than \(limit) bytes") }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { return .unreadable("is not UTF-8 text") }
    return .text(text)
  }

  private static func readPiece(_ descriptor: Int32, _ chunk: inout [UInt8]) -> Int {
    chunk.withUnsafeMutableBytes { buffer in
      #if canImport(Glibc)
        Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      #elseif canImport(Musl)
        Musl.read(descriptor, buffer.baseAddress, buffer.count)
      #else
        Darwin.read(descriptor, buffer.baseAddress, buffer.count)
      #endif
    }
  }
}
