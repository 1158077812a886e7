import CCurl

/// A detached thread of its own for libcurl, which must never block a thread of Swift's pool.
enum TransportThread {
  /// Carries the closure across the C boundary.
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread, or returns the `errno` value that says why not.
  static func start(_ run: @escaping @Sendable () -> Void) -> Int32? {
    // Retained for the thread, which takes the reference over; released here if there is no thread.
    let body = Unmanaged.passRetained(Body(run))
    let code = ccurl_start_thread({ TransportThread.main($0) }, body.toOpaque())
    guard code != 0 else { return nil }
    body.release()
    return code
  }

  private static func main(_ raw: UnsafeMutableRawPointer?) {
    guard let raw else { return }
    Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
  }
}
