import CCurl
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What tasks and the HTTP thread share: new orders, the wish to end, and the handle that wakes the thread.
final class HTTPInbox: Sendable {
  /// The multi handle, to be woken only.
  private struct Wakeable: @unchecked Sendable {
    // Unchecked, because a pointer is not Sendable: curl_multi_wakeup is the one call that libcurl allows from any
    // thread, and it is made under the lock that also covers taking the pointer away before the handle is freed.
    let multi: UnsafeMutableRawPointer
  }

  private struct State {
    var orders: [HTTPOrder] = []
    var wakeable: Wakeable?
    var isRunning = false
    var isClosed = false
    var waitingForEnd: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  enum Admission {
    case accepted
    /// Accepted, and the caller must start the thread.
    case startThread
    case closed
  }

  func add(_ order: HTTPOrder) -> Admission {
    state.withLock { state in
      guard !state.isClosed else { return .closed }
      state.orders.append(order)
      wake(state)
      if state.isRunning { return .accepted }
      state.isRunning = true
      return .startThread
    }
  }

  func wake() { state.withLock { wake($0) } }

  private func wake(_ state: borrowing State) {
    if let wakeable = state.wakeable { _ = ccurl_multi_wakeup(wakeable.multi) }
  }

  /// Lets the thread end, failing what is on its way.
  func close() {
    state.withLock { state in
      state.isClosed = true
      wake(state)
    }
  }

  /// Returns when the thread has ended, at once if there is none.
  func waitForEnd() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.isRunning { state.waitingForEnd.append(continuation) }
        return !state.isRunning
      }
      if isOver { continuation.resume() }
    }
  }

  // MARK: - For the thread

  func publish(_ multi: UnsafeMutableRawPointer) {
    let wakeable = Wakeable(multi: multi)
    state.withLock { $0.wakeable = wakeable }
  }

  func take() -> (orders: [HTTPOrder], isClosed: Bool) {
    state.withLock { state in
      defer { state.orders = [] }
      return (state.orders, state.isClosed)
    }
  }

  /// Takes the handle back; from here on nobody wakes it.
  func retract() { state.withLock { $0.wakeable = nil } }

  /// Says that the thread is over, and takes what was ordered since.
  func end() -> [HTTPOrder] {
    let (orders, waiting) = state.withLock { state in
      state.isRunning = false
      defer {
        state.orders = []
        state.waitingForEnd = []
      }
      return (state.orders, state.waitingForEnd)
    }
    for continuation in waiting { continuation.resume() }
    return orders
  }
}

/// The HTTP thread: one multi handle that carries all transfers.
struct HTTPLoop {
  private let inbox: HTTPInbox
  /// Seconds since 1970.
  private let now: @Sendable () -> Int64
  private let multi: UnsafeMutableRawPointer
  private var transfers: [UnsafeMutableRawPointer: HTTPTransfer] = [:]

  /// Idle connections that are kept for the next request.
  private static let keptConnections = 16

  /// The body of the thread. Returns when the inbox is closed, or if libcurl can't be used.
  static func run(_ inbox: HTTPInbox, now: @escaping @Sendable () -> Int64) {
    var failure = TransportError(.shutDown, "The HTTP client was shut down")
    do throws(TransportError) {
      try Curl.load()
      guard let multi = ccurl_multi_init() else {
        throw TransportError(.unavailable, "libcurl made no handle: out of memory")
      }
      var loop = HTTPLoop(inbox: inbox, now: now, multi: multi)
      loop.run()
    } catch {
      failure = error
    }
    for order in inbox.end() { order.continuation.resume(returning: .failure(failure)) }
  }

  private init(inbox: HTTPInbox, now: @escaping @Sendable () -> Int64, multi: UnsafeMutableRawPointer) {
    self.inbox = inbox
    self.now = now
    self.multi = multi
    _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.keptConnections)
  }

  private mutating func run() {
    inbox.publish(multi)
    while true {
      let (orders, isClosed) = inbox.take()
      for order in orders { begin(order) }
      if isClosed { break }
      dropCancelled()
      let code = ccurl_multi_perform(multi)
      if code != CURLM_OK {
        // Only out of memory or a damaged handle; the transfers can't be trusted any more.
        finishAll(TransportError(.network, "libcurl failed with code \(code.rawValue)"))
      }
      finishDone()
      // Wakes by itself for time-outs, and by `wake()` for orders and cancellations.
      _ = ccurl_multi_poll(multi, 60_000)
    }
    finishAll(TransportError(.shutDown, "The HTTP client was shut down"))
    inbox.retract()
    _ = ccurl_multi_cleanup(multi)
  }

  private mutating func begin(_ order: HTTPOrder) {
    do throws(TransportError) {
      let transfer = try HTTPTransfer(order)
      transfers[transfer.easy.handle] = transfer
      let code = ccurl_multi_add(multi, transfer.easy.handle)
      if code != CURLM_OK {
        transfers[transfer.easy.handle] = nil
        transfer.free()
        throw TransportError(.network, "libcurl refused the transfer with code \(code.rawValue)")
      }
    } catch {
      order.continuation.resume(returning: .failure(error))
    }
  }

  private mutating func dropCancelled() {
    for (handle, transfer) in transfers where transfer.order.cancellation.isSet {
      finish(handle, .failure(TransportError(.cancelled, "The request was cancelled")))
    }
  }

  private mutating func finishDone() {
    var code = CURLE_OK
    while let handle = ccurl_multi_next_done(multi, &code) {
      guard let transfer = transfers[handle] else { continue }
      finish(handle, transfer.result(code, now: now()))
    }
  }

  private mutating func finishAll(_ error: TransportError) {
    for handle in Array(transfers.keys) { finish(handle, .failure(error)) }
  }

  private mutating func finish(_ handle: UnsafeMutableRawPointer, _ result: Result<HTTPResponse, TransportError>) {
    guard let transfer = transfers.removeValue(forKey: handle) else { return }
    _ = ccurl_multi_remove(multi, handle)
    transfer.free()
    transfer.order.continuation.resume(returning: result)
  }
}
