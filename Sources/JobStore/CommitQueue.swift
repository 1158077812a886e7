import DequeModule
import GRDB
import Synchronization

/// Collects the writes that arrive while a transaction runs, and commits them together in the next one.
///
/// A lone write runs at once. A caller resumes when its write is on disk, and its cancellation does not reach it.
final class CommitQueue: Sendable {
  /// One caller's write. It throws a `StoreError` only before it has written anything.
  private struct Item: Sendable {
    /// Writes, and returns what resumes the caller once that is durable.
    let run: @Sendable (Database) throws -> @Sendable () -> Void
    let fail: @Sendable (StoreError) -> Void
  }

  private struct State {
    var waiting = Deque<Item>()
    /// Callers for whom there was no room.
    var suspended = Deque<CheckedContinuation<Void, Never>>()
    /// Items that wait, and callers that were let in but have not left theirs yet.
    var used = 0
    var running = false
    var transactions = 0
    var whenIdle: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())
  private let pool: DatabasePool
  private let limit: Int
  private let waitLimit: Int
  private let explain: @Sendable (any Error) -> StoreError
  /// Called before each transaction; throws if it must not happen.
  private let guardFile: @Sendable () throws(StoreError) -> Void

  init(
    pool: DatabasePool, limit: Int, waitLimit: Int, explain: @escaping @Sendable (any Error) -> StoreError,
    guardFile: @escaping @Sendable () throws(StoreError) -> Void
  ) {
    self.pool = pool
    self.limit = limit
    self.waitLimit = waitLimit
    self.explain = explain
    self.guardFile = guardFile
  }

  /// How many transactions were begun; for tests and benchmarks.
  var transactions: Int { state.withLock { $0.transactions } }

  func submit<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    try await enter()
    let result: Result<Value, StoreError> = await withCheckedContinuation { caller in
      let item = Item(
        run: { db in
          let value = try body(db)
          return { caller.resume(returning: .success(value)) }
        },
        fail: { caller.resume(returning: .failure($0)) })
      let start = state.withLock { state in
        state.waiting.append(item)
        defer { state.running = true }
        return !state.running
      }
      if start { schedule() }
    }
    return try result.get()
  }

  /// Returns when nothing waits and nothing runs.
  func drain() async {
    await withCheckedContinuation { caller in
      let idle = state.withLock { state in
        if state.used == 0, !state.running { return true }
        state.whenIdle.append(caller)
        return false
      }
      if idle { caller.resume() }
    }
  }

  private func enter() async throws(StoreError) {
    let overloaded: Bool = state.withLock { $0.used >= limit && $0.suspended.count >= waitLimit }
    if overloaded {
      throw StoreError(
        .overloaded, "More than \(limit + waitLimit) writes wait for the database",
        remedy: "The disk is too slow for this many jobs: try again, or move the database to a faster disk.")
    }
    await withCheckedContinuation { (caller: CheckedContinuation<Void, Never>) in
      let entered = state.withLock { state in
        if state.used < limit {
          state.used += 1
          return true
        }
        state.suspended.append(caller)
        return false
      }
      if entered { caller.resume() }
    }
  }

  /// One batch for each turn on the writer's queue, so that others of this process get their turn too.
  private func schedule() {
    pool.asyncWriteWithoutTransaction { db in self.runBatch(db) }
  }

  private func runBatch(_ db: Database) {
    let (batch, admitted) = state.withLock { state in
      let batch = Array(state.waiting)
      state.waiting.removeAll(keepingCapacity: true)
      state.transactions += 1
      state.used -= batch.count
      var admitted: [CheckedContinuation<Void, Never>] = []
      while state.used < limit, let caller = state.suspended.popFirst() {
        state.used += 1
        admitted.append(caller)
      }
      return (batch, admitted)
    }
    for caller in admitted { caller.resume() }
    commit(batch, db)
    let (more, idle) = state.withLock { state in
      state.running = !state.waiting.isEmpty
      guard !state.running, state.used == 0 else { return (state.running, [CheckedContinuation<Void, Never>]()) }
      defer { state.whenIdle = [] }
      return (false, state.whenIdle)
    }
    for caller in idle { caller.resume() }
    if more { schedule() }
  }

  private func commit(_ batch: [Item], _ db: Database) {
    do throws(StoreError) {
      try guardFile()
    } catch {
      for item in batch { item.fail(error) }
      return
    }
    var finish: [@Sendable () -> Void] = []
    finish.reserveCapacity(batch.count)
    do {
      try db.inTransaction(.immediate) {
        for item in batch {
          do {
            finish.append(try item.run(db))
          } catch let refusal as StoreError {
            finish.append { item.fail(refusal) }
          }
        }
        return .commit
      }
      for resume in finish { resume() }
    } catch  where batch.count > 1 && Self.isOneItemsFault(error) {
      // What one write did wrong must not fail the others: each gets a transaction of its own.
      for item in batch { commit([item], db) }
    } catch {
      let failure = explain(error)
      for item in batch { item.fail(failure) }
    }
  }

  /// Whether an error says something of one write, not of the file or the disk.
  private static func isOneItemsFault(_ error: any Error) -> Bool {
    guard let error = error as? DatabaseError else { return true }
    switch error.resultCode {
    case .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG, .SQLITE_RANGE, .SQLITE_ERROR: return true
    default: return false
    }
  }
}
