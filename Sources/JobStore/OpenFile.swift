#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that stays open until it is told otherwise.
struct OpenFile {
  private let descriptor: Int32
  private let path: String

  init(_ path: String) throws(SystemError) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    self.path = path
    guard descriptor >= 0 else { throw SystemError("open", path) }
  }

  func close() { _ = Self.closing(descriptor) }

  private static let closing: @Sendable (Int32) -> Int32 = { descriptor in
    #if canImport(Glibc)
      Glibc.close(descriptor)
    #elseif canImport(Musl)
      Musl.close(descriptor)
    #else
      Darwin.close(descriptor)
    #endif
  }

  /// Copies the whole content to a new private file, on disk when this returns. What was begun is removed on failure.
  func copy(to target: String) throws(SystemError) {
    let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw SystemError("create", target) }
    defer { _ = Self.closing(output) }
    do throws(SystemError) {
      try copyContent(to: output, target)
      guard fsync(output) == 0 else { throw SystemError("fsync", target) }
    } catch {
      _ = unlink(target)
      throw error
    }
  }

  private func copyContent(to output: Int32, _ target: String) throws(SystemError) {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var offset: off_t = 0
    while true {
      let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, offset) }
      guard count >= 0 else { throw SystemError("read", path) }
      if count == 0 { return }
      var done = 0
      while done < count {
        let written = buffer.withUnsafeBytes { bytes in
          write(output, bytes.baseAddress.map { $0 + done }, count - done)
        }
        guard written >= 0 else { throw SystemError("write", target) }
        done += written
      }
      offset += off_t(count)
    }
  }
}
