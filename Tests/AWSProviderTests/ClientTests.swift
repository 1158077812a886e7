import AWSProvider
import Foundation
import JobModel
import Synchronization
import TestSupport
import Testing
import Transport

@Suite("Calls to AWS against a server with prepared answers")
struct ClientTests {
  private typealias Answer = LoopbackServer.Answer

  private static let fine = Answer(200, "<R><requestId>r</requestId></R>")
  private static func refusal(_ status: Int, _ code: String, _ message: String = "no", headers: [String: String] = [:])
    -> Answer
  {
    Answer(
      status,
      "<Response><Errors><Error><Code>\(code)</Code><Message>\(message)</Message></Error></Errors>"
        + "<RequestID>req-1</RequestID></Response>", headers: headers)
  }

  /// Makes a call while a clock is moved for whoever sleeps on it; returns what came and how long the pauses were.
  private func call(
    _ answers: [Answer], options: CallOptions = .idempotent, supplier: (any CredentialSupplier)? = nil,
    action: String = "DescribeInstances", limiter: RateLimiter = RateLimiter(),
    requests: Int? = nil, check: (LoopbackServer) throws -> Void = { _ in }
  ) async throws -> (result: Result<XMLNode, AWSError>, pauses: Duration) {
    try await LoopbackServer.scripted(answers) { server async throws in
      let clock = TestTime()
      let endpoint = try #require(Endpoint(url: server.url("")))
      let client = AWSClient(
        settings: AWSSettings(region: "eu-west-1", endpoints: AWSEndpoints(global: endpoint)), http: HTTPClient(),
        credentials: supplier ?? StaticCredentials(TestTime.credentials), clock: clock.clock, limiter: limiter)
      let result: Result<XMLNode, AWSError>
      do throws(AWSError) {
        result = .success(
          try await client.call(.ec2, action: action, parameters: [("InstanceId.1", "i-1/+é")], options: options))
      } catch {
        result = .failure(error)
      }
      let seen = try server.records().count
      if let requests { #expect(seen == requests) }
      try check(server)
      return (result, clock.slept)
    }
  }

  @Test("a call is a signed form, and its answer is read")
  func oneCall() async throws {
    let (result, _) = try await call([Self.fine]) { server in
      let record = try #require(try server.records().first)
      #expect(record["method"] as? String == "POST")
      #expect(record["path"] as? String == "/")
      #expect(
        record["body"] as? String == "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1%2F%2B%C3%A9")
      let headers = try #require(record["headers"] as? [[String]])
      let authorization = try #require(headers.first { $0[0] == "Authorization" }?[1])
      #expect(authorization.contains("Credential=AKIDEXAMPLE/20270115/eu-west-1/ec2/aws4_request"))
      #expect(authorization.contains("SignedHeaders=content-type;host;x-amz-date"))
    }
    #expect(try result.get().text("requestId") == "r")
  }

  @Test(
    "what can be tried again is, with pauses",
    arguments: [
      Answer.lost, Answer(500, "<html>oops"), Answer(503, ""), refusal(503, "RequestLimitExceeded"),
      refusal(500, "InternalError"), refusal(400, "Throttling"),
    ])
  private func retry(_ failure: Answer) async throws {
    let (result, pauses) = try await call([failure, failure, Self.fine], requests: 3)
    #expect(throws: Never.self) { try result.get() }
    #expect(pauses > .zero)
  }

  @Test("a call that must not be made twice is not, when nobody knows whether it was")
  func notTwice() async throws {
    for failure in [Answer.lost, Answer(500, ""), Self.refusal(500, "InternalError")] {
      let (result, _) = try await call([failure], options: .once, requests: 1)
      let error = #expect(throws: AWSError.self) { try result.get() }
      #expect(error?.mayHaveHappened == true)
    }
  }

  @Test("a call that was refused for its rate may be made again, whatever it is")
  func throttledOnce() async throws {
    let (result, _) = try await call(
      [Self.refusal(503, "RequestLimitExceeded"), Self.fine], options: .once, action: "RunInstances")
    #expect(throws: Never.self) { try result.get() }
  }

