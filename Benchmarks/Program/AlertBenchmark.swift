import Foundation
import JobModel
import JobStore
import Logging
import Monitor
import Notifiers
import ProviderKit
import Synchronization
import Transport

/// From the commit that makes an alert until a webhook receiver has it, through supervisor, outbox, dispatcher and
/// libcurl; then the same request by the `curl` program.
enum AlertBenchmark {
  private static let channel = "receiver"

  static func run(path: String, count: Int) async throws -> [String: Double] {
    let receiver = try Receiver()
    let store = try await StoreActor.open(StoreOptions(path: path))
    let http = HTTPClient()
    let address = "http://127.0.0.1:\(receiver.port)/"
    let settings = WebhookSettings(
      HTTPConnection(Secret(address), allowPrivate: true),
      secrets: [Secret("whsec_" + Data(repeating: 7, count: 32).base64EncodedString())])
    let notifier = try HTTPChannelNotifier(name: channel, channel: WebhookChannel(settings), http: http)
    var arrivals = receiver.arrivals.makeAsyncIterator()
    var latencies: [Double] = []
    var body = Data()
    let bench = try AlertPath(store: store, notifier: notifier)
    for index in 0..<count + 5 {
      let committed = try await bench.fail(index)
      guard let arrival = await arrivals.next() else { throw BenchmarkError("the receiver has ended") }
      await bench.settle()
      // The first ones load libcurl and open the connection.
      if index >= 5 { latencies.append(arrival.at - committed) }
      body = arrival.body
    }
    await http.shutdown()
    await store.close()
    let round = try curl(address, body, count)
    return [
      "alerts": Double(count), "median": quantile(latencies, 0.5), "p95": quantile(latencies, 0.95),
      "curl_median": quantile(round, 0.5), "curl_p95": quantile(round, 0.95), "body_bytes": Double(body.count),
    ]
  }

  /// Round trips of `count` POSTs by one curl process over one connection, in seconds.
  private static func curl(_ address: String, _ body: Data, _ count: Int) throws -> [Double] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "curl", "--silent", "--noproxy", "*", "--data-binary", "@-", "--header", "Content-Type: application/json",
      "--output", "/dev/null", "--write-out", "%{time_total}\\n", "\(address)[1-\(count + 5)]",
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: body)
    try input.fileHandleForWriting.close()
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    let times = text.split(whereSeparator: \.isNewline).compactMap { Double($0) }
    guard process.terminationStatus == 0, times.count == count + 5 else {
      throw BenchmarkError("curl ended with \(process.terminationStatus) after \(times.count) requests")
    }
    return Array(times.dropFirst(5))
  }

  private static func quantile(_ values: [Double], _ part: Double) -> Double {
    values.sorted()[min(values.count - 1, Int(Double(values.count) * part))]
  }
}

/// A pool, a dispatcher and a provider whose jobs all fail.
private struct AlertPath {
  private let store: StoreActor
  private let pool: SupervisorPool
  private let dispatcher: AlertDispatcher
  private let owner = OwnerID(rawValue: "benchmark")
  private let committed = CommitTime()

  init(store: StoreActor, notifier: any Notifier) throws {
    var policy = SupervisionPolicy()
    policy.alerts.channels = [notifier.name]
    let logger = Logger(label: "benchmarks") { _ in SwiftLogNoOpLogHandler() }
    let dispatcher = AlertDispatcher(
      store: store, channels: [notifier], policy: RetryPolicy(), clock: SystemClock(), logger: logger)
    let committed = committed
    // As Watch has it.
    let hooks = SupervisionContext.Hooks(
      committed: { change in if !change.alerts.isEmpty { committed.note() } },
      alertsWaiting: { Task { await dispatcher.pump() } })
    let context = SupervisionContext(
      store: store, providers: [FailingProvider()], clock: SystemClock(), owner: owner, policy: policy, logger: logger,
      hooks: hooks)
    self.store = store
    self.dispatcher = dispatcher
    pool = SupervisorPool(context: context)
  }

  /// Lets one job fail and returns when that was on disk.
  func fail(_ index: Int) async throws -> Double {
    let now = SystemClock().now()
    var job = JobFactory(mix: .open, now: now).job(index)
    job.budget = nil
    guard let lease = try await store.insert(job, events: [], owner: owner, at: now) else {
      throw BenchmarkError("the store gave no lease")
    }
    await pool.adopt([Claim(lease: lease, job: job)])
    await pool.untilIdle()
    return try committed.take()
  }

  func settle() async { await dispatcher.untilIdle() }
}

private final class CommitTime: Sendable {
  private let moment = Mutex<Double?>(nil)

  func note() { moment.withLock { $0 = Meter.seconds() } }

  func take() throws -> Double {
    try moment.withLock { moment in
      guard let taken = moment else { throw BenchmarkError("the job did not fail") }
      moment = nil
      return taken
    }
  }
}

private struct FailingProvider: Provider {
  let name = JobFactory.provider
  let billing = BillingRule.perSecond
  let observeLimit = 1000

  func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    Dictionary(
      uniqueKeysWithValues: instances.map { reference in
        let now = SystemClock().now().rawValue
        let beacon = Beacon(
          job: reference.job.rawValue, attempt: reference.attempt, phase: .finishing, heartbeatAt: now,
          finishedAt: now, exitCode: 1)
        return (reference.token, .known(.init(state: .running, beacon: beacon)))
      })
  }

  func quote(_ spec: JobSpec) async throws(ProviderError) -> Quote {
    throw ProviderError(.unavailable, "This provider has no prices", remedy: "Ask another.")
  }
  func launch(_ request: LaunchRequest) async -> LaunchAnswer { .unknown("launches nothing") }
  func find(_ request: LaunchRequest) async -> FindAnswer { .unreachable("finds nothing") }
  func terminate(_ instance: InstanceReference, finalSync: Bool) async -> TerminateAnswer { .failed("ends nothing") }
}
