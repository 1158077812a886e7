import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Sends mail through libcurl, one message after the other, on a thread of its own.
///
/// libcurl 7.88 blocks in SMTP, in a multi handle too, hence easy handles and a thread that nothing else shares. The
/// thread starts with the first mail.
package final class SMTPClient: Sendable {
  private let queue = SMTPQueue()

  package init() {}

  deinit { queue.close() }

  /// Sends one message to one recipient and returns what the server said when it took it.
  ///
  /// Returns within `request.timeout` and two seconds once its turn has come. A task that is cancelled ends the session
  /// within a second.
  package func send(_ request: SMTPRequest) async throws(TransportError) -> SMTPReceipt {
    try request.check()
    let cancellation = CancellationFlag()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        submit(SMTPOrder(request: request, cancellation: cancellation, continuation: continuation))
      }
    } onCancel: {
      cancellation.set()
      queue.dropCancelled()
    }
    return try result.get()
  }

  /// Cancels what is on its way, fails what waits, and returns when the thread has ended.
  package func shutdown() async {
    queue.close()
    await queue.waitForEnd()
  }

  private func submit(_ order: SMTPOrder) {
    switch queue.add(order) {
    case .accepted:
      // Cancelled before it was in the queue: nobody else would notice until its turn.
      if order.cancellation.isSet { queue.dropCancelled() }
    case .closed: order.continuation.resume(returning: .failure(SMTPQueue.closedError))
    case .startThread:
      guard let code = TransportThread.start({ [queue] in queue.run() }) else { return }
      queue.end(
        TransportError(
          .unavailable, "The mail thread can't be started: \(String(cString: strerror(code)))",
          remedy: "Look at the limits of threads and memory."))
    }
  }
}

/// A mail on its way from a task to the thread.
struct SMTPOrder: Sendable {
  var request: SMTPRequest
  var cancellation: CancellationFlag
  var continuation: CheckedContinuation<Result<SMTPReceipt, TransportError>, Never>
}

/// The mails that wait, and the thread that takes them one by one.
///
/// The thread ends when nothing waits and starts again with the next mail, so no lock has to be waited on.
final class SMTPQueue: Sendable {
  private struct State {
    var waiting: [SMTPOrder] = []
    /// The mail that the thread is busy with.
    var current: CancellationFlag?
    var isRunning = false
    var isClosed = false
    var waitingForEnd: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  static let closedError = TransportError(.shutDown, "The mail client was shut down")

  func add(_ order: SMTPOrder) -> HTTPInbox.Admission {
    state.withLock { state in
      guard !state.isClosed else { return .closed }
      state.waiting.append(order)
      if state.isRunning { return .accepted }
      state.isRunning = true
      return .startThread
    }
  }

  /// Answers those who no longer want to wait for their turn.
  func dropCancelled() {
    let dropped = state.withLock { state in
      let dropped = state.waiting.filter { $0.cancellation.isSet }
      state.waiting.removeAll { $0.cancellation.isSet }
      return dropped
    }
    for order in dropped {
      order.continuation.resume(returning: .failure(TransportError(.cancelled, "The mail was cancelled")))
    }
  }

  func close() {
    let waiting = state.withLock { state in
      state.isClosed = true
      state.current?.set()
      defer { state.waiting = [] }
      return state.waiting
    }
    for order in waiting { order.continuation.resume(returning: .failure(Self.closedError)) }
  }

  func waitForEnd() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.isRunning { state.waitingForEnd.append(continuation) }
        return !state.isRunning
      }
      if isOver { continuation.resume() }
    }
  }

  /// The body of the thread.
  func run() {
    do throws(TransportError) {
      try Curl.load()
    } catch {
      end(error)
      return
    }
    while let order = next() {
      let result: Result<SMTPReceipt, TransportError>
      guard !order.cancellation.isSet else {
        order.continuation.resume(returning: .failure(TransportError(.cancelled, "The mail was cancelled")))
        continue
      }
      do throws(TransportError) {
        result = try SMTPTransaction(order.request, order.cancellation).perform()
      } catch {
        result = .failure(error)
      }
      order.continuation.resume(returning: result)
    }
  }

  /// The next mail, or nil, after which the thread must end.
  private func next() -> SMTPOrder? {
    let (order, waitingForEnd) = state.withLock { state -> (SMTPOrder?, [CheckedContinuation<Void, Never>]) in
      guard !state.waiting.isEmpty else {
        state.current = nil
        state.isRunning = false
        defer { state.waitingForEnd = [] }
        return (nil, state.waitingForEnd)
      }
      let order = state.waiting.removeFirst()
      state.current = order.cancellation
      return (order, [])
    }
    for continuation in waitingForEnd { continuation.resume() }
    return order
  }

  /// Fails everything that waits: there is no thread.
  func end(_ error: TransportError) {
    let (orders, waitingForEnd) = state.withLock { state in
      state.isRunning = false
      defer {
        state.waiting = []
        state.waitingForEnd = []
      }
      return (state.waiting, state.waitingForEnd)
    }
    for order in orders { order.continuation.resume(returning: .failure(error)) }
    for continuation in waitingForEnd { continuation.resume() }
  }
}
