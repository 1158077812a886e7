internal import Foundation
internal import JobModel
internal import Synchronization
package import Transport

/// Calls AWS: signs, keeps to the rates that AWS allows, tries again where that is harmless, and reads the answers.
package final class AWSClient: Sendable {
  package let settings: AWSSettings
  package let clock: AWSClock
  private let http: HTTPClient
  private let supplier: any CredentialSupplier
  private let limiter: RateLimiter
  /// How much later AWS's clock is than this machine's.
  private let ahead = Mutex(Duration.zero)
  private let lastSkew = Mutex<Duration?>(nil)

  /// - Parameter limiter: shared by all clients of an account.
  package init(
    settings: AWSSettings, http: HTTPClient, credentials: any CredentialSupplier, clock: AWSClock,
    limiter: RateLimiter = RateLimiter()
  ) {
    self.settings = settings
    self.http = http
    supplier = credentials
    self.clock = clock
    self.limiter = limiter
  }

  /// How much later AWS's clock is than this machine's, to the second, by its last answer. Nil before there was one.
  package var clockSkew: Duration? { lastSkew.withLock { $0 } }

  /// What AWS holds back at the moment.
  package func throttleReport() -> ThrottleReport { limiter.report(at: clock.now()) }

  /// One call of the Query protocol: EC2, STS.
  ///
  /// - Parameter region: the settings' one if nil.
  package func call(
    _ service: AWSService, region: String? = nil, action: String, parameters: [(String, String)] = [],
    options: CallOptions = .idempotent
  ) async throws(AWSError) -> XMLNode {
    let fields = parameters.map { AWSRequest.Field($0.0, $0.1) }
    let body = Self.form([.init("Action", action), .init("Version", service.version)] + fields)
    var call = ServiceCall(service: service, region: region ?? settings.region, action: action, options: options)
    call.classes = ThrottleClass.of(service, action: action, parameters: fields)
    call.request = AWSRequest(
      .post, settings.endpoints.endpoint(service, region: call.region),
      headers: [.init("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
      payload: .sha256(SHA256Digest(of: body)))
    call.body = body
    let response = try await perform(call)
    do throws(XMLReader.Failure) {
      return try XMLReader.read(response.body)
    } catch {
      throw AWSError(
        .unreadable, "\(call.title): the answer is not what AWS sends: \(error)", status: response.status,
        mayHaveHappened: true)
    }
  }

  /// One call of the JSON protocol: Secrets Manager, SSM, Cost Explorer.
  ///
  /// - Parameter target: as in `secretsmanager.GetSecretValue`.
  package func callJSON<Reply: Decodable>(
    _ service: AWSService, region: String? = nil, target: String, body: some Encodable & Sendable,
    options: CallOptions = .idempotent
  ) async throws(AWSError) -> Reply {
    let action = target.split(separator: ".").last.map(String.init) ?? target
    var call = ServiceCall(service: service, region: region ?? settings.region, action: action, options: options)
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      call.body = Array(try encoder.encode(body))
    } catch {
      throw AWSError(.invalid, "\(call.title): what is asked can't be written as JSON")
    }
    call.classes = ThrottleClass.of(service, action: action, parameters: [])
    call.request = AWSRequest(
      .post, settings.endpoints.endpoint(service, region: call.region),
      headers: [.init("Content-Type", "application/x-amz-json-1.1"), .init("X-Amz-Target", target)],
      payload: .sha256(SHA256Digest(of: call.body)))
    let response = try await perform(call)
    do {
      return try JSONDecoder().decode(Reply.self, from: Data(response.body))
    } catch {
      // Not the decoder's words: they may hold a piece of a secret.
      throw AWSError(
        .unreadable, "\(call.title): the answer is not the JSON that was expected", status: response.status,
        mayHaveHappened: true)
    }
  }

  // MARK: - For all protocols

  /// Makes a call, if need be several times, until it is answered by 2xx or by a status that the call accepts.
  func perform(_ call: ServiceCall) async throws(AWSError) -> HTTPResponse {
    let start = clock.now()
    var plan = TryPlan(call.options, maxTries: settings.maxTries)
    var generator = ClosureGenerator(random: clock.random)
    while true {
      let credentials = try await supplier.credentials()
      try await waitForRoom(call, since: start)
      let known = ahead.withLock { $0 }
      let attempt = await attempt(call, credentials, at: clock.now() + known, since: start)
      let failure: AWSError
      switch attempt.result {
      case .success(let response): return response
      case .failure(let error): failure = error
      }
      if failure.code == .throttled {
        limiter.update { [clock] in
          $0.throttled(
            call.classes, service: call.service, region: call.region, action: call.action, at: clock.now())
        }
      }
      let next = plan.next(
        after: failure, age: clock.now() - start, ahead: attempt.ahead, known: known, using: &generator)
      switch next {
      case .fail(let error): throw error
      case .wait(let pause): try await sleep(pause, call)
      case .setClock(let offset): ahead.withLock { $0 = offset }
      case .renewCredentials: await supplier.reject(credentials)
      }
    }
  }

  /// How much later AWS's clock is, as far as it matters: answers tell it to the second or two, so a small difference may be
  /// one of theirs.
  package var allowance: Duration {
    guard let clockSkew, abs(clockSkew.milliseconds) >= 10_000 else { return .zero }
    return clockSkew
  }

  /// Makes sure that the credentials hold for a while, by getting others if need be.
  ///
  /// - Parameters:
  ///   - least: less is refused.
  ///   - wanted: with less left others are asked for.
  /// - Throws: `AWSError.Code.credentials` if there are none that hold for `least`.
  package func holdCredentials(atLeast least: Duration, wanted: Duration) async throws(AWSError) {
    func left(_ credentials: AWSCredentials) -> Duration? {
      credentials.expiration.map { $0 - allowance - clock.now() }
    }
    var credentials = try await supplier.credentials()
    if let time = left(credentials), time < wanted {
      await supplier.renew()
      credentials = try await supplier.credentials()
    }
    guard let time = left(credentials), time < least else { return }
    throw AWSError(
      .credentials,
      "the credentials (\(credentials.source)) end in \(DurationText.short(max(time, .zero))), which is too soon for an "
        + "instance that is to fetch its inputs with what they sign",
      remedy: "Renew them, as with `aws sso login`, and try again.")
  }

  /// An address by which anybody may make this request, until `lifetime` is over or the credentials end.
  ///
  /// - Throws: when there are no credentials, or when they end within the next minute.
  func presign(
    _ request: AWSRequest, service: AWSService, region: String, lifetime: Duration
  ) async throws(AWSError) -> (url: Secret, until: Timestamp) {
    let credentials = try await supplier.credentials()
    let now = clock.now()
    // A session that does not say when it ends may do so any time; an hour is the least that is usual.
    let ending = credentials.expiration.map { $0 - allowance }
    let known = ending ?? (credentials.sessionToken == nil ? nil : now + .seconds(3600))
    let end = known.map { min($0, now + lifetime) } ?? now + lifetime
    guard end - now >= min(.seconds(60), lifetime) else {
      throw AWSError(
        .credentials, "The credentials (\(credentials.source)) end too soon for an address that others are to use",
        remedy: "Renew them.")
    }
    let url = SigV4(credentials: credentials, region: region, service: service.name)
      .presign(request, at: now + ahead.withLock { $0 }, lifetime: end - now)
    return (url, end)
  }

  private struct Attempt {
    var result: Result<HTTPResponse, AWSError>
    /// How much later the service's clock is.
    var ahead: Duration?
  }

  private func attempt(
    _ call: ServiceCall, _ credentials: AWSCredentials, at time: Timestamp, since start: Timestamp
  ) async -> Attempt {
    let left = call.options.deadline - (clock.now() - start)
    guard left > .zero else { return Attempt(result: .failure(Self.tooLate(call))) }
    let signed = SigV4(credentials: credentials, region: call.signingRegion, service: call.service.name)
      .sign(call.request, at: time)
    var request = HTTPRequest(call.request.method, Secret(signed.url), headers: signed.headers)
    if let piece = call.piece {
      request.filePiece = piece
    } else if call.request.method != .get, call.request.method != .head {
      request.body = call.body
    }
    request.destination = call.destination
    request.timeout = min(left, call.options.tryTimeout)
    request.bodyLimit = call.options.replyLimit
    request.overflow = .fail
    // The address is the user's own, and within a VPC even AWS's names may be private addresses.
    request.allowPrivate = true
    request.useEnvironmentProxy = true
    request.caFile = settings.caFile
    let sentAt = clock.now()
    do throws(TransportError) {
      let response = try await http.send(request)
      let date = response.header("Date").flatMap { HTTPDate.parse($0) }
      let skew = date.map { Timestamp(seconds: $0) - clock.now() }
      // The date is that of the beginning of an answer, which may be long.
      if let skew, clock.now() - sentAt < .seconds(2) { lastSkew.withLock { $0 = skew } }
      if (200..<300).contains(response.status) || call.accepted.contains(response.status) {
        return Attempt(result: .success(response))
      }
      return Attempt(
        result: .failure(AWSError(response, call: call.title, redactor: credentials.redactor)), ahead: skew)
    } catch {
      return Attempt(result: .failure(AWSError(error, call: call.title)))
    }
  }

  /// Waits until the call's buckets have something for it.
  private func waitForRoom(_ call: ServiceCall, since start: Timestamp) async throws(AWSError) {
    let now = clock.now()
    let pause = limiter.update { $0.take(call.classes, service: call.service, region: call.region, at: now) }
    guard pause > .zero else { return }
    do throws(AWSError) {
      guard now + pause - start < call.options.deadline else {
        throw AWSError(
          .throttled, "\(call.title): more calls wait than AWS allows in \(call.options.deadline.components.seconds) s",
          remedy: "Try again in a minute; fewer programs that use this account at once also help.")
      }
      try await sleep(pause, call)
    } catch {
      limiter.update { $0.giveBack(call.classes, service: call.service, region: call.region) }
      throw error
    }
  }

  private func sleep(_ pause: Duration, _ call: ServiceCall) async throws(AWSError) {
    do {
      try await clock.sleep(clock.now() + pause)
    } catch {
      throw AWSError(.cancelled, "\(call.title) was cancelled")
    }
  }

  private static func tooLate(_ call: ServiceCall) -> AWSError {
    AWSError(.unreachable, "\(call.title): no answer within \(call.options.deadline.components.seconds) s")
  }

  /// `application/x-www-form-urlencoded`, in the given order.
  private static func form(_ fields: [AWSRequest.Field]) -> [UInt8] {
    Array(
      fields.map { PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value) }
        .joined(separator: "&").utf8)
  }
}