  @Test(
    "a refusal that will be the same again is told at once",
    arguments: zip(
      ["UnauthorizedOperation", "AuthFailure", "InvalidInstanceID.NotFound", "InsufficientInstanceCapacity"],
      [AWSError.Code.denied, .credentials, .notFound, .capacity]))
  func final(_ code: String, _ meaning: AWSError.Code) async throws {
    let (result, _) = try await call([Self.refusal(400, code)], requests: 1)
    let error = try #require(#expect(throws: AWSError.self) { try result.get() })
    #expect(error.code == meaning)
    #expect(error.serviceCode == code)
    #expect(error.requestID == "req-1")
    #expect(error.message.contains("ec2 DescribeInstances in eu-west-1"))
    #expect(!error.mayHaveHappened)
  }

  @Test("an earlier try that may have worked is remembered when a later one is refused")
  func doubt() async throws {
    let (result, _) = try await call([.lost, Self.refusal(400, "InvalidParameterValue")])
    #expect(#expect(throws: AWSError.self) { try result.get() }?.mayHaveHappened == true)
  }

  @Test("gives up at the deadline, not later")
  func deadline() async throws {
    var options = CallOptions.idempotent
    options.deadline = .seconds(1)
    let failure = Self.refusal(503, "Unavailable", headers: ["Retry-After": "30"])
    let (result, pauses) = try await call([failure], options: options)
    #expect(#expect(throws: AWSError.self) { try result.get() }?.code == .unavailable)
    #expect(pauses == .zero)
  }

  @Test(
    "a clock that is wrong is allowed for, once", arguments: ["RequestExpired", "AuthFailure", "SignatureDoesNotMatch"])
  func skew(_ code: String) async throws {
    // The test's clock says 2027-01-15T08:00:00Z.
    let late = Self.refusal(400, code, headers: ["Date": "Fri, 15 Jan 2027 09:00:00 GMT"])
    let (result, pauses) = try await call([late, Self.fine]) { server in
      let stamps = try server.records().compactMap { record in
        (record["headers"] as? [[String]])?.first { $0[0].lowercased() == "x-amz-date" }?[1]
      }
      #expect(stamps == ["20270115T080000Z", "20270115T090000Z"])
    }
    #expect(throws: Never.self) { try result.get() }
    #expect(pauses == .zero)
    let (again, _) = try await call([late, late])
    #expect(throws: AWSError.self) { try again.get() }
  }

  @Test("the same refusal at the right time is one")
  func noSkew() async throws {
    let (result, _) = try await call([
      Self.refusal(403, "SignatureDoesNotMatch", headers: ["Date": "Fri, 15 Jan 2027 08:00:30 GMT"])
    ])
    #expect(#expect(throws: AWSError.self) { try result.get() }?.code == .credentials)
  }

  @Test("expired credentials are replaced, once")
  func expired() async throws {
    let supplier = CountingSupplier()
    let (result, _) = try await call([Self.refusal(400, "ExpiredToken"), Self.fine], supplier: supplier)
    #expect(throws: Never.self) { try result.get() }
    #expect(supplier.rejected == 1)
    let (again, _) = try await call(
      [Self.refusal(400, "ExpiredToken"), Self.refusal(400, "ExpiredToken")], supplier: supplier)
    #expect(#expect(throws: AWSError.self) { try again.get() }?.remedy.contains("Log in again") == true)
  }

  @Test("an error repeats no secret, whoever sends it back")
  func redacted() async throws {
    let (result, _) = try await call([Self.refusal(403, "SignatureDoesNotMatch", "you said topsecretkey\nand more")])
    let error = try #require(#expect(throws: AWSError.self) { try result.get() })
    #expect(error.serviceMessage == "you said ••• and more")
    #expect(!"\(error)".contains("topsecretkey"))
  }

