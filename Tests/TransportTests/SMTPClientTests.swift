import Foundation
import TestSupport
import Testing
import Transport

@Suite("SMTP client against real servers")
struct SMTPClientTests {
  private let client = SMTPClient()

  private func mail(
    _ server: LoopbackServer, _ security: SMTPRequest.Security = .plain, to recipient: String = "b@y.test",
    _ text: String = "Subject: s\r\n\r\nbody\r\n"
  ) -> SMTPRequest {
    var request = SMTPRequest(
      host: "127.0.0.1", port: server.port, security: security, sender: "a@x.test", recipient: recipient,
      message: Array(text.utf8))
    request.timeout = .seconds(5)
    return request
  }

  private func message(_ server: LoopbackServer) throws -> [String: Any] {
    try #require(try server.records().last { $0["kind"] as? String == "message" })
  }

  private func content(_ record: [String: Any]) throws -> [UInt8] {
    let text = try #require(record["content"] as? String)
    return Array(try #require(Data(base64Encoded: text)))
  }

  @Test("delivers with each kind of security, logged in", arguments: SMTPRequest.Security.allCases)
  func delivers(_ security: SMTPRequest.Security) async throws {
    let certificates = try TestCertificates.shared.get()
    var arguments = ["--mode", security.rawValue, "--auth", "user:pass word"]
    if security != .plain { arguments += certificates.arguments }
    try await LoopbackServer.run("smtp_receiver", arguments) { server async throws in
      var request = mail(server, security)
      request.caFile = certificates.authority
      request.credentials = .init(username: "user", password: Secret("pass word"))
      let receipt = try await client.send(request)
      #expect(receipt == SMTPReceipt(status: 250, text: "250 2.0.0 Taken as q-1"))
      let record = try message(server)
      #expect(record["tls"] as? Bool == (security != .plain))
      #expect(record["authenticated"] as? Bool == true)
      #expect(record["sender"] as? String == "a@x.test")
      #expect(record["recipients"] as? [String] == ["b@y.test"])
      #expect(try content(record) == request.message)

      request.credentials = .init(username: "user", password: Secret("wr0ng-secret"))
      let wrong = request
      do throws(TransportError) {
        _ = try await client.send(wrong)
        Issue.record("a wrong password was accepted")
      } catch {
        #expect(error.code == .authentication)
        #expect(!"\(error)".contains("wr0ng-secret"))
      }
    }
  }

  @Test("untrusted certificates and missing STARTTLS end it before anything is sent")
  func insists() async throws {
    let certificates = try TestCertificates.shared.get()
    for mode in ["tls", "starttls"] {
      try await LoopbackServer.run("smtp_receiver", ["--mode", mode] + certificates.arguments) { server async throws in
        let request = mail(server, mode == "tls" ? .tls : .startTLS)
        await fails(.tls) { try await client.send(request) }
        #expect(try server.records().isEmpty)
      }
    }
    try await LoopbackServer.run("smtp_misbehaving") { server async throws in
      var request = mail(server, .startTLS)
      request.credentials = .init(username: "user", password: Secret("p4ssword"))
      let copy = request
      await fails(.tls) { try await client.send(copy) }
      let commands = try commands(server)
      #expect(commands.allSatisfy { $0.hasPrefix("EHLO") || $0.hasPrefix("QUIT") }, "\(commands)")
    }
  }

  @Test("with a password configured, nothing goes to a server that offers no login", arguments: ["no-auth", "good"])
  func mustLogIn(_ mode: String) async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", mode]) { server async throws in
      var request = mail(server)
      request.credentials = .init(username: "user", password: Secret("p4ssword"))
      let copy = request
      if mode == "good" {
        #expect(try await client.send(copy).status == 250)
      } else {
        await fails(.authentication) { try await client.send(copy) }
        let commands = try commands(server)
        #expect(!commands.contains { $0.hasPrefix("MAIL") || $0.hasPrefix("DATA") }, "\(commands)")
        #expect(try !server.records().contains { $0["kind"] as? String == "message" })
      }
    }
  }

  private func commands(_ server: LoopbackServer) throws -> [String] {
    try server.records().filter { $0["kind"] as? String == "command" }.compactMap {
      ($0["line"] as? String).flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test(
    "tells refusals for now from refusals for good",
    arguments: [
      ("final", "451 4.3.0 Try later", TransportError.Code.rejectedTemporarily, 451),
      ("final", "554 5.7.1 Spam", .rejectedPermanently, 554),
      ("rcpt", "450 4.2.0 Greylisted", .rejectedTemporarily, 450),
      ("rcpt", "550 5.1.1 Nobody", .rejectedPermanently, 550), ("auth", "535 5.7.8 No", .authentication, 535),
      ("auth", "454 4.7.0 Busy", .rejectedTemporarily, 454),
    ])
  func classifies(_ mode: String, _ reply: String, _ code: TransportError.Code, _ status: Int) async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", mode, "--reply", reply]) { server async throws in
      var request = mail(server)
      request.credentials = .init(username: "user", password: Secret("p4ssword"))
      do throws(TransportError) {
        _ = try await client.send(request)
        Issue.record("\(reply) was taken for a yes")
      } catch {
        #expect(error.code == code, "\(error)")
        #expect(error.status == status)
        #expect(error.message.contains(reply), "\(error)")
      }
    }
  }

  @Test(
    "a connection that breaks, or falls silent, after the message is neither a yes nor a no",
    arguments: ["drop-data", "silent-end"])
  func ambiguous(_ mode: String) async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", mode]) { server async throws in
      var request = mail(server)
      request.timeout = .seconds(1)
      let copy = request
      await fails(.ambiguous) { try await client.send(copy) }
      #expect(TransportError(.ambiguous, "").isWorthRetrying)
    }
  }

  @Test("a cancelled mail ends within two seconds, waiting or in progress")
  func cancellation() async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", "silent-hello"]) { server async throws in
      var request = mail(server)
      request.timeout = .seconds(60)
      let copy = request
      let first = Task { try await client.send(copy) }
      while try server.records().count < 2 { try await Task.sleep(for: .milliseconds(5)) }
      let second = Task { try await client.send(copy) }
      let start = ContinuousClock.now
      second.cancel()
      await fails(.cancelled) { try await second.value }
      first.cancel()
      await fails(.cancelled) { try await first.value }
      #expect(ContinuousClock.now - start < .seconds(3))
    }
  }

  @Test("shutting down ends what is on its way")
  func shutdown() async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", "silent-hello"]) { server async throws in
      let client = SMTPClient()
      var request = mail(server)
      request.timeout = .seconds(60)
      let copy = request
      let first = Task { try await client.send(copy) }
      while try server.records().count < 2 { try await Task.sleep(for: .milliseconds(5)) }
      let second = Task { try await client.send(copy) }
      let start = ContinuousClock.now
      await client.shutdown()
      #expect(ContinuousClock.now - start < .seconds(3))
      await fails(.cancelled) { try await first.value }
      await fails(.shutDown) { try await second.value }
    }
  }

  // MARK: - The wire

  @Test(
    "refuses addresses that could become commands",
    arguments: [
      "b@y.test>\r\nRCPT TO:<evil@z.test", "b@y.test\r\nDATA", "b@y.test\u{0}", "<b@y.test>", "b b@y.test",
      "b@y.test\n",
      "", "b", "@y.test", "b@", "b@y@z", "b@y test", "b\u{7F}@y.test", "bé@y.test", "b@é.test", ".b@y.test",
      "b@y..test",
    ])
  func refusesAddresses(_ address: String) async throws {
    let request = SMTPRequest(
      host: "127.0.0.1", port: 1, security: .plain, sender: "a@x.test", recipient: address, message: [65, 13, 10])
    await fails(.invalidRequest) { try await client.send(request) }
    var turned = request
    turned.sender = address
    turned.recipient = "b@y.test"
    let other = turned
    await fails(.invalidRequest) { try await client.send(other) }
  }

  @Test(
    "refuses messages that two servers could read differently",
    arguments: [
      "", "\r\n", "a", "a\n", "a\r", "a\nb\r\n", "a\rb\r\n", "a\r\n.\n\r\n", "a\u{0}\r\n", "é\r\n",
      String(repeating: "x", count: 999) + "\r\n",
    ])
  func refusesMessages(_ text: String) async throws {
    let request = SMTPRequest(
      host: "127.0.0.1", port: 1, security: .plain, sender: "a@x.test", recipient: "b@y.test", message: Array(text.utf8)
    )
    await fails(.invalidRequest) { try await client.send(request) }
  }

  @Test("refuses hosts, ports and passwords that can't be meant")
  func refusesSettings() async throws {
    let good = SMTPRequest(
      host: "mail.test", port: 25, security: .plain, sender: "a@x.test", recipient: "b@y.test", message: [65, 13, 10])
    var cases = [good, good, good, good, good]
    cases[0].host = "mail.test/x\r\nQUIT"
    cases[1].port = 0
    cases[2].host = ""
    cases[3].security = .tls
    cases[3].credentials = .init(username: "u\r\nRSET", password: Secret("p"))
    // A password without encryption goes to this machine only.
    cases[4].credentials = .init(username: "u", password: Secret("p"))
    for each in cases { await fails(.invalidRequest) { try await client.send(each) } }
  }

  @Test("random bodies full of dots arrive byte for byte")
  func dots() async throws {
    var generator = SeededGenerator(seed: 7)
    try await LoopbackServer.run("smtp_receiver") { server async throws in
      for _ in 0..<60 {
        var text = ""
        for _ in 0..<Int.random(in: 1...400, using: &generator) {
          text += ["..", ".", "", "a", ".a", "a.", "..b", String(repeating: ".", count: 900)].randomElement(
            using: &generator)!
          text += "\r\n"
        }
        let request = mail(server, .plain, "X: y\r\n\r\n" + text)
        _ = try await client.send(request)
        #expect(try content(message(server)) == request.message)
      }
    }
  }
}
