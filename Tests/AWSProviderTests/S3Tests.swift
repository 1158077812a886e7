import AWSProvider
import Foundation
import JobModel
import TestSupport
import Testing
import Transport

@Suite("S3 against a real server", .enabled(if: LoopbackS3.isInstalled))
struct S3Tests {
  /// Names that signatures, XML and listings get wrong where they can.
  private static let names = [
    "plain", "a b", "a+b", "é", "日本/ü.dat", "100%", "50%2F50", "q?x=1&y=2", "semi;colon,comma", "(x)!*'", "tilde~",
    "amp&lt;",
    "quote\"s", "a=b", "@home", "#hash", "back\\slash", "[b]{c}|d^e`f",
  ]

  @Test("what was put is got, listed and deleted, whatever its name")
  func roundTrip() async throws {
    try await S3Ground.run { ground async throws in
      let client = ground.client
      for name in Self.names {
        try await client.put(ground.bucket, "in/" + name, .bytes(Array(name.utf8)), metadata: ["mtime": "17"])
        let content = try #require(try await client.get(ground.bucket, "in/" + name, limit: 1000))
        #expect(content.bytes == Array(name.utf8))
        #expect(content.info.metadata["mtime"] == "17")
        #expect(try await client.head(ground.bucket, "in/" + name)?.size == Int64(name.utf8.count))
      }
      let listed = try await client.listAll(ground.bucket, prefix: "in/")
      #expect(Set(listed.map(\.key)) == Set(Self.names.map { "in/" + $0 }))
      #expect(listed.first { $0.key == "in/é" }?.size == 2)
      try await client.delete(ground.bucket, "in/plain")
      try await client.delete(ground.bucket, "in/plain")
      try await client.delete(ground.bucket, Self.names.map { "in/" + $0 } + ["in/never"])
      #expect(try await client.listAll(ground.bucket, prefix: "in/").isEmpty)
    }
  }

  @Test("what is not there is nil, and a bucket that is not there an error")
  func absent() async throws {
    try await S3Ground.run { ground async throws in
      #expect(try await ground.client.get(ground.bucket, "none", limit: 10) == nil)
      #expect(try await ground.client.head(ground.bucket, "none") == nil)
      let error = await #expect(throws: AWSError.self) { try await ground.client.list("elsewhere", prefix: "") }
      #expect(error?.code == .notFound)
      #expect(error?.message.contains("s3://elsewhere/") == true)
    }
  }

  @Test("an object that is larger than allowed is refused")
  func bounded() async throws {
    try await S3Ground.run { ground async throws in
      try await ground.client.put(ground.bucket, "k", .bytes([1, 2, 3]))
      #expect(try await ground.client.get(ground.bucket, "k", limit: 3)?.bytes == [1, 2, 3])
      let error = await #expect(throws: AWSError.self) { try await ground.client.get(ground.bucket, "k", limit: 2) }
      #expect(error?.code == .unreadable)
    }
  }

  @Test("a wrong secret is told as such")
  func wrongSecret() async throws {
    try await S3Ground.run { ground async throws in
      let client = try S3Ground.client(ground.server.endpoint, secret: "another")
      let error = await #expect(throws: AWSError.self) { try await client.put(ground.bucket, "k", .bytes([1])) }
      #expect(error?.code == .credentials || error?.code == .denied)
    }
  }

  @Test("files go up and come down, whole and in ranges")
  func files() async throws {
    try await S3Ground.run { ground async throws in
      let content = S3Ground.noise(300_000)
      let path = try ground.file("a", content)
      let digest = SHA256Digest(of: Array(content[1000..<250_000]))
      try await ground.client.put(
        ground.bucket, "f", .file(path: path, offset: 1000, length: 249_000, sha256: digest))
      let target = ground.folder + "/b"
      let info = try await ground.client.download(ground.bucket, "f", to: target)
      #expect(info.size == 249_000)
      #expect(FileManager.default.contents(atPath: target) == content[1000..<250_000])
      try await ground.client.download(ground.bucket, "f", to: target, range: 10..<20)
      #expect(FileManager.default.contents(atPath: target) == content[1010..<1020])
    }
  }

