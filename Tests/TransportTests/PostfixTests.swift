import Foundation
import TestSupport
import Testing
import Transport

@Suite(
  "SMTP client against Postfix",
  .enabled(if: LoopbackPostfix.isAvailable, "Postfix and sasl2-bin are not installed, or this is not root"))
struct PostfixTests {
  private let client = SMTPClient()

  private func mail(_ server: LoopbackServer, _ security: SMTPRequest.Security) throws -> SMTPRequest {
    // Leading dots, a line of the greatest length, and what only looks like the end of a message.
    let lines = ["Subject: s", "", ".", "..", ".x", String(repeating: "y", count: 998), "MAIL FROM:<ceo@z.test>", "."]
    var request = SMTPRequest(
      host: "127.0.0.1", port: server.port, security: security, sender: "a@x.test", recipient: "b+c@y.test",
      message: Array((lines.joined(separator: "\r\n") + "\r\n").utf8))
    request.caFile = try TestCertificates.shared.get().authority
    request.timeout = .seconds(15)
    return request
  }

  private func arrived(_ server: LoopbackServer) throws -> [[String: Any]] {
    try server.records().filter { $0["kind"] as? String == "message" }
  }

  @Test("delivers byte for byte with each kind of security, logged in", arguments: SMTPRequest.Security.allCases)
  func delivers(_ security: SMTPRequest.Security) async throws {
    var arguments = ["--mode", security.rawValue, "--auth", "user:pass word"]
    if security != .plain { arguments += try TestCertificates.shared.get().arguments }
    try await LoopbackPostfix.run(arguments) { server async throws in
      var request = try mail(server, security)
      request.credentials = .init(username: "user@postfix.test", password: Secret("wr0ng-secret"))
      let wrong = request
      do throws(TransportError) {
        _ = try await client.send(wrong)
        Issue.record("a wrong password was accepted")
      } catch {
        #expect(error.code == .authentication)
        #expect(!"\(error)".contains("wr0ng-secret"))
      }
      request.credentials = .init(username: "user@postfix.test", password: Secret("pass word"))
      let receipt = try await client.send(request)
      #expect(receipt.status == 250 && receipt.text.contains("queued as"), "\(receipt)")
      try await eventually("the message is in the mailbox") { try !arrived(server).isEmpty }
      let record = try #require(try arrived(server).first)
      #expect(record["tls"] as? Bool == (security != .plain))
      #expect(record["authenticated"] as? Bool == true)
      #expect(record["sender"] as? String == "a@x.test")
      #expect(record["recipients"] as? [String] == ["b+c@y.test"])
      let stored = try #require(Data(base64Encoded: record["content"] as? String ?? ""))
      // A mailbox has the line ends of the system, and the way above the message.
      let sent = String(decoding: request.message, as: UTF8.self).replacing("\r\n", with: "\n")
      let body = try #require(sent.range(of: "\n\n"))
      #expect(String(decoding: stored, as: UTF8.self).hasSuffix(sent[body.lowerBound...]))
      #expect(try arrived(server).count == 1)
    }
  }

  @Test("a password that is not asked for is not sent, and nobody gets in without one")
  func login() async throws {
    try await LoopbackPostfix.run { server async throws in
      var request = try mail(server, .plain)
      request.credentials = .init(username: "user@postfix.test", password: Secret("pass word"))
      let copy = request
      await fails(.authentication) { try await client.send(copy) }
      request.credentials = nil
      #expect(try await client.send(request).status == 250)
      try await eventually("the message is in the mailbox") { try !arrived(server).isEmpty }
      #expect(try arrived(server).count == 1)
    }
    try await LoopbackPostfix.run(["--auth", "user:pass word"]) { server async throws in
      let request = try mail(server, .plain)
      do throws(TransportError) {
        _ = try await client.send(request)
        Issue.record("Postfix took mail from a stranger")
      } catch {
        #expect(error.code == .rejectedPermanently && error.status == 554, "\(error)")
      }
    }
  }
}
