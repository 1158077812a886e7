package import Configuration
internal import Foundation
package import JobModel
package import JobStore
internal import LocalProvider
package import Logging
package import Monitor
package import ProviderKit
internal import ResultSync

/// The composition root: everything a command works with, built from the options, the environment and config.json.
package struct CommandContext: Sendable {
  package let console: Console
  package let environment: [String: String]
  package let workingDirectory: String
  package let settings: Settings
  /// The database, absolute.
  package let databasePath: String
  package let logger: Logger
  /// The level that somebody asked for; without it each command has its own.
  package let logLevel: Logger.Level?
  package let clock: any WallClock
  package let format: OutputFormat
  private let shared = SharedProviders()

  package static func make(
    _ options: GlobalOptions, format: OutputFormat = .text
  ) throws -> CommandContext {
    let environment = ProcessInfo.processInfo.environment
    let flags = options.db.map { [Settings.Flag(path: "store.path", text: $0, name: "--db")] } ?? []
    let settings = try Settings.load(path: options.config, environment: environment, flags: flags)
    return CommandContext(
      console: Console.standard(environment: environment), environment: environment,
      workingDirectory: FileManager.default.currentDirectoryPath, settings: settings,
      logLevel: try Log.wantedLevel(debug: options.debug, environment: environment), format: format)
  }

  init(
    console: Console, environment: [String: String], workingDirectory: String, settings: Settings,
    logLevel: Logger.Level? = nil, format: OutputFormat = .text
  ) {
    self.console = console
    self.environment = environment
    self.workingDirectory = workingDirectory
    self.settings = settings
    self.logLevel = logLevel
    self.format = format
    databasePath = LexicalPath.absolute(settings.store.path, in: workingDirectory, home: environment["HOME"])
    logger = Log.make(level: logLevel ?? .warning, format: .text)
    clock = SystemClock()
  }

  // MARK: Paths

  /// The absolute form of a path that was written relative to the working directory.
  package func absolute(_ path: String) -> String {
    LexicalPath.absolute(path, in: workingDirectory, home: environment["HOME"])
  }

  /// The folder of all local instances. A relative one lies beside the database, so that every process that works on this
  /// database looks for the instances in the same place: one that is not found counts as gone.
  package var localDirectory: String {
    let database = LexicalPath.physical(databasePath) ?? databasePath
    return LexicalPath.absolute(
      settings.local.directory, in: LexicalPath.folder(of: database), home: environment["HOME"])
  }

  // MARK: Store

  /// The store for a command that only looks.
  package func openForReading() async throws -> any Store {
    try await StoreActor.open(storeOptions(readOnly: true))
  }

  /// The store for a look that must not change anything: a file that would have to be migrated is refused.
  package func openForLook() async throws -> any Store {
    var options = storeOptions(readOnly: true)
    options.mayMigrate = false
    return try await StoreActor.open(options)
  }

  /// The store for a command that changes something; the file is made if there is none.
  package func openForWriting(onNotice: (@Sendable (String) -> Void)? = nil) async throws -> StoreActor {
    try await StoreActor.open(storeOptions(readOnly: false, onNotice: onNotice))
  }

  /// The store for a command that changes what must be there already: a mistyped `--db` makes no file.
  package func openExisting() async throws -> StoreActor {
    guard FileManager.default.fileExists(atPath: databasePath) else { throw StoreError.notFound(databasePath) }
    return try await openForWriting()
  }

  /// - Parameter onNotice: is told each line of what was done to the file; otherwise the person at the terminal is.
  package func storeOptions(readOnly: Bool, onNotice: (@Sendable (String) -> Void)? = nil) -> StoreOptions {
    let console = console
    return StoreOptions(
      path: databasePath, readOnly: readOnly, allowNetworkFileSystem: settings.store.allowNetworkFileSystem,
      timeZone: { LocalZone.offset(at: $0) }, billing: { Self.billing(of: $0) },
      onNotice: { notice in
        for line in notice.split(separator: "\n") {
          if let onNotice { onNotice(String(line)) } else { console.note(printable(String(line))) }
        }
      })
  }

  // MARK: Providers

  /// A provider of this version: what is known of it without building it, and how it is built.
  private struct ProviderEntry: Sendable {
    let name: ProviderName
    let billing: BillingRule
    let make: @Sendable (CommandContext) -> any Provider
  }

  /// All providers of this version. A new one is added here, and nowhere else.
  private static let entries = [
    ProviderEntry(name: .local, billing: .perSecond, make: { $0.localProvider() }),
    ProviderEntry(
      name: .aws, billing: .ec2Spot,
      make: { context in
        context.shared.provider(.aws) { context.awsProvider() }
      }),
  ]

  /// How the providers bill. A table, since a list asks for each of its rows.
  static let billingRules = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.billing) })

  static func billing(of provider: ProviderName) -> BillingRule { billingRules[provider] ?? .perSecond }

  func billing(_ job: Job) -> BillingRule { Self.billing(of: job.provider) }

  /// Whether this version has the provider.
  static func reaches(_ provider: ProviderName) -> Bool { billingRules[provider] != nil }

  static var providerNames: [String] { entries.map(\.name.rawValue) }

  package func providers() -> [any Provider] { Self.entries.map { $0.make(self) } }

  package func provider(_ name: ProviderName) -> (any Provider)? {
    Self.entries.first { $0.name == name }?.make(self)
  }

  // MARK: Results

  var syncSettings: SyncSettings {
    let sync = settings.sync
    var copies = SyncSettings(
      rclone: sync.rclone, interval: sync.interval, exclude: sync.exclude,
      maximumBytes: sync.maximumMegabytes.map { Int64($0) * 1_000_000 }, includesInputs: sync.inputs,
      packFiles: sync.pack, finalLimit: sync.finalLimit)
    copies.environment = environment.filter { Self.rcloneVariables.contains($0.key) && !$0.value.isEmpty }
    if copies.environment["RCLONE_CONFIG"] == nil, let folder = environment["XDG_CONFIG_HOME"] {
      let file = folder + "/rclone/rclone.conf"
      if FileManager.default.fileExists(atPath: file) { copies.environment["RCLONE_CONFIG"] = file }
    }
    return copies
  }

  /// Where rclone finds its remotes and its way out. The password of its configuration would be a secret.
  private static let rcloneVariables: Set = [
    "RCLONE_CONFIG", "RCLONE_CA_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
    "http_proxy", "NO_PROXY", "no_proxy",
  ]

  /// Where the results of a new job go, as rclone names it; nil if nothing is copied.
  ///
  /// - Parameter wish: what `--gdrive-path` says: `remote:path`, a folder of this machine, or a path on the remote of
  ///   the configuration. Below it each job has a folder of its own, or two would overwrite each other's results.
  package func resultsFolder(_ job: JobID, wish: String?) -> String? {
    let remote = settings.sync.remote.flatMap { $0.isEmpty ? nil : $0 }
    let base: String
    if let wish, Self.isLocal(wish) || wish.contains(":") || remote == nil {
      base = folder(wish)
    } else if let remote {
      let path = wish ?? (Self.isLocal(remote) ? nil : settings.sync.gdrivePath)
      let separator = Self.isLocal(remote) ? "/" : ":"
      let root = Self.isLocal(remote) ? folder(remote) : Self.remoteName(remote)
      base = path.map { root + separator + $0 } ?? root
    } else {
      return nil
    }
    return (base.hasSuffix("/") || base.hasSuffix(":") ? base : base + "/") + job.rawValue
  }

  /// The folder of a job's results, as rclone names it. A job that was taken over from the Python tool names only a path,
  /// on the remote of the configuration.
  func remoteFolder(of job: Job) -> String? {
    guard let path = job.spec.gdrivePath, !path.isEmpty else { return nil }
    guard !Self.isLocal(path), !path.contains(":"), let remote = settings.sync.remote else { return path }
    return Self.isLocal(remote) ? folder(remote) + "/" + path : Self.remoteName(remote) + ":" + path
  }

  /// A path is made absolute beside the database; anything else stays.
  private func folder(_ text: String) -> String {
    guard Self.isLocal(text) else { return text }
    let database = LexicalPath.physical(databasePath) ?? databasePath
    return LexicalPath.absolute(text, in: LexicalPath.folder(of: database), home: environment["HOME"])
  }

  static func isLocal(_ text: String) -> Bool {
    !text.contains(":")
      && (text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") || text.hasPrefix("~/"))
  }

  private static func remoteName(_ text: String) -> String { text.hasSuffix(":") ? String(text.dropLast()) : text }

  /// Somebody who runs the folder that holds the database means its inputs, not the database, nor a link to it.
  var databaseFiles: [String] {
    let folder = LexicalPath.folder(of: databasePath)
    let entry = LexicalPath.absolute(
      LexicalPath.name(of: databasePath), in: LexicalPath.physical(folder) ?? folder, home: nil)
    let files = Set([entry, LexicalPath.physical(databasePath) ?? entry]).sorted()
    return files.flatMap { file in ["", "-wal", "-shm", ".lock"].map { file + $0 } }
  }

  private func localProvider() -> LocalProvider {
    let local = settings.local
    var settings = LocalSettings(
      root: localDirectory, instanceType: local.instanceType, region: local.region,
      price: local.pricePerHour, grace: local.grace, heartbeatInterval: local.heartbeat,
      environment: LocalSettings.environment(from: environment))
    settings.sync = syncSettings
    settings.ssh = local.sshHost.map { host in
      LocalSettings.SSH(host: host, port: local.sshPort, hostKeyFile: absolute(local.sshHostKey))
    }
    settings.skipped = databaseFiles
    return LocalProvider(settings: settings)
  }

  // MARK: Supervision

  package func supervisionContext(
    store: any Store, owner: OwnerID, logger: Logger? = nil, hooks: SupervisionContext.Hooks = .init()
  ) -> SupervisionContext {
    SupervisionContext(
      store: store, providers: providers(), clock: clock, owner: owner, policy: settings.supervision,
      logger: logger ?? self.logger, hooks: hooks,
      startSync: { job in
        do {
          try await SyncRun.start(try await access(to: job, by: nil))
          return nil
        } catch {
          return CommandError(error).message
        }
      })
  }

  /// A name for this run of the program, which no other run has.
  package func makeOwner(_ role: Holder.Role) -> OwnerID {
    var generator = SystemRandomNumberGenerator()
    return OwnerID(
      rawValue: "\(role.rawValue)-\(hostName)-\(processID)-\(String(generator.next(), radix: 36))")
  }

  /// Who runs the command, for others to read.
  var personName: String { environment["USER"] ?? environment["LOGNAME"] ?? "uid \(geteuid())" }

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

  // MARK: Costs

  /// What all jobs together have cost today and this month, in this machine's time zone, and cost now.
  func spend(_ store: any Store, at now: Timestamp) async throws(StoreError) -> Spend {
    let periods = SpendPeriod.Kind.allCases.map { SpendPeriod($0, around: now) { LocalZone.offset(at: $0) } }
    let start = periods.map(\.start).min() ?? now
    let items = try await store.charges(since: start).map { $0.item(billing: Self.billing(of: $0.provider)) }
    return Spend(items, periods: periods, now: now)
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