  @Test("parts make an object that nobody sees before it is complete")
  func multipart() async throws {
    try await S3Ground.run { ground async throws in
      let client = ground.client
      let size = 5 * 1024 * 1024
      let content = S3Ground.noise(2 * size + 7)
      let upload = try await client.createUpload(ground.bucket, "big file", metadata: ["mtime": "3"])
      var parts: [S3Part] = []
      for (number, start) in stride(from: 0, to: content.count, by: size).enumerated() {
        let piece = Array(content[start..<min(start + size, content.count)])
        parts.append(try await client.uploadPart(ground.bucket, upload, number: number + 1, .bytes(piece)))
      }
      #expect(try await client.head(ground.bucket, "big file") == nil)
      #expect(try await client.listUploads(ground.bucket, prefix: "big").map(\.id) == [upload.id])
      #expect(try await client.listParts(ground.bucket, upload).map(\.size) == parts.map(\.size))
      #expect(try await client.listParts(ground.bucket, upload).map(\.etag) == parts.map(\.etag))
      try await client.completeUpload(ground.bucket, upload, parts, size: Int64(content.count))
      #expect(try await client.head(ground.bucket, "big file")?.size == Int64(content.count))
      try await client.download(ground.bucket, "big file", to: ground.folder + "/got")
      #expect(FileManager.default.contents(atPath: ground.folder + "/got") == content)

      let other = try await client.createUpload(ground.bucket, "other")
      try await client.abortUpload(ground.bucket, other)
      try await client.abortUpload(ground.bucket, other)
      #expect(try await client.listUploads(ground.bucket, prefix: "").isEmpty)
    }
  }

  @Test(
    "presigned addresses work for whoever has them, and only as they are", arguments: ["plain.txt", "a b+é/ü?&=.dat"])
  func presigned(_ key: String) async throws {
    try await S3Ground.run { ground async throws in
      let anybody = HTTPClient()
      func send(_ method: HTTPRequest.Method, _ url: String, _ body: [UInt8]? = nil) async throws -> HTTPResponse {
        var request = HTTPRequest(method, url)
        request.allowPrivate = true
        request.body = body
        return try await anybody.send(request)
      }
      let put = try await ground.client.presign(.put, ground.bucket, key, lifetime: .seconds(600))
      #expect(try await send(.put, put.url, [1, 2, 3]).status == 200)
      let get = try await ground.client.presign(.get, ground.bucket, key, lifetime: .seconds(600))
      #expect(try await send(.get, get.url).body == [1, 2, 3])
      #expect(try await send(.get, put.url).status == 403)
      #expect(try await send(.get, String(get.url.dropLast(2)) + "00").status == 403)
    }
  }

  @Test("a bucket is what launching needs of it")
  func objectStore() async throws {
    try await S3Ground.run { ground async throws in
      let store: any ObjectStore = S3Bucket(ground.bucket, ground.client)
      try await store.write("x/y", [7])
      #expect(try await store.read("x/y", limit: 10) == [7])
      #expect(try await store.list("x/").map(\.key) == ["x/y"])
      #expect(try await store.list("x/").first.map { S3Ground.realTime.now() - $0.modified < .seconds(60) } == true)
      try await store.delete(["x/y"])
      #expect(try await store.read("x/y", limit: 10) == nil)
    }
  }
}

@Suite("S3 against prepared answers")
struct S3AnswerTests {
  private typealias Answer = LoopbackServer.Answer

