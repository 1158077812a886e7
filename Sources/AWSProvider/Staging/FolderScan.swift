internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Looks through a folder. It blocks, so it runs on a queue of its own.
struct FolderScan {
  private let root: String
  private var found: [FoundEntry] = []

  private static let queue = DispatchQueue(label: "cloudjobs.staging.scan")

  /// Everything below `root`, in the order of the paths. Links are not followed into folders.
  ///
  /// - Returns: also the folder's own path without a link in it.
  static func run(_ root: String) async throws(StagingError) -> (entries: [FoundEntry], physicalRoot: String) {
    let result: Result<(entries: [FoundEntry], physicalRoot: String), StagingError> = await withCheckedContinuation {
      continuation in
      queue.async {
        do throws(StagingError) {
          guard let physical = physicalPath(root) else { throw unreadable(root, errno) }
          var scan = FolderScan(root: root)
          try scan.walk()
          continuation.resume(
            returning: .success((scan.found.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }, physical)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  /// What a file looks like now, following links; nil if it can't be looked at.
  static func facts(_ path: String) -> FileFacts? {
    var status = stat()
    return stat(path, &status) == 0 ? facts(status) : nil
  }

  static func facts(_ status: stat) -> FileFacts {
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    return FileFacts(
      size: Int64(status.st_size), modified: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec),
      inode: UInt64(status.st_ino), mode: UInt16(truncatingIfNeeded: status.st_mode) & 0o7777)
  }

  private init(root: String) { self.root = root }

  private mutating func walk() throws(StagingError) {
    // Without recursion, since folders may be deep.
    var waiting: [(folder: String, entry: Int?)] = [("", nil)]
    while let (folder, index) = waiting.popLast() {
      let path = folder.isEmpty ? root : root + "/" + folder
      let names = try Self.names(path)
      if let index { found[index].kind = .folder(isEmpty: names.isEmpty) }
      for (name, isUTF8) in names {
        let entry = folder.isEmpty ? name : folder + "/" + name
        guard isUTF8 else {
          found.append(FoundEntry(path: entry, isUTF8: false, kind: .other("")))
          continue
        }
        if try look(entry) { waiting.append((entry, found.count - 1)) }
      }
    }
  }

  /// Enters what is at `entry`; returns whether it is a folder.
  private mutating func look(_ entry: String) throws(StagingError) -> Bool {
    let path = root + "/" + entry
    var status = stat()
    guard lstat(path, &status) == 0 else { throw Self.unreadable(path, errno) }
    let facts = Self.facts(status)
    var kind: FoundEntry.Kind
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .folder(isEmpty: true)
    case S_IFLNK: kind = .link(Self.link(path))
    case S_IFIFO: kind = .other("a named pipe")
    case S_IFSOCK: kind = .other("a socket")
    default: kind = .other("a device")
    }
    found.append(FoundEntry(path: entry, kind: kind, facts: facts))
    if case .folder = kind { return true }
    return false
  }

  private static func link(_ path: String) -> FoundEntry.Link {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = buffer.withUnsafeMutableBytes { room in
      room.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), room.count) } ?? -1
    }
    let target = length > 0 ? String(validating: buffer.prefix(length), as: UTF8.self) : nil
    var status = stat()
    guard stat(path, &status) == 0, let destination = physicalPath(path) else {
      return FoundEntry.Link(target: target, destination: nil, leadsTo: .nothing)
    }
    let kind: FoundEntry.Link.Target =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      default: .other
      }
    return FoundEntry.Link(target: target, destination: destination, leadsTo: kind, facts: facts(status))
  }

  private static func names(_ path: String) throws(StagingError) -> [(String, Bool)] {
    guard let stream = opendir(path) else { throw unreadable(path, errno) }
    defer { closedir(stream) }
    var names: [(String, Bool)] = []
    errno = 0
    while let entry = readdir(stream) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      errno = 0
      if bytes == [46] || bytes == [46, 46] { continue }
      if let name = String(validating: bytes, as: UTF8.self) {
        names.append((name, true))
      } else {
        names.append((String(decoding: bytes, as: UTF8.self), false))
      }
    }
    guard errno == 0 else { throw unreadable(path, errno) }
    return names
  }

  private static func physicalPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func unreadable(_ path: String, _ code: Int32) -> StagingError {
    StagingError(
      .unreadable, "\(path) can't be read: \(String(cString: strerror(code)))",
      remedy: "Make it readable, or exclude it.")
  }
}
