import Foundation
import TestSupport
import Testing
import Transport

@Suite("HTTP client against a real server")
struct HTTPClientTests {
  private let client = HTTPClient()

  private func request(_ url: String, _ method: HTTPRequest.Method = .get) -> HTTPRequest {
    var request = HTTPRequest(method, url)
    request.allowPrivate = true
    request.timeout = .seconds(5)
    return request
  }

  @Test("sends method, headers and body as they are, and reads status, headers and body")
  func roundTrip() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let body = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
      var post = request(server.url("/status/207?body=seen&date=never"), .post)
      post.headers = [.init("X-One", "1"), .init("X-Empty", ""), .init("Content-Type", "application/octet-stream")]
      post.body = body
      let response = try await client.send(post)
      #expect(response.status == 207)
      #expect(response.body == Array("seen".utf8))
      #expect(response.header("date") == "never")
      #expect(!response.isTruncated)

      let record = try #require(try server.records().first)
      #expect(record["method"] as? String == "POST")
      #expect(record["body"] as? String == Data(body).base64EncodedString())
      let headers = try #require(record["headers"] as? [[String]])
      #expect(headers.contains(["X-One", "1"]))
      #expect(headers.contains(["X-Empty", ""]))
      #expect(headers.contains(["User-Agent", "cloudjobs"]))
      #expect(!headers.contains { $0[0] == "Expect" })
    }
  }

  @Test("uses each method", arguments: HTTPRequest.Method.allCases)
  func methods(_ method: HTTPRequest.Method) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let response = try await client.send(request(server.url("/ok"), method))
      #expect(response.status == 200)
      #expect(response.body == (method == .head ? [] : Array("ok".utf8)))
      #expect(try server.records().first?["method"] as? String == method.rawValue)
    }
  }

  @Test("reuses one connection for requests that follow each other")
  func reuse() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      for _ in 0..<5 { _ = try await client.send(request(server.url("/ok"))) }
      #expect(Set(try server.records().compactMap { $0["peer"] as? Int }).count == 1)
    }
  }

  @Test("carries a hundred requests at once")
  func many() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<100 {
          let each = request(server.url("/status/\(200 + number % 50)"))
          group.addTask { try await client.send(each).status }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == (0..<100).map { 200 + $0 % 50 }.sorted())
    }
  }

  @Test("never follows a redirect", arguments: [301, 302, 303, 307, 308])
  func redirect(_ status: Int) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let response = try await client.send(request(server.url("/status/\(status)?location=/ok"), .post))
      #expect(response.status == status)
      #expect(response.header("Location") == "/ok")
      #expect(try server.records().count == 1)
    }
  }

  @Test("reads Retry-After as seconds, fractions and dates against the server's clock")
  func retryAfter() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let dates = "retry_after=Sun,%2006%20Nov%201994%2008:50:37%20GMT&date=Sun,%2006%20Nov%201994%2008:49:37%20GMT"
      let expected: [(String, Duration?)] = [
        ("retry_after=7", .seconds(7)), ("retry_after=64.57", .milliseconds(64_570)),
        ("retry_after=99999999999", .seconds(6 * 3600)), ("retry_after=-5", nil), ("body=x", nil),
        (dates, .seconds(60)),
      ]
      for (query, duration) in expected {
        let response = try await client.send(request(server.url("/status/429?" + query)))
        #expect(response.retryAfter == duration, "\(query)")
      }
    }
  }

  // MARK: - Bounds

  @Test("cuts a large body off, with and without a Content-Length", arguments: ["", "&chunked=1"])
  func bodyBound(_ kind: String) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let url = server.url("/big?bytes=50000000" + kind)
      let cut = try await client.send(request(url))
      #expect(cut.status == 200)
      #expect(cut.body.count == 64 * 1024)
      #expect(cut.isTruncated)

      var strict = request(url)
      strict.overflow = .fail
      await fails(.tooLarge) { try await client.send(strict) }

      var wide = request(server.url("/big?bytes=300000" + kind))
      wide.bodyLimit = 300_000
      let whole = try await client.send(wide)
      #expect(whole.body.count == 300_000)
      #expect(!whole.isTruncated)
    }
  }

  @Test("does not believe headers without end")
  func headerBound() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      await fails(.tooLarge) {
        try await client.send(request(server.url("/headers?bytes=200000")))
      }
    }
  }

  @Test("gives up at the deadline: no answer, or one that drips", arguments: ["/hang", "/drip"])
  func deadline(_ path: String) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      var slow = request(server.url(path))
      slow.timeout = .milliseconds(400)
      let start = ContinuousClock.now
      await fails(.timeout) { try await client.send(slow) }
      #expect(ContinuousClock.now - start < .seconds(3))
    }
  }

  @Test("a hanging request delays no other one")
  func isolation() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let hanging = request(server.url("/hang"))
      let hung = Task { try await client.send(hanging) }
      let start = ContinuousClock.now
      #expect(try await client.send(request(server.url("/ok"))).status == 200)
      #expect(ContinuousClock.now - start < .seconds(2))
      await fails(.timeout) { _ = try await hung.value }
    }
  }

  // MARK: - Ends

  @Test("a cancelled task gets its answer at once, also if it was cancelled before")
  func cancellation() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      var slow = request(server.url("/hang"))
      slow.timeout = .seconds(60)
      let copy = slow
      let task = Task { try await client.send(copy) }
      while try server.records().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
      let start = ContinuousClock.now
      task.cancel()
      await fails(.cancelled) { _ = try await task.value }
      #expect(ContinuousClock.now - start < .seconds(2))

      let early = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return try await client.send(copy)
      }
      await fails(.cancelled) { _ = try await early.value }
    }
  }

  @Test("shutting down fails what is on its way and what comes later")
  func shutdown() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let client = HTTPClient()
      var slow = request(server.url("/hang"))
      slow.timeout = .seconds(60)
      let copy = slow
      let task = Task { try await client.send(copy) }
      while try server.records().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
      await client.shutdown()
      await fails(.shutDown) { _ = try await task.value }
      await fails(.shutDown) { try await client.send(copy) }
      await client.shutdown()
    }
  }

  @Test("a connection that breaks or is refused is an error that may be tried again")
  func broken() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      await fails(.network) { try await client.send(request(server.url("/drop"))) }
    }
    await fails(.connect) { try await client.send(request("http://127.0.0.1:1/ok")) }
    await fails(.resolve) { try await client.send(request("http://nowhere.invalid/ok")) }
    for code in [TransportError.Code.network, .connect, .resolve, .timeout, .tls] {
      #expect(TransportError(code, "").isWorthRetrying)
    }
  }

  // MARK: - Protection

  @Test(
    "refuses this machine and private networks however they are written",
    arguments: [
      "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "0", "localhost", "[::1]",
      "10.1.2.3", "169.254.169.254", "192.168.0.1", "[fd00::1]", "[fe80::1]",
    ])
  func refusesPrivate(_ host: String) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      var outward = HTTPRequest(.get, server.url("/ok", host: host))
      outward.timeout = .seconds(5)
      await fails(.refusedAddress) { try await client.send(outward) }
      #expect(try server.records().isEmpty)
    }
  }

  @Test("a connection that somebody else was allowed to open is refused too")
  func refusesReusedConnection() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      #expect(try await client.send(request(server.url("/ok"))).status == 200)
      await fails(.refusedAddress) { try await client.send(HTTPRequest(.get, server.url("/ok"))) }
      #expect(try server.records().count == 1)
    }
  }

  @Test("speaks to trusted servers only")
  func tls() async throws {
    let certificates = try TestCertificates.shared.get()
    try await LoopbackServer.run("http_receiver", certificates.arguments) { server async throws in
      var trusted = request(server.url("/ok", scheme: "https"))
      trusted.caFile = certificates.authority
      #expect(try await client.send(trusted).status == 200)
      await fails(.tls) { try await client.send(request(server.url("/ok", scheme: "https"))) }
      var misnamed = request(server.url("/ok", scheme: "https", host: "localhost"))
      misnamed.caFile = certificates.authority
      await fails(.tls) { try await client.send(misnamed) }
      var lost = trusted
      lost.caFile = "/nonexistent/ca.pem"
      await fails(.tls) { try await client.send(lost) }
    }
  }

  @Test(
    "refuses what could become another header or another protocol",
    arguments: [
      HTTPRequest(.get, "file:///etc/passwd"), HTTPRequest(.get, "gopher://127.0.0.1/"), HTTPRequest(.get, ""),
      HTTPRequest(.get, "http://"), HTTPRequest(.get, "http://host/a b"), HTTPRequest(.get, "http://host/a\r\nX: y"),
      HTTPRequest(.get, "http://host/\u{0}"), HTTPRequest(.get, "http://host/", headers: [.init("X", "a\r\nY: b")]),
      HTTPRequest(.get, "http://host/", headers: [.init("X", "a\nb")]),
      HTTPRequest(.get, "http://host/", headers: [.init("X", "a\u{0}b")]),
      HTTPRequest(.get, "http://host/", headers: [.init("X: y\r\nZ", "b")]),
      HTTPRequest(.get, "http://host/", headers: [.init("", "b")]),
    ])
  func refusesInjection(_ request: HTTPRequest) async throws {
    await fails(.invalidRequest) { try await client.send(request) }
  }

  @Test("no error names what is secret in an address")
  func secretsStayOut() async throws {
    let token = "T0KENabcdef123456"
    let urls = [
      "http://user:\(token)@nowhere.invalid/hook", "http://nowhere.invalid/services/\(token)",
      "http://nowhere.invalid/?sig=\(token)", "http://127.0.0.1:1/\(token)", "http://bad host/\(token)",
      "ftp://host/\(token)", "http://\(token).invalid:99999999/",
    ]
    for url in urls {
      var asked = HTTPRequest(.get, url, headers: [.init("Authorization", "Bearer \(token)")])
      asked.allowPrivate = true
      do throws(TransportError) {
        _ = try await client.send(asked)
        Issue.record("\(url) was answered")
      } catch {
        // A name that is itself the host can't be hidden from the reader who must repair it.
        if !url.contains("//\(token)") { #expect(!"\(error)".contains(token), "\(error)") }
      }
      #expect(!"\(asked)".contains(token))
      #expect(!String(reflecting: asked).contains(token))
      var dumped = ""
      dump(asked, to: &dumped)
      #expect(!dumped.contains(token))
    }
  }

  @Test("obeys a proxy of the environment only if asked to")
  func proxy() async throws {
    // In a process of its own, because the environment belongs to all tests.
    await #expect(processExitsWith: .success) {
      setenv("http_proxy", "http://127.0.0.1:1", 1)
      let client = HTTPClient()
      let server = try await LoopbackServer.start("http_receiver")
      var request = HTTPRequest(.get, server.url("/ok"))
      request.allowPrivate = true
      let response = try await client.send(request)
      #expect(response.status == 200)
      request.useEnvironmentProxy = true
      let proxied = request
      await fails(.connect) { try await client.send(proxied) }
      await server.stop()
    }
  }
}
