internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Folders and files that belong to the user alone: control sockets of ssh open the door to instances.
enum PrivateFolder {
  /// Makes the folder, or sees that it is ours: in `/tmp` somebody else may have been first.
  static func make(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw SyncError(.notSetUp, "the folder \(path) can't be made", remedy: "See: \(error.localizedDescription)")
    }
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
      throw SyncError(
        .refused, "\(path) is not a folder of yours, so no connection is kept there",
        remedy: "Remove it, or set XDG_RUNTIME_DIR to a folder of your own")
    }
    if status.st_mode & 0o077 != 0, chmod(path, 0o700) != 0 {
      throw SyncError(.refused, "others can look into \(path)", remedy: "chmod 700 \(path)")
    }
  }

  /// Replaces a file as a whole, unless it holds the same already.
  static func write(_ text: String, to path: String) throws {
    // What can't be read is written anew.
    if let known = FileManager.default.contents(atPath: path), known == Data(text.utf8) { return }
    let new = "\(path).\(getpid())"
    guard
      FileManager.default.createFile(atPath: new, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
      rename(new, path) == 0
    else { throw SyncError(.notSetUp, "\(path) can't be written", remedy: "Make room, or see its permissions") }
  }
}