  @Test("an answer that is not AWS's says so")
  func foreign() async throws {
    for answer in [Answer(200, "<html>hello"), Answer(200, ""), Answer(404, "not here")] {
      let (result, _) = try await call([answer], options: .once)
      #expect(#expect(throws: AWSError.self) { try result.get() }?.code == .unreadable)
    }
  }

  @Test("what is throttled is reported, and slows down whoever calls the same")
  func report() async throws {
    let limiter = RateLimiter()
    _ = try await call(
      [Self.refusal(503, "RequestLimitExceeded"), Self.refusal(503, "RequestLimitExceeded"), Self.fine],
      limiter: limiter)
    let report = limiter.report(at: TestTime.start + .seconds(30))
    #expect(report.entries.map(\.action) == ["DescribeInstances"])
    #expect(report.entries.first?.region == "eu-west-1")
    #expect(report.entries.first?.refusals == 2)
    #expect(report.entries.first?.since == TestTime.start)
    #expect(limiter.report(at: TestTime.start + .seconds(300)).isQuiet)
  }

  private struct Question: Encodable {
    var secretID: String
    enum CodingKeys: String, CodingKey { case secretID = "SecretId" }
  }
  private struct Reply: Decodable, Sendable {
    var secretString: String
    enum CodingKeys: String, CodingKey { case secretString = "SecretString" }
  }

  @Test("the JSON protocol")
  func json() async throws {
    try await LoopbackServer.scripted([
      Answer(200, #"{"SecretString": "s"}"#),
      Answer(400, #"{"__type":"com.amazonaws#ResourceNotFoundException","message":"can't find it"}"#),
      Answer(200, #"{"SecretString": 1, "x": "topsecret"}"#),
    ]) { server async throws in
      let endpoint = try #require(Endpoint(url: server.url("")))
      let client = AWSClient(
        settings: AWSSettings(region: "eu-west-1", endpoints: AWSEndpoints(global: endpoint)), http: HTTPClient(),
        credentials: StaticCredentials(TestTime.credentials), clock: TestTime().clock)
      func ask() async throws(AWSError) -> Reply {
        try await client.callJSON(
          .secretsManager, target: "secretsmanager.GetSecretValue", body: Question(secretID: "a"), options: .once)
      }
      #expect(try await ask().secretString == "s")
      let record = try #require(try server.records().first)
      #expect(record["body"] as? String == #"{"SecretId":"a"}"#)
      #expect((record["headers"] as? [[String]])?.contains(["X-Amz-Target", "secretsmanager.GetSecretValue"]) == true)
      let missing = await #expect(throws: AWSError.self) { try await ask() }
      #expect(missing?.code == .notFound)
      #expect(missing?.serviceMessage == "can't find it")
      let strange = await #expect(throws: AWSError.self) { try await ask() }
      #expect(strange?.code == .unreadable)
      #expect("\(strange as Any)".contains("topsecret") == false)
    }
  }
}

/// A clock that stands still, and jumps over every pause.
final class TestTime: Sendable {
  /// 2027-01-15T08:00:00Z.
  static let start = Timestamp(seconds: 1_800_000_000)
  static let credentials = AWSCredentials(
    accessKeyID: "AKIDEXAMPLE", secretKey: Secret("topsecretkey"), sessionToken: nil, source: "test")

  private let state = Mutex(start)

  func advance(by duration: Duration) { state.withLock { $0 = $0 + duration } }
  var slept: Duration { state.withLock { $0 } - Self.start }

  var clock: AWSClock {
    let generator = Mutex(SeededGenerator(seed: 7))
    return AWSClock(
      now: { self.state.withLock { $0 } },
      sleep: { deadline in self.state.withLock { $0 = max($0, deadline) } },
      random: { generator.withLock { $0.next() } })
  }
}

/// Counts how often its credentials were called expired.
private final class CountingSupplier: CredentialSupplier {
  private let count = Mutex(0)
  var rejected: Int { count.withLock { $0 } }
  func credentials() async throws(AWSError) -> AWSCredentials { TestTime.credentials }
  func reject(_ credentials: AWSCredentials) async { count.withLock { $0 += 1 } }
}
