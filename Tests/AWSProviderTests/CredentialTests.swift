import Foundation
import JobModel
import Synchronization
import TestSupport
import Testing
import Transport

@testable import AWSProvider

@Suite("Fetching credentials")
struct CredentialTests {
  private typealias Answer = LoopbackServer.Answer
  private static let document =
    #"{"Code":"Success","AccessKeyId":"ROLE","SecretAccessKey":"s","Token":"t","Expiration":"2027-01-15T14:00:00Z"}"#

  private func chain(_ environment: [String: String], timeout: Duration = .seconds(20)) -> CredentialChain {
    let common = ["HOME": "/nonexistent", "PATH": "/usr/bin:/bin"]
    return CredentialChain(
      environment: common.merging(environment) { $1 }, http: HTTPClient(), programTimeout: timeout,
      agentTimeout: .seconds(5))
  }

  @Test("an instance is asked with a token first")
  func instance() async throws {
    try await LoopbackServer.scripted([Answer(200, "TOKEN"), Answer(200, "my-role"), Answer(200, Self.document)]) {
      server async throws in
      let found = try await chain(["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url("/")]).load()
      #expect(found.accessKeyID == "ROLE")
      #expect(found.sessionToken == Secret("t"))
      #expect(found.expiration?.iso8601() == "2027-01-15T14:00:00Z")
      let records = try server.records()
      #expect(records.compactMap { $0["method"] as? String } == ["PUT", "GET", "GET"])
      #expect(records.last?["path"] as? String == "/latest/meta-data/iam/security-credentials/my-role")
      let tokens = records.compactMap { record in
        (record["headers"] as? [[String]])?.first { $0[0].lowercased() == "x-aws-ec2-metadata-token" }?[1]
      }
      #expect(tokens == ["TOKEN", "TOKEN"])
    }
  }

  @Test("an instance without a role has none, and so has a machine that is no instance")
  func noRole() async throws {
    try await LoopbackServer.scripted([Answer(200, "TOKEN"), Answer(404)]) { server async throws in
      let chain = chain(["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url("")])
      let error = await #expect(throws: AWSError.self) { try await chain.load() }
      #expect(error?.code == .credentials)
      #expect(error?.remedy.contains("aws configure") == true)
    }
    let disabled = chain(["AWS_EC2_METADATA_DISABLED": "true"])
    #expect(await #expect(throws: AWSError.self) { try await disabled.load() }?.code == .credentials)
  }

  @Test("a container's agent is asked with its token")
  func container() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-token-\(UUID().uuidString)")
      .path
    try Data("file-token".utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await LoopbackServer.scripted([Answer(200, Self.document), Answer(200, Self.document), Answer(403, "no")]) {
      server async throws in
      let address = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url("/creds?id=1")]
      let byName = address.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain"]) { $1 }
      #expect(try await chain(byName).load().accessKeyID == "ROLE")
      #expect(
        try await chain(byName.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path]) { $1 }).load().accessKeyID
          == "ROLE")
      let records = try server.records()
      let tokens = records.compactMap { record in
        (record["headers"] as? [[String]])?.first { $0[0].lowercased() == "authorization" }?[1]
      }
      #expect(tokens == ["plain", "file-token"])
      #expect(records.first?["path"] as? String == "/creds?id=1")
      #expect(await #expect(throws: AWSError.self) { try await chain(byName).load() }?.status == 403)
    }
  }

  @Test(
    "others are asked for when they are wanted, but not again within minutes, and a failure costs nothing that holds")
  func renewal() async throws {
    let time = TestTime()
    let count = Mutex(0)
    let source = CredentialSource(now: time.clock.now) { () async throws(AWSError) in
      let fetch = count.withLock { count in
        count += 1
        return count
      }
      if fetch == 3 { throw AWSError(.credentials, "gone") }
      return AWSCredentials(
        accessKeyID: "K\(fetch)", secretKey: Secret("s"), expiration: TestTime.start + .seconds(90_000), source: "test")
    }
    #expect(try await source.credentials().accessKeyID == "K1")
    await source.renew()
    #expect(count.withLock { $0 } == 1)
    for (key, fetches) in [("K2", 2), ("K2", 3)] {
      time.advance(by: .seconds(301))
      await source.renew()
      #expect(try await source.credentials().accessKeyID == key && count.withLock { $0 } == fetches)
    }
  }