  private func run(_ answers: [Answer], _ body: (S3Client, LoopbackServer) async throws -> Void) async throws {
    try await LoopbackServer.scripted(answers) { server async throws in
      let settings = AWSSettings(
        region: "us-east-1", endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL_S3": server.url("")]))
      let client = AWSClient(
        settings: settings, http: HTTPClient(), credentials: StaticCredentials(TestTime.credentials),
        clock: TestTime().clock)
      try await body(S3Client(client), server)
    }
  }

  private func regions(_ server: LoopbackServer) throws -> [String] {
    try server.records().compactMap { record in
      (record["headers"] as? [[String]])?.first { $0[0] == "Authorization" }?[1].split(separator: "/")[2]
    }.map(String.init)
  }

  @Test(
    "a bucket in another region is asked there, and from then on",
    arguments: [
      Answer(
        301, "<Error><Code>PermanentRedirect</Code><Endpoint>x</Endpoint></Error>",
        headers: ["x-amz-bucket-region": "eu-west-1"]),
      Answer(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
      Answer(307, "<Error><Code>TemporaryRedirect</Code></Error>", headers: ["x-amz-bucket-region": "eu-west-1"]),
    ])
  private func redirect(_ refusal: Answer) async throws {
    try await run([refusal, Answer(200, "x"), Answer(200, "y")]) { client, server async throws in
      #expect(try await client.get("b", "k", limit: 10)?.bytes == Array("x".utf8))
      #expect(try await client.get("b", "k", limit: 10)?.bytes == Array("y".utf8))
      #expect(try regions(server) == ["us-east-1", "eu-west-1", "eu-west-1"])
    }
  }

  @Test("a bucket that is nowhere is not looked for in circles")
  func noCircle() async throws {
    let refusal = Answer(
      301, "<Error><Code>PermanentRedirect</Code></Error>", headers: ["x-amz-bucket-region": "us-east-1"])
    try await run([refusal]) { client, _ async throws in
      let error = await #expect(throws: AWSError.self) { try await client.head("b", "k") }
      #expect(error?.code == .wrongRegion)
    }
  }

  @Test("what is the same as before, or must not be replaced, is answered so")
  func conditions() async throws {
    try await run([Answer(304), Answer(412, "<Error><Code>PreconditionFailed</Code></Error>")]) {
      client, server async throws in
      #expect(try await client.get("b", "k", limit: 10, unless: "tag") == .unchanged)
      let error = await #expect(throws: AWSError.self) {
        try await client.put("b", "k", .bytes([1]), ifAbsent: true)
      }
      #expect(error?.code == .precondition)
      let headers = try server.records().compactMap { $0["headers"] as? [[String]] }
      #expect(headers[0].contains(["If-None-Match", "\"tag\""]))
      #expect(headers[1].contains(["If-None-Match", "*"]))
      #expect(headers[1].contains(["x-amz-checksum-sha256", SHA256Digest(of: [1]).base64]))
    }
  }

  @Test("a completion that fails after it said 200 is tried again")
  func lateRefusal() async throws {
    let refusal = Answer(200, "<Error><Code>InternalError</Code><Message>m</Message></Error>")
    let fine = Answer(200, "<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>")
    let upload = S3Upload(key: "k", id: "u")
    try await run([refusal, fine]) { client, server async throws in
      #expect(try await client.completeUpload("b", upload, [S3Part(number: 1, size: 1, etag: "e")], size: 1) == "e-1")
      #expect(try server.records().count == 2)
    }
    try await run([Answer(200, "<Error><Code>InvalidPart</Code></Error>")]) { client, _ async throws in
      let error = await #expect(throws: AWSError.self) { try await client.completeUpload("b", upload, [], size: 1) }
      #expect(error?.code == .invalid)
    }
  }

  @Test("a completion whose answer was lost is found to be done")
  func lostCompletion() async throws {
    let gone = Answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
    try await run([.lost, gone, Answer(200, headers: ["ETag": "\"e-2\"", "x-amz-request-id": "r"])]) {
      client, _ async throws in
      #expect(try await client.completeUpload("b", S3Upload(key: "k", id: "u"), [], size: 0) == "e-2")
    }
    try await run([gone]) { client, _ async throws in
      let error = await #expect(throws: AWSError.self) {
        try await client.completeUpload("b", S3Upload(key: "k", id: "u"), [], size: 0)
      }
      #expect(error?.code == .notFound)
    }
  }

  @Test("content whose checksum is another one is refused")
  func damaged() async throws {
    let right = SHA256Digest(of: Array("x".utf8)).base64
    try await run([
      Answer(200, "x", headers: ["x-amz-checksum-sha256": right]),
      Answer(200, "y", headers: ["x-amz-checksum-sha256": right]),
      Answer(200, "y", headers: ["x-amz-checksum-sha256": right + "-2"]),
      Answer(200, "", headers: ["x-amz-checksum-sha256": right]),
    ]) { client, _ async throws in
      #expect(try await client.get("b", "k", limit: 10)?.info.sha256 == SHA256Digest(of: "x"))
      #expect(await #expect(throws: AWSError.self) { try await client.get("b", "k", limit: 10) }?.code == .unreadable)
      #expect(try await client.get("b", "k", limit: 10)?.bytes == Array("y".utf8))
      #expect(await #expect(throws: AWSError.self) { try await client.put("b", "k", .bytes([1])) }?.code == .unreadable)
    }
  }

  @Test("listings of several pages, whose names are encoded or not")
  func pages() async throws {
    try await run([
      Answer(
        200,
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a+b/=</NextContinuationToken>"
          + "<Contents><Key>a+b%2B%C3%A9%01</Key><Size>1</Size></Contents></ListBucketResult>"),
      Answer(200, "<ListBucketResult><Contents><Key>a+b%2B</Key><Size>2</Size></Contents></ListBucketResult>"),
    ]) { client, server async throws in
      #expect(try await client.listAll("b", prefix: "a").map(\.key) == ["a b+é\u{1}", "a+b%2B"])
      #expect((try server.records().last?["path"] as? String)?.contains("continuation-token=a%2Bb%2F%3D") == true)
    }
  }

  @Test("keys that can't stand in XML are deleted one by one, and a refusal is told")
  func deletion() async throws {
    try await run([
      Answer(204),
      Answer(200, "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"),
    ]) { client, server async throws in
      let error = await #expect(throws: AWSError.self) { try await client.delete("b", ["k&<\n", "x\u{1}"]) }
      #expect(error?.serviceCode == "AccessDenied")
      let records = try server.records()
      #expect(records[0]["method"] as? String == "DELETE")
      #expect(records[0]["path"] as? String == "/b/x%01")
      #expect((records[1]["body"] as? String)?.contains("<Key>k&amp;&lt;&#10;</Key>") == true)
    }
  }
}
