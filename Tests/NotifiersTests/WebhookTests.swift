import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@Suite("Webhook notifier")
struct WebhookTests {
  static let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
  static let otherSecret = Secret("whsec_" + Data((1...32).map { UInt8($0) }).base64EncodedString())

  // MARK: - Format

  @Test("signs the published vector as published")
  func vector() throws {
    let signer = try #require(WebhookSigner(secrets: [Self.secret]))
    let signature = signer.signature(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
    #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    let bare = try #require(WebhookSigner(secrets: [Secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]))
    #expect(
      bare.signature(
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
        == signature)
  }

  @Test(
    "a secret that is no secret is refused",
    arguments: ["whsec_", "whsec_AAAA", "hunter2", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!"])
  func badSecrets(_ text: String) {
    #expect(WebhookSigner(secrets: [Secret(text)]) == nil)
  }

  private func request(_ message: AlertMessage, _ secrets: [Secret] = []) throws -> HTTPRequest {
    let signer = try #require(WebhookSigner(secrets: secrets))
    return WebhookFormat.request(
      message, settings: WebhookSettings(HTTPConnection(Secret("https://hooks.test/x"))), signer: signer)
  }

  @Test("writes the alert in one order, the same in every try")
  func body() throws {
    var message = Samples.message
    let first = try request(message, [Self.secret])
    let text = String(decoding: try #require(first.body), as: UTF8.self)
    #expect(
      text == """
        {"type":"alert.job_failed","timestamp":"2026-11-23T00:45:06.000Z","data":{"id":"k3v9x2ab-1-job_failed",\
        "status":"event","incident":"k3v9x2ab-1-job_failed","rule":"job_failed","severity":"critical","job":"k3v9x2ab","title":"Job water (k3v9x2ab) failed",\
        "facts":[{"label":"Job","value":"k3v9x2ab (water)"},{"label":"Cost","value":"$0.1234"}],\
        "nextCommand":"cloudjobs logs k3v9x2ab"}}
        """)
    message.now = message.now + .seconds(60)
    let second = try request(message, [Self.secret])
    #expect(second.body == first.body)
    #expect(second.headers != first.headers)
    #expect(second.headers.first { $0.name == "webhook-id" } == first.headers.first { $0.name == "webhook-id" })
  }

  @Test("an id never holds the dot that would make a signature ambiguous")
  func ids() throws {
    var message = Samples.message
    message.id = "k3v9x2ab-1-cost_threshold-0.5 é\r\n"
    let id = try request(message).headers.first { $0.name == "webhook-id" }?.value.reveal()
    #expect(id == "k3v9x2ab-1-cost_threshold-0_2E5_20_C3_A9_0D_0A")
  }

  @Test("stays under 20 kB and says what it cut")
  func cutting() throws {
    var generator = SystemRandomNumberGenerator()
    for round in 0..<40 {
      var message = Samples.message
      let piece = ["x", "\u{0}", "é", "🧪", "\"", "\\", "\u{1F468}\u{200D}\u{1F469}"][round % 7]
      message.alert.facts = (0..<Int.random(in: 1...200, using: &generator)).map {
        Alert.Fact("fact \($0)", String(repeating: piece, count: Int.random(in: 0...6000, using: &generator)))
      }
      message.alert.title = String(repeating: piece, count: 3000)
      let body = try #require(try request(message).body)
      #expect(body.count < 20_000)
      let json = try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
      let data = try #require(json["data"] as? [String: Any])
      #expect((data["cut"] as? String)?.contains("shortened") == true)
    }
    let whole = try #require(
      try JSONSerialization.jsonObject(with: Data(try request(Samples.message).body ?? [])) as? [String: Any])
    #expect((whole["data"] as? [String: Any])?["cut"] == nil)
  }

  // MARK: - Delivery

  private let http = HTTPClient()

  /// A receiver that answers has long enough for it on a busy machine, where loading a library takes many seconds.
  private func notifier(
    _ url: String, secrets: [Secret] = [Self.secret], timeout: Duration = .seconds(60), allowPrivate: Bool = true
  ) throws -> any Notifier {
    var settings = WebhookSettings(HTTPConnection(Secret(url), allowPrivate: allowPrivate), secrets: secrets)
    settings.connection.headers = [.init("Authorization", Secret("Bearer t0ken-t0ken-t0ken"))]
    settings.connection.timeout = timeout
    return try makeNotifier(name: "hook", settings: .webhook(settings), http: http, smtp: SMTPClient())
  }

  @Test("a receiver with the reference library accepts what arrives, with either secret during a rotation")
  func verified() async throws {
    for accepted in [Self.secret, Self.otherSecret] {
      try await LoopbackServer.run("http_receiver", ["--secret", accepted.reveal()]) { server async throws in
        var message = Samples.message
        message.now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
        message.alert.title = "Jöb \u{1F9EA} \"quoted\"\n\u{7}"
        let both = try notifier(server.url("/verify"), secrets: [Self.secret, Self.otherSecret])
        guard case .delivered(let text) = await both.deliver(message) else {
          Issue.record("refused")
          return
        }
        #expect(text == "HTTP 200 from http://127.0.0.1:\(server.port)/•••: verified")
        let stranger = try notifier(
          server.url("/verify"), secrets: [Secret("whsec_" + Data(repeating: 9, count: 32).base64EncodedString())])
        #expect(await isPermanent(stranger.deliver(message)))
        let headers = try #require(try server.records().first?["headers"] as? [[String]])
        #expect(headers.contains(["Authorization", "Bearer t0ken-t0ken-t0ken"]))
      }
    }
  }

  @Test("both libraries accept what arrives before, during and after a rotation, and no other message")
  func rotation() async throws {
    for path in ["/verify", "/svix"] {
      let arguments = ["--secret", Self.otherSecret.reveal()]
      try await LoopbackServer.run("http_receiver", ["--secret", Self.secret.reveal()]) { old async throws in
        try await LoopbackServer.run("http_receiver", arguments) { new async throws in
          var message = Samples.message
          message.now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
          // Which receivers take it, when the sender has these secrets.
          for (secrets, taken) in [
            ([Self.secret], [true, false]), ([Self.otherSecret, Self.secret], [true, true]),
            ([Self.otherSecret], [false, true]),
          ] {
            for (server, isTaken) in zip([old, new], taken) {
              let answer = try await notifier(server.url(path), secrets: secrets).deliver(message)
              if case .delivered = answer {
                #expect(isTaken, "\(path): \(answer)")
              } else {
                #expect(!isTaken, "\(path): \(answer)")
              }
            }
          }
          // A receiver's clock that is six minutes off is no reason to trust an old message.
          message.now = message.now + .seconds(-360)
          #expect(isPermanent(try await notifier(old.url(path)).deliver(message)))
        }
      }
    }
  }

  @Test("a CloudEvents library reads it as an event with the message's id, and its body as its data")
  func cloudEvents() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let settings = WebhookSettings(
        HTTPConnection(Secret(server.url("/cloudevents")), allowPrivate: true), secrets: [Self.secret],
        cloudEvents: true)
      let notifier = try makeNotifier(name: "hook", settings: .webhook(settings), http: http, smtp: SMTPClient())
      guard case .delivered(let said) = await notifier.deliver(Samples.message) else {
        Issue.record("refused")
        return
      }
      #expect(
        said.hasSuffix(
          "d-1-hook|/cloudjobs|cloudjobs.alert.job_failed|1.0|2026-11-23T00:45:06+00:00|k3v9x2ab|alert.job_failed"),
        "\(said)")
      let headers = try #require(try server.records().first?["headers"] as? [[String]])
      #expect(headers.contains { $0[0] == "webhook-signature" })
      // Only then it is a name that nobody else may set.
      var other = settings
      other.connection.headers = [.init("ce-id", "x")]
      #expect(throws: NotifierSettingsError.self) {
        try makeNotifier(name: "hook", settings: .webhook(other), http: http, smtp: SMTPClient())
      }
      other.cloudEvents = false
      _ = try makeNotifier(name: "hook", settings: .webhook(other), http: http, smtp: SMTPClient())
    }
  }

  private func isPermanent(_ answer: DeliveryAnswer) -> Bool {
    switch answer {
    case .permanent, .unusable: true
    case .delivered, .retry: false
    }
  }

  @Test(
    "knows success, what to try again and what not",
    arguments: [
      ("/status/200", "delivered"), ("/status/204", "delivered"), ("/status/302?location=/ok", "unusable"),
      ("/status/307?location=/ok", "unusable"), ("/status/400", "permanent"), ("/status/401", "unusable"),
      ("/status/403", "unusable"), ("/status/404", "unusable"), ("/status/410", "unusable"),
      ("/status/422", "permanent"), ("/status/408", "retry"), ("/status/425", "retry"),
      ("/status/429?retry_after=17", "retry 17"), ("/status/500", "retry"),
      ("/status/503?retry_after=2.5", "retry 2.5"),
      ("/drop", "retry"), ("/hang", "retry"), ("/big?bytes=50000000&status=500", "retry"),
    ])
  func answers(_ path: String, _ expected: String) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let timeout = path == "/hang" ? Duration.milliseconds(1500) : .seconds(60)
      let answer = try await notifier(server.url(path), timeout: timeout).deliver(Samples.message)
      let text: String
      switch answer {
      case .delivered(let said):
        #expect(expected == "delivered")
        text = said
      case .permanent(let said):
        #expect(expected == "permanent")
        text = said
      case .unusable(let said):
        #expect(expected == "unusable")
        text = said
      case .retry(let said, let after):
        let seconds = after.map { " \($0.inSeconds.formatted())" } ?? ""
        #expect(expected == "retry" + seconds)
        text = said
      }
      #expect(text.utf8.count <= 700)
      func posts() throws -> Int { try server.records().filter { $0["method"] as? String == "POST" }.count }
      // What was given up may be read by the receiver only then.
      try await eventually("the request has arrived") { try posts() > 0 }
      #expect(try posts() == 1)
    }
  }

  @Test("reaches this machine only if that is allowed, and says so")
  func privateAddresses() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let answer = try await notifier(server.url("/ok"), allowPrivate: false).deliver(Samples.message)
      #expect(isPermanent(answer))
      #expect("\(answer)".contains("allow private addresses"))
      #expect(try server.records().isEmpty)
    }
  }

  @Test("sends one message at a time, in order")
  func order() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let notifier = try notifier(server.url("/hang?seconds=0.05"))
      var tasks: [Task<DeliveryAnswer, Never>] = []
      for number in 0..<8 {
        var message = Samples.message
        message.id = "m\(number)"
        let copy = message
        tasks.append(Task { await notifier.deliver(copy) })
      }
      for task in tasks {
        guard case .delivered = await task.value else {
          Issue.record("not delivered")
          return
        }
      }
      let times = try server.records().compactMap { $0["at"] as? Double }
      #expect(times.count == 8)
      for (early, late) in zip(times, times.dropFirst()) { #expect(late - early >= 0.045) }
    }
  }

  @Test("no answer and no description shows a secret, though the server repeats them all")
  func secrets() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let token = "Xk29fjQpL0aaZZ81"
      let url = server.url(
        "/status/500?key=\(token)&body=\(token)%20t0ken-t0ken-t0ken%20whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
      let notifier = try notifier(url)
      let answer = await notifier.deliver(Samples.message)
      let texts = ["\(answer)", notifier.destination, "\(notifier)", String(reflecting: answer)]
      for text in texts {
        for secret in [token, "t0ken-t0ken-t0ken", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
          #expect(!text.contains(secret), "\(text)")
        }
      }
    }
  }

  @Test("settings that can't work are refused at once, without their secrets")
  func settings() throws {
    let good = WebhookSettings(HTTPConnection(Secret("https://hooks.test/s3cr3t-path")), secrets: [Self.secret])
    var cases = Array(repeating: good, count: 6)
    cases[0].connection.url = Secret("ftp://hooks.test/s3cr3t-path")
    cases[1].secrets = [Secret("s3cr3t-path")]
    cases[2].connection.headers = [.init("webhook-id", "s3cr3t-path")]
    cases[3].connection.headers = [.init("X-Key", "s3cr3t-path\n")]
    cases[4].connection.timeout = .zero
    cases[5].connection.url = Secret("https://hooks.test/s3cr3t-path\r\nX: y")
    let keys = ["url", "secrets", "headers", "headers", "timeout", "url"]
    for (each, key) in zip(cases, keys) {
      do throws(NotifierSettingsError) {
        _ = try makeNotifier(name: "ops", settings: .webhook(each), http: http, smtp: SMTPClient())
        Issue.record("\(key) was accepted")
      } catch {
        #expect(error.key == key)
        #expect("\(error)".hasPrefix("notifiers.ops.\(key): "))
        #expect(!"\(error)".contains("s3cr3t"), "\(error)")
      }
    }
  }
}

enum Samples {
  static let at = Timestamp(seconds: 1_795_394_706)
  static let alert = Alert(
    id: "k3v9x2ab-1-job_failed", rule: .jobFailed, severity: .critical, at: at, job: JobID("k3v9x2ab"),
    title: "Job water (k3v9x2ab) failed", facts: [.init("Job", "k3v9x2ab (water)"), .init("Cost", "$0.1234")],
    nextCommand: "cloudjobs logs k3v9x2ab", channels: ["hook"])
  static let message = AlertMessage(id: "d-1-hook", alert: alert, now: at + .seconds(1))
}
