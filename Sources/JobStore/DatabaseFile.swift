import Foundation
package import JobModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The C function, which the method of the same name hides.
private func renameFile(_ from: String, _ to: String) -> Int32 { rename(from, to) }

/// What can be known of a database file without opening it as one, and the few things done to it from outside.
package enum DatabaseFile {
  /// The first page's header, as <https://sqlite.org/fileformat2.html#the_database_header> has it.
  struct Header: Equatable {
    var applicationID: Int32
    var userVersion: Int32
    /// Whether the file is in WAL mode, so that SQLite wants its -wal and -shm beside it.
    var wal: Bool
  }

  enum Kind: Equatable {
    case missing
    case empty
    case database(Header)
    /// The beginning is SQLite's, but what follows can't be right.
    case damaged(String)
    case notADatabase
  }

  /// The identity of a file, which a replacement of it does not share.
  struct Identity: Equatable, Sendable {
    var device: UInt64
    var inode: UInt64
  }

  /// Reads the header with plain system calls.
  ///
  /// Never on a file that this process has open as a database: closing any descriptor of a file drops all POSIX locks
  /// that the process has on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
  static func kind(of path: String) throws(SystemError) -> Kind {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return .missing }
      throw SystemError("stat", path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else { return .notADatabase }
    if status.st_size == 0 { return .empty }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", path) }
    defer { _ = close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, 100, 0) }
    guard count >= 0 else { throw SystemError("read", path) }
    return kind(header: Array(bytes.prefix(count)), size: Int64(status.st_size))
  }

  static func kind(header bytes: [UInt8], size: Int64) -> Kind {
    guard bytes.count >= 16, bytes[0..<16].elementsEqual(Array("SQLite format 3\0".utf8)) else {
      return .notADatabase
    }
    guard bytes.count == 100 else { return .damaged("the file ends within its header") }
    let pageSize = bytes[16] == 0 && bytes[17] == 1 ? 65536 : Int64(bytes[16]) << 8 | Int64(bytes[17])
    guard (512...65536).contains(pageSize), pageSize & (pageSize - 1) == 0 else {
      return .damaged("the page size is \(pageSize)")
    }
    guard size >= pageSize else { return .damaged("the file is shorter than a page") }
    guard [1, 2].contains(bytes[18]), [1, 2].contains(bytes[19]) else {
      return .damaged("the format version is \(bytes[18])/\(bytes[19])")
    }
    guard bytes[21] == 64, bytes[22] == 32, bytes[23] == 32 else { return .damaged("the header is not SQLite's") }
    func integer(_ offset: Int) -> Int32 {
      bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int32($1) }
    }
    return .database(
      Header(applicationID: integer(68), userVersion: integer(60), wal: bytes[18] == 2 || bytes[19] == 2))
  }

  static func identity(of path: String) -> Identity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }

  static func size(of path: String) -> Int64? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Int64(status.st_size)
  }

  static func exists(_ path: String) -> Bool { identity(of: path) != nil }

  /// A path that SQLite can't take for a URI.
  static func plain(_ path: String) -> String { path.hasPrefix("/") ? path : "./" + path }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Makes an empty file that only its user can read; SQLite gives its -wal and -shm the same mode.
  static func createPrivate(_ path: String, exclusive: Bool) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (exclusive ? O_EXCL : 0), 0o600)
    guard descriptor >= 0 else { throw SystemError("create", path) }
    _ = close(descriptor)
  }

  /// Makes the folder of `path` and those above it, private to the user, where they are missing.
  static func createFolder(of path: String) throws(SystemError) {
    try createFolders(folder(of: path))
  }

  private static func createFolders(_ folder: String) throws(SystemError) {
    if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, folder != "/", folder != "." else { throw SystemError("mkdir", folder) }
    try createFolders(Self.folder(of: folder))
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw SystemError("mkdir", folder) }
  }

  /// Puts a finished file in its place in one step, on disk when this returns. If it throws after `exchanged` was
  /// called, the file is in its place, but a loss of power may undo that.
  static func moveIntoPlace(_ from: String, _ to: String, exchanged: () -> Void = {}) throws(SystemError) {
    try flush(from)
    try rename(from, to)
    exchanged()
    try flushFolder(of: to)
  }

  /// Like `moveIntoPlace`, but fails with EEXIST if `to` is there.
  static func moveIntoFreePlace(_ from: String, _ to: String) throws(SystemError) {
    try flush(from)
    guard link(from, to) == 0 else { throw SystemError("link to \(to)", from) }
    _ = unlink(from)
    try flushFolder(of: to)
  }

  static func rename(_ from: String, _ to: String) throws(SystemError) {
    guard renameFile(from, to) == 0 else { throw SystemError("rename to \(to)", from) }
  }

  /// Gives a file a second name.
  static func linkName(_ from: String, _ to: String) throws(SystemError) {
    guard link(from, to) == 0 else { throw SystemError("link to \(to)", from) }
  }

  /// Some shared and user-space file systems have no such thing for folders, which is no failure of the move.
  private static func flushFolder(of path: String) throws(SystemError) {
    let folder = folder(of: path)
    let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", folder) }
    defer { _ = close(descriptor) }
    guard fsync(descriptor) == 0 || [EINVAL, ENOTSUP, EBADF].contains(errno) else { throw SystemError("fsync", folder) }
  }

  static func flush(_ path: String) throws(SystemError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", path) }
    defer { _ = close(descriptor) }
    guard fsync(descriptor) == 0 else { throw SystemError("fsync", path) }
  }

  /// Removes a database with what SQLite keeps beside it.
  static func remove(_ path: String) {
    for suffix in ["", "-wal", "-shm", "-journal"] { _ = unlink(path + suffix) }
  }

  package static func wallClock() -> Timestamp {
    Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)))
  }

  /// `20261123-004506`, to be part of a file name.
  static func stamp(_ moment: Timestamp) -> String {
    String(moment.iso8601().filter { $0.isNumber || $0 == "T" }.map { $0 == "T" ? "-" : $0 })
  }

  /// The first of `path`, `path.2`, `path.3`… that is free.
  static func free(_ path: String) -> String {
    var candidate = path
    var number = 2
    while exists(candidate) {
      candidate = "\(path).\(number)"
      number += 1
    }
    return candidate
  }
}

