package import Configuration
internal import Foundation
package import JobModel
package import JobStore
internal import LocalProvider
package import Logging
package import Monitor
package import ProviderKit

/// The composition root: everything a command works with, built from the options, the environment and config.json.
package struct CommandContext: Sendable {
  package let console: Console
  package let environment: [String: String]
  package let workingDirectory: String
  package let settings: Settings
  package let logger: Logger
  package let clock: any WallClock
  package let format: OutputFormat

  package static func make(
    _ options: GlobalOptions, format: OutputFormat = .text
  ) throws -> CommandContext {
    let environment = ProcessInfo.processInfo.environment
    let console = Console.standard(environment: environment)
    let flags = options.db.map { [Settings.Flag(path: "store.path", text: $0, name: "--db")] } ?? []
    let settings = try Settings.load(
      path: options.config, environment: environment, flags: flags, knownVariables: ["CLOUDJOBS_DEBUG"])
    let debug = options.debug || environment["CLOUDJOBS_DEBUG"] == "1"
    return CommandContext(
      console: console, environment: environment, workingDirectory: FileManager.default.currentDirectoryPath,
      settings: settings, logger: Log.make(debug: debug, format: .text), clock: SystemClock(), format: format)
  }

  // MARK: Paths

  /// The absolute form of a path that was written relative to the working directory.
  package func absolute(_ path: String) -> String {
    let expanded = path.hasPrefix("~/") ? (environment["HOME"] ?? "~") + path.dropFirst(1) : path
    let joined = expanded.hasPrefix("/") ? expanded : workingDirectory + "/" + expanded
    return URL(fileURLWithPath: joined).standardizedFileURL.path
  }

  package var databasePath: String { absolute(settings.store.path) }

  // MARK: Store

  /// The store for a command that only looks.
  package func openForReading() async throws -> any Store {
    try await StoreActor.open(storeOptions(readOnly: true))
  }

  /// The store for a command that changes something; the file is made if there is none.
  package func openForWriting() async throws -> StoreActor {
    try await StoreActor.open(storeOptions(readOnly: false))
  }

  /// The store for a command that changes what must be there already: a mistyped `--db` makes no file.
  package func openExisting() async throws -> StoreActor {
    guard FileManager.default.fileExists(atPath: databasePath) else { throw StoreError.notFound(databasePath) }
    return try await openForWriting()
  }

  package func storeOptions(readOnly: Bool) -> StoreOptions {
    let console = console
    let billing = Dictionary(uniqueKeysWithValues: providers().map { ($0.name, $0.billing) })
    return StoreOptions(
      path: databasePath, readOnly: readOnly, allowNetworkFileSystem: settings.store.allowNetworkFileSystem,
      timeZone: { LocalZone.offset(at: $0) }, billing: { billing[$0] ?? .perSecond },
      onNotice: { notice in
        for line in notice.split(separator: "\n") { console.note(printable(String(line))) }
      })
  }

  // MARK: Providers

  /// All providers of this version. A new one is added here, and nowhere else.
  package func providers() -> [any Provider] { [localProvider()] }

  package func provider(_ name: ProviderName) -> (any Provider)? { providers().first { $0.name == name } }

  private func localProvider() -> LocalProvider {
    let local = settings.local
    var settings = LocalSettings(
      root: absolute(local.directory), instanceType: local.instanceType, region: local.region,
      price: local.pricePerHour, grace: local.grace, heartbeatInterval: local.heartbeat,
      environment: LocalSettings.environment(from: environment))
    // Somebody who runs the folder that holds the database means its inputs, not the database.
    let database = URL(fileURLWithPath: databasePath)
    let folder = database.deletingLastPathComponent().resolvingSymlinksInPath().path
    settings.skipped = ["", "-wal", "-shm", ".lock"].map { folder + "/" + database.lastPathComponent + $0 }
    return LocalProvider(settings: settings)
  }

  // MARK: Supervision

  package func supervisionContext(
    store: any Store, owner: OwnerID, logger: Logger? = nil, hooks: SupervisionContext.Hooks = .init()
  ) -> SupervisionContext {
    SupervisionContext(
      store: store, providers: providers(), clock: clock, owner: owner, policy: settings.supervision,
      logger: logger ?? self.logger, hooks: hooks)
  }

  /// A name for this run of the program, which no other run has.
  package func makeOwner(_ role: Holder.Role) -> OwnerID {
    var generator = SystemRandomNumberGenerator()
    return OwnerID(
      rawValue: "\(role.rawValue)-\(hostName)-\(processID)-\(String(generator.next(), radix: 36))")
  }

  package var hostName: String { ProcessInfo.processInfo.hostName }
  package var processID: Int32 { ProcessInfo.processInfo.processIdentifier }

  package func supervisionOptions(_ role: Holder.Role, _ scope: Supervision.Scope) -> Supervision.Options {
    Supervision.Options(role: role, scope: scope, ttl: settings.watch.leaseTTL, host: hostName, pid: processID)
  }

  /// The watcher that holds the database now, or nil.
  package func liveWatcher(_ store: any Store) async throws -> Holder? {
    let now = clock.now()
    return try await store.holders().first { $0.role == .watch && $0.expiresAt >= now }
  }

  // MARK: Jobs

  /// The job that an id or its beginning names.
  package func resolve(_ prefix: String, in store: any Store) async throws -> Job {
    guard JobID.isPrefix(prefix) else {
      throw CommandError(
        .usage, "'\(printable(prefix))' is not a job id: ids are letters and digits. See: cloudjobs list")
    }
    let ids = try await store.ids(prefix: prefix, limit: 6)
    if let exact = ids.first(where: { $0.rawValue == prefix }), let job = try await store.job(exact) { return job }
    guard let only = ids.first else {
      throw CommandError(.noInput, "no job's id begins with '\(prefix)' in \(databasePath). See: cloudjobs list")
    }
    guard ids.count == 1, let job = try await store.job(only) else {
      let names = ids.prefix(5).map(\.rawValue).joined(separator: ", ") + (ids.count > 5 ? ", …" : "")
      throw CommandError(.usage, "'\(prefix)' is the beginning of several job ids: \(names). Write one more letter")
    }
    return job
  }
}
