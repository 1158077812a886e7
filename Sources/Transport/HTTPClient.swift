#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Sends HTTP requests through one libcurl multi handle on a thread of its own.
///
/// The thread, and libcurl with it, starts with the first request. Connections are reused between requests. Redirects
/// are never followed, answers are bounded, and addresses of private networks are refused unless a request allows
/// them: see `HTTPRequest`.
package final class HTTPClient: Sendable {
  private let inbox = HTTPInbox()
  private let now: @Sendable () -> Int64

  /// - Parameter now: seconds since 1970, for `Retry-After` dates of servers that don't send theirs.
  package init(now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }) { self.now = now }

  deinit { inbox.close() }

  /// Sends `request` and returns what the server answered, whatever its status.
  ///
  /// Cancelling the task ends the transfer at once with `TransportError.Code.cancelled`.
  package func send(_ request: HTTPRequest) async throws(TransportError) -> HTTPResponse {
    try request.check()
    let cancellation = CancellationFlag()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        submit(HTTPOrder(request: request, cancellation: cancellation, continuation: continuation))
      }
    } onCancel: {
      cancellation.set()
      inbox.wake()
    }
    return try result.get()
  }

  /// Fails what is on its way with `TransportError.Code.shutDown` and returns when the thread has ended. Later requests
  /// fail too.
  package func shutdown() async {
    inbox.close()
    await inbox.waitForEnd()
  }

  private func submit(_ order: HTTPOrder) {
    switch inbox.add(order) {
    case .accepted: break
    case .closed:
      order.continuation.resume(
        returning: .failure(TransportError(.shutDown, "The HTTP client was shut down")))
    case .startThread:
      let code = TransportThread.start { [inbox, now] in HTTPLoop.run(inbox, now: now) }
      guard let code else { return }
      let error = TransportError(
        .unavailable, "The HTTP thread can't be started: \(String(cString: strerror(code)))",
        remedy: "Look at the limits of threads and memory.")
      for order in inbox.end() { order.continuation.resume(returning: .failure(error)) }
    }
  }
}
