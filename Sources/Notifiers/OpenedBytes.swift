#if canImport(System)
  import System
#else
  import SystemPackage
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file without a name that holds `bytes`, to be read from its beginning.
///
/// A program that ends without having read its standard input would end us with SIGPIPE if that were a pipe.
///
/// - Throws: `Errno` if the temporary folder has no room or can't be written.
func openedBytes(_ bytes: [UInt8]) throws -> FileDescriptor {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var template = Array("\(folder)/cloudjobs-XXXXXX".utf8CString)
  let number = mkstemp(&template)
  guard number >= 0 else { throw Errno(rawValue: errno) }
  _ = fcntl(number, F_SETFD, FD_CLOEXEC)
  unlink(template)
  let file = FileDescriptor(rawValue: number)
  do {
    try file.writeAll(bytes)
    _ = try file.seek(offset: 0, from: .start)
  } catch {
    close(number)
    throw error
  }
  return file
}