  @Test("an address of a session that does not say when it ends is trusted for an hour, one of a user for its time")
  func addresses() async throws {
    let time = TestTime()
    let endpoint = try #require(Endpoint(url: "http://127.0.0.1:1"))
    for (session, hours) in [(Secret("session"), 1), (nil, 24)] as [(Secret?, Int64)] {
      let credentials = AWSCredentials(
        accessKeyID: "A", secretKey: Secret("s"), sessionToken: session, source: "environment")
      let client = AWSClient(
        settings: AWSSettings(region: "eu-west-1", endpoints: AWSEndpoints(global: endpoint)), http: HTTPClient(),
        credentials: StaticCredentials(credentials), clock: time.clock)
      let address = try await S3Client(client).presign(.put, "bucket", "key", lifetime: .seconds(86_400))
      #expect(address.until == time.clock.now() + .seconds(hours * 3600))
      #expect(address.url.contains("X-Amz-Expires=\(hours * 3600)"))
    }
  }

  @Test(
    "a program that gives no credentials is told without its words",
    arguments: [
      ("echo topsecret; exit 3", "failed"), ("echo topsecret", "something else"),
      ("echo topsecret >&2; exit 1", "failed"),
      (#"echo '{"Version":2,"AccessKeyId":"a","SecretAccessKey":"topsecret"}'"#, "another version"),
      (#"echo '{"Version":1,"AccessKeyId":"a"}'"#, "no SecretAccessKey"),
      (#"echo '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"topsecret","Expiration":"soon"}'"#, "no date"),
      ("yes topsecret", "too much"),
    ])
  func badPrograms(_ script: String, _ expected: String) async throws {
    let program = CredentialProgram(
      words: ["sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(60), place: "the program",
      remedy: "Run it.")
    let error = await #expect(throws: AWSError.self) {
      _ = try CredentialDocument.read(
        try await program.output(), isProgram: true, place: "the program", remedy: "Run it.")
    }
    #expect("\(error as Any)".contains(expected))
    #expect(!"\(error as Any)".contains("topsecret"))
  }

  @Test("a program that does not answer is ended, and what it started too")
  func hangs() async throws {
    let program = CredentialProgram(
      words: ["sh", "-c", "sleep 600 | sleep 600"], environment: ["PATH": "/usr/bin:/bin"], timeout: .milliseconds(300),
      place: "the program", remedy: "Run it.")
    let error = await #expect(throws: AWSError.self) { try await program.output() }
    #expect(error?.message.contains("did not answer") == true)
  }

  @Test("a profile that only AWS's own command line understands is left to it", arguments: [true, false])
  func commandLine(_ isThere: Bool) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-cli-\(UUID().uuidString)")
      .path
    try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Version 1 knows no such command, and says so with code 252.
    let script =
      isThere
      ? """
      #!/bin/sh
      [ "$*" = "configure export-credentials --format process --profile lab" ] || exit 9
      echo '{"Version":1,"AccessKeyId":"CLI","SecretAccessKey":"s","SessionToken":"t"}'
      """ : "#!/bin/sh\nexit 252\n"
    try Data(script.utf8).write(to: URL(fileURLWithPath: folder + "/bin/aws"))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/bin/aws")
    try Data("[profile lab]\nsso_account_id = 1\nsso_role_name = r\n".utf8).write(
      to: URL(fileURLWithPath: folder + "/config"))
    let chain = chain([
      "PATH": folder + "/bin:/usr/bin:/bin", "AWS_CONFIG_FILE": folder + "/config", "AWS_PROFILE": "lab",
    ])
    if isThere {
      let found = try await chain.load()
      #expect(found.accessKeyID == "CLI")
      #expect(found.source.contains("IAM Identity Center"))
    } else {
      let error = await #expect(throws: AWSError.self) { try await chain.load() }
      #expect(error?.remedy.contains("version 2") == true)
    }
  }

  @Test("settings come from the environment and the profile")
  func settings() async throws {
    let chain = chain(["AWS_REGION": "eu-west-3", "AWS_CA_BUNDLE": "/ca.pem", "AWS_ENDPOINT_URL": "http://all.test"])
    let settings = try await chain.settings()
    #expect(settings.region == "eu-west-3")
    #expect(settings.caFile == "/ca.pem")
    #expect(settings.endpoints.endpoint(.ec2, region: "x").host == "all.test")
    #expect(try await chain.settings(region: "us-east-2").region == "us-east-2")
    let error = await #expect(throws: AWSError.self) { try await self.chain([:]).settings() }
    #expect(error?.code == .configuration)
  }

  // MARK: - Keeping them

  @Test(
    "credentials are used, renewed beside, or waited for",
    arguments: [
      (nil, nil, CredentialLife.Step.use), (301, nil, .use), (300, nil, .useAndRenew), (61, nil, .useAndRenew),
      (61, 10, .use), (61, 31, .useAndRenew), (60, nil, .renew), (60, 10, .use), (0, 10, .renew), (-5, 10, .renew),
    ] as [(Int64?, Int64?, CredentialLife.Step)])
  func life(_ left: Int64?, _ failedAgo: Int64?, _ step: CredentialLife.Step) {
    let now = Timestamp(seconds: 1_800_000_000)
    #expect(
      CredentialLife.step(
        expiration: left.map { now + .seconds($0) }, failed: failedAgo.map { now - .seconds($0) }, now: now) == step)
  }

  @Test("many who wait share one fetch")
  func together() async throws {
    let time = TestTime()
    let fetches = Mutex(0)
    let gate = Gate()
    let source = CredentialSource(now: time.clock.now) { () async throws(AWSError) in
      fetches.withLock { $0 += 1 }
      await gate.wait()
      return TestTime.credentials
    }
    try await withThrowingTaskGroup(of: AWSCredentials.self) { group in
      for _ in 0..<50 { group.addTask { try await source.credentials() } }
      await gate.open()
      for try await credentials in group { #expect(credentials == TestTime.credentials) }
    }
    _ = try await source.credentials()
    #expect(fetches.withLock { $0 } == 1)
    #expect(await source.source == "test")
  }

  @Test("old ones are used for as long as they hold, if others can't be had")
  func keeps() async throws {
    let time = TestTime()
    let fetches = Mutex(0)
    var first = TestTime.credentials
    first.expiration = TestTime.start + .seconds(3600)
    let given = first
    let source = CredentialSource(now: time.clock.now) { () async throws(AWSError) in
      let count = fetches.withLock { count in
        count += 1
        return count
      }
      if count > 1 { throw AWSError(.credentials, "gone") }
      return given
    }
    #expect(try await source.credentials() == given)
    time.advance(by: .seconds(3550))
    // Within the mandatory window: a fetch is waited for, fails, and the old ones still hold.
    #expect(try await source.credentials() == given)
    #expect(fetches.withLock { $0 } == 2)
    #expect(try await source.credentials() == given)
    #expect(fetches.withLock { $0 } == 2)
    time.advance(by: .seconds(51))
    await #expect(throws: AWSError.self) { try await source.credentials() }
    #expect(fetches.withLock { $0 } == 3)
  }

  @Test("what AWS called expired is not used again")
  func rejected() async throws {
    let fetches = Mutex(0)
    let source = CredentialSource(now: TestTime().clock.now) { () async throws(AWSError) in
      let count = fetches.withLock { count in
        count += 1
        return count
      }
      return AWSCredentials(accessKeyID: "K\(count)", secretKey: Secret("s"), source: "test")
    }
    let first = try await source.credentials()
    await source.reject(first)
    #expect(try await source.credentials().accessKeyID == "K2")
    // A late complaint about the old ones does not touch the new ones.
    await source.reject(first)
    #expect(try await source.credentials().accessKeyID == "K2")
  }
}

/// Lets nobody through before it is opened.
private actor Gate {
  private var isOpen = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func wait() async {
    guard !isOpen else { return }
    await withCheckedContinuation { waiting.append($0) }
  }

  func open() {
    isOpen = true
    for continuation in waiting { continuation.resume() }
    waiting = []
  }
}
