package import JobModel
package import ProviderKit

/// What every provider promises, as checks that run on any of them.
///
/// A check makes its own jobs, ends what it started, and throws a `Violation` that says which promise was broken.
package struct ProviderContract: Sendable {
  package struct Violation: Error, CustomStringConvertible {
    package var description: String
    package init(description: String) { self.description = description }
  }

  /// What a provider's tests have to bring.
  package struct World: Sendable {
    package var provider: any Provider
    /// A request for a job of its own that runs this shell command.
    package var request: @Sendable (_ command: String) -> LaunchRequest
    /// The longest time in which something that must happen happens here.
    package var patience: Duration

    package init(
      provider: any Provider, patience: Duration = .seconds(20),
      request: @escaping @Sendable (_ command: String) -> LaunchRequest
    ) {
      self.provider = provider
      self.patience = patience
      self.request = request
    }
  }

  package struct Check: Sendable, CustomStringConvertible {
    package var description: String
    package var run: @Sendable (World) async throws -> Void
  }

  package static let checks: [Check] = [
    Check(description: "a quote has a price, a type and a region", run: quotes),
    Check(description: "what was not launched is absent", run: unknownIsAbsent),
    Check(description: "launching a token again names the same instance", run: launchIsIdempotent),
    Check(description: "an instance that was launched is found", run: findsWhatWasLaunched),
    Check(description: "observe answers for every token", run: observesEveryToken),
    Check(description: "a calculation that ends reports its exit code and its instance goes", run: endsByItself),
    Check(description: "terminate ends an instance, and twice does no harm", run: terminates),
    Check(description: "terminating what is not there is accepted", run: terminatesNothing),
  ]

  // MARK: - Checks

  private static func quotes(_ world: World) async throws {
    let quote = try await world.provider.quote(world.request("true").spec)
    try require(quote.price >= .zero, "a price is negative: \(quote)")
    try require(!quote.instanceType.isEmpty && !quote.region.isEmpty, "a quote lacks type or region: \(quote)")
  }

  private static func unknownIsAbsent(_ world: World) async throws {
    let request = world.request("true")
    try require(await world.provider.find(request) == .absent, "found what was never launched")
    let region = try await world.provider.quote(request.spec).region
    let observation = await world.provider.observe([stranger(request, region: region)])[request.token]
    try require(observation == .absent, "a stranger is \(String(describing: observation))")
  }

  private static func launchIsIdempotent(_ world: World) async throws {
    let request = world.request("sleep 60")
    let first = try await launch(request, world)
    do {
      let second = try await launch(request, world)
      try require(isSame(first, second), "two instances for one token: \(first.instance.id), \(second.instance.id)")
    } catch {
      try await end(request, first, world)
      throw error
    }
    try await end(request, first, world)
    let third = await world.provider.launch(request)
    guard case .launched(let last) = third, isSame(first, last) else {
      throw Violation(description: "a token whose instance has ended was launched again: \(third)")
    }
  }

  private static func findsWhatWasLaunched(_ world: World) async throws {
    let request = world.request("sleep 60")
    let launched = try await launch(request, world)
    let answer = await world.provider.find(request)
    try await end(request, launched, world)
    guard case .found(let found) = answer, isSame(launched, found) else {
      throw Violation(description: "launched \(launched), but found \(answer)")
    }
  }

  private static func observesEveryToken(_ world: World) async throws {
    let request = world.request("sleep 60")
    let launched = try await launch(request, world)
    let strangers = (0..<3).map { _ in stranger(world.request("true"), region: launched.instance.region) }
    let answers = await world.provider.observe([reference(request, launched)] + strangers)
    try await end(request, launched, world)
    try require(Set(answers.keys) == Set([request.token] + strangers.map(\.token)), "answered for \(answers.keys)")
    guard case .known(let report) = answers[request.token] else {
      throw Violation(description: "a launched instance is \(String(describing: answers[request.token]))")
    }
    try require(report.state == .pending || report.state == .running, "a new instance is \(report.state)")
    for other in strangers {
      try require(answers[other.token] == .absent, "a stranger is \(String(describing: answers[other.token]))")
    }
  }

  private static func endsByItself(_ world: World) async throws {
    let request = world.request("exit 7")
    let launched = try await launch(request, world)
    let report = try await gone(request, launched, world)
    try require(report.beacon?.exitCode == 7, "exit 7 was reported as \(String(describing: report.beacon))")
    try require(report.beacon?.endedBy == nil, "an ordinary end has the reason \(report.beacon?.endedBy ?? "")")
    try require(report.endReason == nil, "an ordinary end has the reason \(String(describing: report.endReason))")
    guard let ended = report.endedAt else { throw Violation(description: "the end has no time") }
    try require(ended >= launched.at, "it ended before it began")
    let again = await world.provider.observe([reference(request, launched)])[request.token]
    try require(again == .known(report), "what is gone has changed: \(String(describing: again))")
  }

  private static func terminates(_ world: World) async throws {
    let request = world.request("sleep 60")
    let launched = try await launch(request, world)
    try await end(request, launched, world)
    let again = await world.provider.terminate(reference(request, launched), finalSync: true)
    try require(again == .accepted, "terminating what has ended: \(again)")
    let report = try await gone(request, launched, world)
    // Some providers can't tell our order from that of somebody else.
    try require(
      [nil, .userRequest, .stoppedOutside].contains(report.endReason), "ended by \(String(describing: report))")
  }

  private static func terminatesNothing(_ world: World) async throws {
    let request = world.request("true")
    let region = try await world.provider.quote(request.spec).region
    let answer = await world.provider.terminate(stranger(request, region: region), finalSync: false)
    try require(answer == .accepted, "terminating nothing: \(answer)")
  }

  // MARK: - Steps

  package static func launch(_ request: LaunchRequest, _ world: World) async throws -> Launched {
    let answer = await world.provider.launch(request)
    guard case .launched(let launched) = answer else { throw Violation(description: "launch: \(answer)") }
    return launched
  }

  package static func end(_ request: LaunchRequest, _ launched: Launched, _ world: World) async throws {
    let answer = await world.provider.terminate(reference(request, launched), finalSync: false)
    try require(answer == .accepted, "terminate: \(answer)")
    _ = try await gone(request, launched, world)
  }

  /// Observes until the instance is gone.
  package static func gone(
    _ request: LaunchRequest, _ launched: Launched, _ world: World
  ) async throws -> Observation.Report {
    let deadline = ContinuousClock.now + world.patience
    var last: Observation?
    while ContinuousClock.now < deadline {
      last = await world.provider.observe([reference(request, launched)])[request.token]
      if case .known(let report) = last, report.state == .terminated { return report }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Violation(description: "not gone after \(world.patience): \(String(describing: last))")
  }

  package static func reference(_ request: LaunchRequest, _ launched: Launched) -> InstanceReference {
    InstanceReference(
      job: request.job, attempt: request.attempt, token: request.token, instance: launched.instance,
      bucket: request.spec.s3Bucket)
  }

  /// Addresses may be known only later.
  private static func isSame(_ left: Launched, _ right: Launched) -> Bool {
    left.instance.id == right.instance.id && left.instance.type == right.instance.type
      && left.instance.region == right.instance.region && left.at == right.at && left.price == right.price
  }

  private static func stranger(_ request: LaunchRequest, region: String) -> InstanceReference {
    InstanceReference(
      job: request.job, attempt: request.attempt, token: request.token,
      instance: Instance(id: "stranger-\(request.token)", type: "t", region: region))
  }

  private static func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Violation(description: message()) }
  }
}
