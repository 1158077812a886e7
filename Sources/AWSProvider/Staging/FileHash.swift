internal import Crypto
internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The hashes of a piece of a file.
struct PieceHash: Sendable, Hashable {
  var sha256: SHA256Digest
  /// In hexadecimal, as entity tags have it; empty if nobody wanted it.
  var md5: String
}

/// Hashes a file piece by piece and as a whole, on a few queues of its own: it waits for the disk and for the processor.
struct FileHash: Sendable {
  let path: String
  /// Whether MD5 is needed too, to compare with what S3 says.
  let wantsMD5: Bool
  private let descriptor: Int32
  private var whole = SHA256()
  private var position: Int64 = 0

  private static let queues = (0..<4).map { DispatchQueue(label: "cloudjobs.staging.hash.\($0)") }

  /// Opens the file and compares it with what was found before.
  static func open(_ file: StagingPlan.File, wantsMD5: Bool, lane: Int) async throws(StagingError) -> FileHash {
    try await onQueue(lane) { () throws(StagingError) in try FileHash(file, wantsMD5: wantsMD5) }
  }

  /// Throws if the file is no longer what it was, or another one has its name.
  func check(_ facts: FileFacts, lane: Int) async throws(StagingError) {
    try await Self.onQueue(lane) { () throws(StagingError) in try checkNow(facts) }
  }

  private static func onQueue<Value: Sendable>(
    _ lane: Int, _ body: @escaping @Sendable () throws(StagingError) -> Value
  ) async throws(StagingError) -> Value {
    let result: Result<Value, StagingError> = await withCheckedContinuation { continuation in
      queues[abs(lane) % queues.count].async {
        do throws(StagingError) {
          continuation.resume(returning: .success(try body()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  private init(_ file: StagingPlan.File, wantsMD5: Bool) throws(StagingError) {
    path = file.source
    self.wantsMD5 = wantsMD5
    // O_NONBLOCK: a named pipe may have taken the file's place.
    descriptor = Self.openFile(file.source, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.unreadable(file.source, errno) }
    do throws(StagingError) {
      try checkNow(file.facts)
    } catch {
      close()
      throw error
    }
  }

  func close() { _ = Self.close(descriptor) }

  private func checkNow(_ facts: FileFacts) throws(StagingError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.unreadable(path, errno) }
    guard !FolderScan.facts(status).differs(from: facts), FolderScan.facts(path)?.differs(from: facts) == false else {
      throw changed()
    }
  }

  /// The next `length` bytes.
  mutating func next(_ length: Int64, lane: Int) async throws(StagingError) -> PieceHash {
    let before = self
    let (after, hash) = try await Self.onQueue(lane) { () throws(StagingError) in
      var copy = before
      let hash = try copy.read(length)
      return (copy, hash)
    }
    self = after
    return hash
  }

  /// Of all that was read.
  var digest: SHA256Digest { SHA256Digest(bytes: Array(whole.finalize())) }

  private mutating func read(_ length: Int64) throws(StagingError) -> PieceHash {
    var piece = SHA256()
    var md5 = Insecure.MD5()
    let isWhole = position == 0
    var left = length
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 64)
    defer { buffer.deallocate() }
    while left > 0 {
      let count = pread(descriptor, buffer.baseAddress, min(buffer.count, Int(clamping: left)), off_t(position))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Self.unreadable(path, errno) }
      guard count > 0 else { throw changed() }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      piece.update(bufferPointer: bytes)
      if !isWhole { whole.update(bufferPointer: bytes) }
      if wantsMD5 { md5.update(bufferPointer: bytes) }
      position += Int64(count)
      left -= Int64(count)
    }
    // The first piece is the beginning of the whole, so it is hashed once.
    if isWhole { whole = piece }
    return PieceHash(
      sha256: SHA256Digest(bytes: Array(piece.finalize())), md5: wantsMD5 ? Hex.text(md5.finalize()) : "")
  }

  private func changed() -> StagingError {
    StagingError(
      .changed, "\(path) changed while it was staged", remedy: "Start again when nothing writes to it any more.")
  }

  private static func unreadable(_ path: String, _ code: Int32) -> StagingError {
    StagingError(
      .unreadable, "\(path) can't be read: \(String(cString: strerror(code)))",
      remedy: "Make it readable, or exclude it.")
  }

  private static func openFile(_ path: String, _ flags: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.open(path, flags)
    #elseif canImport(Musl)
      Musl.open(path, flags)
    #else
      Darwin.open(path, flags)
    #endif
  }

  private static func close(_ descriptor: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.close(descriptor)
    #elseif canImport(Musl)
      Musl.close(descriptor)
    #else
      Darwin.close(descriptor)
    #endif
  }
}
