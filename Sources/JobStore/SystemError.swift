#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A call of the operating system failed.
struct SystemError: Error, CustomStringConvertible {
  let call: String
  let path: String
  let number: Int32

  /// Takes `errno`, so it must be made right after the call.
  init(_ call: String, _ path: String) {
    number = errno
    self.call = call
    self.path = path
  }

  var description: String { "\(call) \(path): \(String(cString: strerror(number)))" }

  static let noSpace = ENOSPC
  static let quota = EDQUOT
  static let readOnlyFileSystem = EROFS
  static let notPermitted = EPERM
  static let noAccess = EACCES
  static let noEntry = ENOENT
}
