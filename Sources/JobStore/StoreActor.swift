import Dispatch
import GRDB
import GRDBSQLite
import JobModel

/// The store in one SQLite file, through GRDB.
///
/// Writes of a process are grouped into common transactions by `CommitQueue`; reads go to other connections and don't
/// wait for them. Nothing is acknowledged before it is on disk (`synchronous = FULL`).
package actor StoreActor: Store {
  /// The connections to the file.
  enum Connection: Sendable {
    case readWrite(DatabasePool, CommitQueue)
    case readOnly(DatabaseQueue)
  }

  /// Where the file is.
  package nonisolated let path: String
  nonisolated let connection: Connection
  let identity: DatabaseFile.Identity
  let billing: @Sendable (ProviderName) -> BillingRule
  private let onNotice: @Sendable (String) -> Void
  /// Rows that can't be read and of which a person was told.
  private var toldDamage: Set<String> = []
  private var isClosed = false

  private init(_ opened: OpenedDatabase, _ options: StoreOptions) {
    path = opened.path
    identity = opened.identity
    billing = options.billing
    onNotice = options.onNotice
    let path = opened.path
    let identity = opened.identity
    switch opened.connection {
    case .readOnly(let queue): connection = .readOnly(queue)
    case .readWrite(let pool):
      let commits = CommitQueue(
        pool: pool, limit: options.queueLimit, waitLimit: options.waitLimit,
        explain: { StoreError.explain($0, path: path) },
        guardFile: { () throws(StoreError) in
          guard DatabaseFile.identity(of: path) == identity else { throw StoreError.replaced(path) }
        })
      connection = .readWrite(pool, commits)
    }
  }

  /// Opens the database at `options.path`; unless `readOnly`, makes it if there is none.
  ///
  /// A file of an older version is copied beside itself and migrated, so is one of the Python tool. Anything else that
  /// is not ours is refused and left as it is.
  package static func open(_ options: StoreOptions) async throws(StoreError) -> StoreActor {
    let opened = try await offPool { () throws(StoreError) in try OpenedDatabase.open(options) }
    return StoreActor(opened, options)
  }

  package func close() async {
    guard !isClosed else { return }
    isClosed = true
    if case .readWrite(_, let commits) = connection { await commits.drain() }
    let connection = connection
    await Self.offPool {
      // A failure leaves the connection to the destructor, which closes it as soon as nothing uses it.
      switch connection {
      case .readWrite(let pool, _): try? pool.close()
      case .readOnly(let queue): try? queue.close()
      }
    }
  }

  /// Tells a person, once, of rows that were passed over.
  func tell(_ damages: [String]) {
    for damage in damages where toldDamage.insert(damage).inserted {
      onNotice("In the database \(path), \(damage): this job is not supervised. See: cloudjobs check --repair")
    }
  }

  // MARK: Ways to the file

  /// Queues a write and returns when it is on disk. `body` throws a `StoreError` only before it writes, and may be run
  /// again after a rollback.
  func write<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    guard !isClosed else { throw StoreError.closed(path) }
    guard case .readWrite(_, let commits) = connection else {
      throw StoreError(
        .readOnly, "The database \(path) was opened for reading only", remedy: "Open it for writing.")
    }
    return try await commits.submit(body)
  }

  /// Reads from one state of the file. Cancellation of the caller does not reach it: reads are short.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    guard !isClosed else { throw StoreError.closed(path) }
    let path = path
    let reader: any DatabaseReader =
      switch connection {
      case .readWrite(let pool, _): pool
      case .readOnly(let queue): queue
      }
    let result: Result<Value, StoreError> = await withCheckedContinuation { caller in
      reader.asyncRead { database in
        do {
          caller.resume(returning: .success(try body(try database.get())))
        } catch {
          caller.resume(returning: .failure(StoreError.explain(error, path: path)))
        }
      }
    }
    return try result.get()
  }

  /// Runs on the writing connection between two transactions.
  func onWriter<Value: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    guard !isClosed else { throw StoreError.closed(path) }
    let path = path
    let writer: any DatabaseWriter =
      switch connection {
      case .readWrite(let pool, _): pool
      case .readOnly(let queue): queue
      }
    let result: Result<Value, StoreError> = await withCheckedContinuation { caller in
      writer.asyncWriteWithoutTransaction { database in
        do {
          caller.resume(returning: .success(try body(database)))
        } catch {
          caller.resume(returning: .failure(StoreError.explain(error, path: path)))
        }
      }
    }
    return try result.get()
  }

  /// Runs blocking work on a thread of its own, so that the cooperative pool stays free.
  static func offPool<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let result: Result<Value, Failure> = await withCheckedContinuation { caller in
      DispatchQueue(label: "cloudjobs.store.blocking").async {
        do throws(Failure) {
          caller.resume(returning: .success(try body()))
        } catch {
          caller.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  // MARK: The file

  package func foreignVersion() async throws(StoreError) -> Int64 {
    let (path, identity) = (path, identity)
    return try await onWriter { db in
      guard DatabaseFile.identity(of: path) == identity else { throw StoreError.replaced(path) }
      return try db.number("PRAGMA data_version")
    }
  }

  /// Writes the WAL back into the file and empties it. Only `watch` calls this, one process at a time: SQLite before
  /// 3.51.3 can damage a file on which two processes checkpoint (<https://sqlite.org/wal.html#walresetbug>).
  ///
  /// Returns whether all of it was written; a reader in another process can prevent that, until the next time.
  /// - Throws: `StoreError` with code `.replaced` if the path leads to another file by now.
  @discardableResult
  package func checkpoint() async throws(StoreError) -> Bool {
    let (path, identity) = (path, identity)
    return try await onWriter { db in
      guard DatabaseFile.identity(of: path) == identity else { throw StoreError.replaced(path) }
      do {
        let (frames, written) = try db.checkpoint(.truncate)
        return frames == written
      } catch DatabaseError.SQLITE_BUSY {
        return false
      }
    }
  }
}