// MARK: - Network file systems

extension DatabaseFile {
  /// File systems on which locks or shared memory don't reach other machines (`statfs(2)`, `linux/magic.h`).
  private static let networkTypes: [Int64: String] = [
    0x6969: "NFS", 0x517B: "SMB", 0xFE53_4D42: "SMB2", 0xFF53_4D42: "CIFS", 0x6573_5546: "FUSE",
    0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0x0102_1997: "9p", 0x00C3_6400: "Ceph", 0x5346_414F: "AFS",
    0x1983_0326: "BeeGFS", 0x0131_11A8: "IBRIX",
  ]

  /// The name of the network file system under a database, or nil if it is on a local one.
  static func networkName(type: Int64) -> String? { networkTypes[type] }

  /// What `statfs` says of the path, or of its folder if it does not exist yet.
  package static func fileSystemType(of path: String) -> Int64? {
    #if os(Linux)
      // Swift's Glibc module leaves <sys/statfs.h> out, so the function is looked up by name. `f_type` is the first
      // word of `struct statfs` on every 64-bit Linux; the buffer is larger than the structure (120 bytes).
      typealias StatFS = @convention(c) (UnsafePointer<CChar>, UnsafeMutableRawPointer) -> Int32
      guard let symbol = dlsym(nil, "statfs") else { return nil }
      let statfs = unsafeBitCast(symbol, to: StatFS.self)
      var words = [Int64](repeating: 0, count: 64)
      var place = path
      while words.withUnsafeMutableBytes({ $0.baseAddress.map { statfs(place, $0) } ?? -1 }) != 0 {
        let above = folder(of: place)
        guard errno == ENOENT, above != place else { return nil }
        place = above
      }
      return words[0] & 0xFFFF_FFFF
    #else
      return nil
    #endif
  }
}
