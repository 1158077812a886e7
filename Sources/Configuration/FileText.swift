#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads small files without ever waiting for one that is no file.
enum FileText {
  enum Failure: Error, Sendable, Hashable {
    case missing
    case tooLarge
    /// Says why, as a sentence after the path.
    case unreadable(String)
  }

  /// All bytes of a regular file of at most `limit` bytes.
  static func read(_ path: String, limit: Int) -> Result<[UInt8], Failure> {
    // Without O_NONBLOCK a named pipe would be waited for.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return .failure(.missing) }
      return .failure(.unreadable("can't be opened: \(reason(errno))"))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return .failure(.unreadable("can't be read: \(reason(errno))")) }
    guard status.st_mode & S_IFMT == S_IFREG else { return .failure(.unreadable("is not a regular file")) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = chunk.withUnsafeMutableBytes { buffer in
        #if canImport(Glibc)
          Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
          Musl.read(descriptor, buffer.baseAddress, buffer.count)
        #else
          Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
      }
      if count == 0 { return .success(bytes) }
      guard count > 0 else {
        if errno == EINTR { continue }
        return .failure(.unreadable("can't be read: \(reason(errno))"))
      }
      bytes.append(contentsOf: chunk[..<count])
      guard bytes.count <= limit else { return .failure(.tooLarge) }
    }
  }

  private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
