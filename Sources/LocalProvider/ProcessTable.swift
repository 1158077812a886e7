import ProviderKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What Linux says of processes, read from /proc (proc(5)).
enum ProcessTable {
  struct Status: Equatable {
    var pid: Int32
    var state: UInt8
    var session: Int32
    /// In clock ticks since boot; with the pid it names a process for as long as the machine is up.
    var start: UInt64

    /// A zombie has ended; it only waits to be asked for its exit code.
    var isAlive: Bool { state != UInt8(ascii: "Z") && state != UInt8(ascii: "X") }

    /// How long ago it began.
    var age: Duration { .milliseconds(max(0, uptimeMilliseconds() - startMilliseconds)) }
    var startMilliseconds: Int64 { Int64(clamping: start) * 1000 / ticksPerSecond }
  }

  /// A process with the mark of an instance, if it carries one.
  struct Entry {
    var status: Status
    var token: String?
  }

  /// Names one run of the machine.
  static func bootID() -> String {
    // Without it only pid and start time tell processes apart, which is enough until the machine restarts.
    guard let bytes = try? Files.read("/proc/sys/kernel/random/boot_id", limit: 128) else { return "" }
    return String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self)
  }

  static func status(_ pid: Int32) -> Status? {
    // A process that vanishes while it is read is a process that is not there.
    guard let bytes = try? Files.read("/proc/\(pid)/stat", limit: 4096) else { return nil }
    return parse(bytes, pid: pid)
  }

  /// The name in the second field may hold anything, so the fields are counted from the last bracket.
  static func parse(_ bytes: [UInt8], pid: Int32) -> Status? {
    guard let bracket = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 21)
    guard fields.count > 19, let state = fields[0].first,
      let session = Int32(String(decoding: fields[3], as: UTF8.self)),
      let start = UInt64(String(decoding: fields[19], as: UTF8.self))
    else { return nil }
    return Status(pid: pid, state: state, session: session, start: start)
  }

  /// All living processes, with their marks.
  static func all() -> [Entry] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var entries: [Entry] = []
    while let item = readdir(folder) {
      let name = withUnsafePointer(to: &item.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard let pid = Int32(name), let status = status(pid), status.isAlive else { continue }
      entries.append(Entry(status: status, token: token(of: pid)))
    }
    return entries
  }

  /// The instance to which a process says it belongs.
  private static func token(of pid: Int32) -> String? {
    // Other users' processes can't be read; they are not ours either.
    guard let bytes = try? Files.read("/proc/\(pid)/environ", limit: 1_048_576) else { return nil }
    let prefix = Array((BootstrapScript.markName + "=").utf8)
    for variable in bytes.split(separator: 0) where variable.starts(with: prefix) {
      guard variable.last == UInt8(ascii: ";") else { continue }
      return String(decoding: variable.dropFirst(prefix.count).dropLast(), as: UTF8.self)
    }
    return nil
  }

  /// Whether one of the arguments of a process is a path that ends in `path`, which begins with a `/`.
  static func hasArgument(_ pid: Int32, endingIn path: String) -> Bool {
    guard let bytes = try? Files.read("/proc/\(pid)/cmdline", limit: 1_048_576) else { return false }
    let wanted = Array(path.utf8)
    return bytes.split(separator: 0).contains { $0.suffix(wanted.count).elementsEqual(wanted) }
  }

  /// Milliseconds since boot, suspended time included: the clock of `Status.start`.
  static func uptimeMilliseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_BOOTTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }

  static let ticksPerSecond = Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))
}
