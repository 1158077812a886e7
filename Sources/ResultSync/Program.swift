internal import Subprocess

#if canImport(System)
  internal import System
#else
  internal import SystemPackage
#endif

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A file without a name that holds `text`, to be read from its beginning. A program that ends without having read its
/// standard input would end us with SIGPIPE if that were a pipe.
func openedText(_ text: String) throws -> FileDescriptor {
  var template = Array("\(temporaryFolder)/cloudjobs-XXXXXX".utf8CString)
  let number = mkstemp(&template)
  guard number >= 0 else {
    throw SyncError(.notSetUp, "no file can be made in \(temporaryFolder)", remedy: "Make room, or set TMPDIR")
  }
  _ = fcntl(number, F_SETFD, FD_CLOEXEC)
  unlink(template)
  let file = FileDescriptor(rawValue: number)
  do {
    try file.writeAll(text.utf8)
    _ = try file.seek(offset: 0, from: .start)
  } catch {
    close(number)
    throw SyncError(.notSetUp, "\(temporaryFolder) can't be written", remedy: "Make room, or set TMPDIR")
  }
  return file
}

private let temporaryFolder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"

/// A program by name, which is looked for in PATH, or by path.
func executable(_ name: String) -> Executable { name.contains("/") ? .path(FilePath(name)) : .name(name) }
