internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Files that only their owner can read, replaced as a whole. Both calls block for as long as the disk does.
package enum PrivateFile {
  package struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String
  }

  /// Writes a file beside `path` and puts it in its place, so that nobody ever sees half of it.
  package static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
    let new = "\(path).\(getpid()).new"
    // One that a killed process with our number has left.
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure(path) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Foundation.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let failure = Self.failure(path)
        close(descriptor)
        unlink(new)
        throw failure
      }
      done += count
    }
    // Some disks tell only now that they were full.
    guard fsync(descriptor) == 0 || errno == EINVAL, close(descriptor) == 0, rename(new, path) == 0 else {
      let failure = Self.failure(path)
      unlink(new)
      throw failure
    }
  }

  /// The bytes of a plain file that is at most `limit` long and belongs to us; nil for anything else.
  package static func read(_ path: String, limit: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
      status.st_size <= limit
    else { return nil }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= limit {
      let count = Foundation.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { return bytes }
      bytes += piece[..<count]
    }
    return nil
  }

  private static func failure(_ path: String) -> Failure {
    Failure(description: "\(path) can't be written: \(String(cString: strerror(errno)))")
  }
}
