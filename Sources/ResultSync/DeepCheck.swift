internal import ProviderKit
internal import Synchronization

/// What a manifest stands for, compared with the files that the instance has now.
package struct DeepCheck: Sendable, Hashable {
  /// A results file as the instance reads it now.
  package struct File: Sendable, Hashable {
    package var path: String
    package var size: Int64
    package var md5: String
    /// Milliseconds since 1970.
    package var modified: Int64

    package init(path: String, size: Int64, md5: String, modified: Int64) {
      self.path = path
      self.size = size
      self.md5 = md5
      self.modified = modified
    }
  }

  /// Files that are the same on both sides.
  package var same = 0
  /// Files that were written after the copy began: the next one brings them.
  package var newer: [String] = []
  /// Files that no copy has brought yet.
  package var new: [String] = []
  /// Files that the instance does not have any more.
  package var gone: [String] = []
  /// Files that differ although they were not written since: one of the two is spoilt.
  package var different: [String] = []
  /// Files that the instance can't read.
  package var unreadable: [String] = []

  /// Whether nothing speaks against what is on the remote.
  package var isSound: Bool { different.isEmpty }

  package init(_ manifest: Manifest, files: [File], unreadable: [String]) {
    self.unreadable = unreadable
    var expected: [String: (size: Int64, md5: String)] = [:]
    for file in manifest.results { expected[file.path] = (file.size, file.md5) }
    for file in manifest.packed { expected[file.path] = (file.size, file.md5 ?? "") }
    let unread = Set(unreadable)
    var there: Set<String> = []
    for file in files {
      there.insert(file.path)
      guard let known = expected[file.path] else {
        new.append(file.path)
        continue
      }
      if known.size == file.size, known.md5.isEmpty || known.md5 == file.md5 {
        same += 1
      } else if file.modified >= manifest.startedAt - 2000 {
        // A file system may keep whole seconds only.
        newer.append(file.path)
      } else {
        different.append(file.path)
      }
    }
    gone = expected.keys.filter { !there.contains($0) && !unread.contains($0) }.sorted()
  }

  /// Reads and hashes every results file on the instance.
  ///
  /// - Throws: `SyncError`, or `CancellationError`.
  package static func run(
    _ manifest: Manifest, _ access: InstanceAccess, timeout: Duration = .seconds(6 * 3600)
  ) async throws -> DeepCheck {
    let found = Found()
    let code = try await access.shell("sh ./\(SyncScript.File.script) . --hashes", timeout: timeout) { found.take($0) }
    let (files, unreadable, isOver) = found.all
    guard isOver else { throw SyncError.withoutScript(access, code: code) }
    return DeepCheck(manifest, files: files, unreadable: unreadable)
  }
}

/// The lines of `sync.sh --hashes`, collected.
private final class Found: Sendable {
  private let state = Mutex((files: [DeepCheck.File](), unreadable: [String](), isOver: false))

  var all: (files: [DeepCheck.File], unreadable: [String], isOver: Bool) { state.withLock { $0 } }

  func take(_ line: String) {
    switch SyncEvent(line: line) {
    case .hash(let file): state.withLock { $0.files.append(file) }
    case .unhashed(let path): state.withLock { $0.unreadable.append(path) }
    case .exit(let code, _): state.withLock { $0.isOver = code == 0 }
    default: return
    }
  }
}
