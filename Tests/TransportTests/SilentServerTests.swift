import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

/// Where in the dialogue a mail server stops answering.
private enum Point: String, CaseIterable, Sendable {
  case connect, greeting, hello, starttls, handshake, auth, password, mail, rcpt, data, body, end, quit
  /// A byte a second, and lines without end: busy, but no answer.
  case drip, long
  /// No answer to the first byte of TLS.
  case tls

  var mode: String {
    switch self {
    case .drip, .long: rawValue
    case .tls: "silent-greeting"
    default: "silent-\(rawValue)"
    }
  }

  /// The last command that the server gets.
  var command: String? {
    switch self {
    case .connect, .greeting, .drip, .tls: nil
    case .hello, .long: "EHLO"
    case .starttls, .handshake: "STARTTLS"
    case .auth, .password: "AUTH"
    case .mail: "MAIL"
    case .rcpt: "RCPT"
    case .data, .body, .end: "DATA"
    case .quit: "QUIT"
    }
  }
}

@Suite("Mail servers that fall silent")
struct SilentServerTests {
  private static let deadline = Duration.seconds(1)

  @Test("hold no mail beyond its deadline and two seconds, at any point of the dialogue, and delay no webhook")
  func everywhere() async throws {
    let authority = try TestCertificates.shared.get()
    try await LoopbackServer.run("http_receiver") { web async throws in
      try await withThrowingTaskGroup(of: Void.self) { group in
        // A few at a time: a machine that starts all servers at once is late by itself.
        for lane in 0..<4 {
          group.addTask {
            for index in stride(from: lane, to: Point.allCases.count, by: 4) {
              try await Self.send(Point.allCases[index], authority)
            }
          }
        }
        let http = HTTPClient()
        var get = HTTPRequest(.get, web.url("/ok"))
        get.allowPrivate = true
        let webhook = get
        let isOver = Mutex(false)
        let webhooks = Task { () async throws -> (Int, Duration) in
          var slowest = Duration.zero
          var count = 0
          while !isOver.withLock({ $0 }) {
            let start = ContinuousClock.now
            let answer = try await http.send(webhook)
            #expect(answer.status == 200)
            slowest = max(slowest, ContinuousClock.now - start)
            count += 1
            try await Task.sleep(for: .milliseconds(20))
          }
          return (count, slowest)
        }
        try await group.waitForAll()
        isOver.withLock { $0 = true }
        let (count, slowest) = try await webhooks.value
        #expect(count > 20)
        #expect(slowest < Self.deadline, "\(slowest) for a webhook")
      }
    }
  }

  private static func send(_ point: Point, _ certificates: TestCertificates) async throws {
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", point.mode] + certificates.arguments) {
      server async throws in
      // More than the buffers of a connection hold.
      let line = String(repeating: "x", count: 76) + "\r\n"
      var text = "Subject: s\r\n\r\n"
      text += point == .body ? String(repeating: line, count: 80_000) : line
      var request = SMTPRequest(
        host: "127.0.0.1", port: server.port, security: point == .tls ? .tls : .startTLS,
        credentials: .init(username: "user", password: Secret("p4ssword")), sender: "a@x.test", recipient: "b@y.test",
        message: Array(text.utf8))
      request.caFile = certificates.authority
      request.timeout = deadline
      let copy = request
      let client = SMTPClient()
      let start = ContinuousClock.now
      do throws(TransportError) {
        let receipt = try await client.send(copy)
        #expect(point == .quit && receipt.status == 250)
      } catch {
        #expect(point != .quit && error.isWorthRetrying, "\(point): \(error)")
        // Only then the message may have been taken.
        #expect((error.code == .ambiguous) == [.body, .end].contains(point), "\(point): \(error)")
      }
      let time = ContinuousClock.now - start
      // And what a busy machine takes to come to it.
      #expect(time < deadline + .seconds(2) + .seconds(2), "\(point): \(time)")
      // libcurl gives up at once what is no answer.
      #expect(time > .milliseconds(900) || point == .long, "\(point): \(time)")
      let last = try server.records().last { $0["kind"] as? String == "command" }?["line"] as? String
      let command = last.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
      #expect(command?.split(whereSeparator: \.isWhitespace).first.map(String.init) == point.command, "\(point)")
      // The thread is free again, and nothing is left of it.
      let end = ContinuousClock.now
      await client.shutdown()
      #expect(ContinuousClock.now - end < .seconds(1), "\(point)")
    }
  }
}
