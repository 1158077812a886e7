#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file operation that the system refused.
struct FileError: Error, CustomStringConvertible {
  let path: String
  let code: Int32

  /// Not ENOTDIR: a file in the place of a folder says nothing of what the folder held.
  var isMissing: Bool { code == ENOENT }
  var description: String { "\(path): \(String(cString: strerror(code)))" }
}

/// Small files, read and written whole. These calls block; they run on the provider's queue only.
enum Files {
  /// What tells one version of a replaced file from another.
  struct Version: Equatable {
    var inode: UInt64
    var seconds: Int
    var nanoseconds: Int
    var size: Int64
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// As `exists`, but what can not be looked at is an error and not a no.
  static func isThere(_ path: String) throws(FileError) -> Bool {
    var status = stat()
    if stat(path, &status) == 0 { return true }
    let error = FileError(path: path, code: errno)
    guard error.isMissing else { throw error }
    return false
  }

  /// The whole file, or nil if it is not there. A file longer than `limit` is returned up to it plus one byte, so that
  /// the caller sees that it is too long.
  static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8]? {
    var unchanged: Version?
    return try read(path, limit: limit, unless: &unchanged) ?? nil
  }

  /// As `read`; nil without reading if the file is still the version that `known` holds, which is updated.
  static func read(_ path: String, limit: Int, unless known: inout Version?) throws(FileError) -> [UInt8]?? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let error = FileError(path: path, code: errno)
      known = nil
      if error.isMissing { return .some(nil) }
      throw error
    }
    defer { close(descriptor) }
    var status = stat()
    if fstat(descriptor, &status) == 0 {
      let version = Version(
        inode: UInt64(status.st_ino), seconds: Int(status.st_mtim.tv_sec), nanoseconds: Int(status.st_mtim.tv_nsec),
        size: Int64(status.st_size))
      if version == known { return nil }
      known = version
    }
    var failure: Int32 = 0
    let bytes = readAll(descriptor, limit: limit, failure: &failure)
    guard failure == 0 else {
      known = nil
      throw FileError(path: path, code: failure)
    }
    return .some(bytes)
  }

  private static func readAll(_ descriptor: Int32, limit: Int, failure: inout Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    var capacity = min(4096, limit + 1)
    while bytes.count <= limit {
      var got = 0
      let room = min(capacity, limit + 1 - bytes.count)
      let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        #if canImport(Glibc)
          got = Glibc.read(descriptor, buffer.baseAddress, room)
        #elseif canImport(Musl)
          got = Musl.read(descriptor, buffer.baseAddress, room)
        #else
          got = Darwin.read(descriptor, buffer.baseAddress, room)
        #endif
        count = max(0, got)
      }
      if got < 0 {
        if errno == EINTR { continue }
        failure = errno
        return []
      }
      if got == 0 { break }
      if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
      capacity = min(capacity * 4, 262_144)
    }
    return bytes
  }

  /// Makes the file appear whole or not at all, readable by its owner only.
  static func write(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    // Two writers at once may share a process, so the time is part of the name.
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let temporary = "\(path).\(getpid()).\(now.tv_nsec)"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(path: temporary, code: errno) }
    var failure: Int32 = 0
    bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        #if canImport(Glibc)
          let count = Glibc.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
        #elseif canImport(Musl)
          let count = Musl.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
        #else
          let count = Darwin.write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
        #endif
        if count < 0 {
          if errno == EINTR { continue }
          failure = errno
          return
        }
        done += count
      }
    }
    if close(descriptor) != 0, failure == 0 { failure = errno }
    if failure == 0, rename(temporary, path) != 0 { failure = errno }
    guard failure == 0 else {
      unlink(temporary)
      throw FileError(path: path, code: failure)
    }
  }

  /// Makes a folder and those above it, private to the user.
  static func makeFolder(_ path: String) throws(FileError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw FileError(path: path, code: errno)
    }
    try makeFolder(String(path[..<slash]))
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw FileError(path: path, code: errno) }
  }

  /// When the file was last written, in milliseconds since 1970; nil if it is not there.
  static func modified(_ path: String) -> Int64? {
    var status = stat()
    return stat(path, &status) == 0 ? modified(status) : nil
  }

  /// Where a symbolic link leads, and when it was made in milliseconds since 1970; nil if there is none.
  static func link(_ path: String) -> (target: String, made: Int64)? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    var buffer = [CChar](repeating: 0, count: 256)
    let count = readlink(path, &buffer, buffer.count)
    guard count >= 0 else { return nil }
    return (String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self), modified(status))
  }

  private static func modified(_ status: stat) -> Int64 {
    Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
  }
}
