import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@Suite("Answers of services")
struct ServiceAnswerTests {
  private let http = HTTPClient()

  private func encoded(_ text: String) -> String {
    guard !text.isEmpty else { return "-" }
    return Data(text.utf8).base64EncodedString().replacingOccurrences(of: "+", with: "-")
      .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
  }

  private func notifier(_ service: Service, _ url: String, allowPrivate: Bool = true) throws -> HTTPChannelNotifier {
    let connection = HTTPConnection(Secret(url), timeout: .seconds(60), allowPrivate: allowPrivate)
    return try HTTPChannelNotifier(name: "x", channel: service.channel(connection), http: http)
  }

  @Test("a success is one, and one request", arguments: Service.allCases)
  func success(_ service: Service) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let (status, body) = service.success
      let notifier = try notifier(service, server.url("/say/\(status)/\(encoded(body))"))
      for alert in [Samples.alert, Samples.resolved, Samples.hostile] {
        let (word, text) = word(await notifier.deliver(Samples.message(alert)))
        #expect(word == "delivered", "\(text)")
      }
      let records = try server.records()
      #expect(records.count == 3)
      for record in records {
        let body = try #require(Data(base64Encoded: record["body"] as? String ?? ""))
        _ = try JSONSerialization.jsonObject(with: body)
      }
    }
  }

  /// Whatever the service: none of these is a success, and those that may pass are tried again.
  @Test("a failure is one", arguments: Service.allCases)
  func failures(_ service: Service) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let cases = [
        ("/say/302/-", "unusable"), ("/say/307/-", "unusable"), ("/say/401/-", "unusable"), ("/say/403/-", "unusable"),
        ("/say/404/-", "unusable"), ("/say/410/-", "unusable"), ("/say/400/-", "permanent"),
        ("/say/413/-", "permanent"), ("/say/500/-", "retry"), ("/say/503/-", "retry"), ("/drop", "retry"),
        ("/say/200/\(encoded("<!DOCTYPE html><html>Please log in</html>"))", "unusable"),
      ]
      for (path, expected) in cases {
        let (word, text) = word(try await notifier(service, server.url(path)).deliver(Samples.message))
        // `drop` ends at the path that a channel adds to it.
        if path == "/drop", [.telegram, .gotify, .alertmanager].contains(service) {
          #expect(word == "retry" || word == "unusable", "\(text)")
        } else {
          #expect(word == expected, "\(path): \(text)")
        }
        #expect(text.utf8.count <= 700)
      }
      let waits = try notifier(service, server.url("/status/429?retry_after=17"))
      #expect(word(await waits.deliver(Samples.message)).word == "retry 17")
      let date = "Mon,%2023%20Nov%202026%2000:01:00%20GMT"
      let dated = try notifier(
        service, server.url("/status/503?retry_after=\(date)&date=Mon,%2023%20Nov%202026%2000:00:20%20GMT"))
      #expect(word(await dated.deliver(Samples.message)).word == "retry 40")
    }
  }

  @Test(
    "each service's own words are understood",
    arguments: [
      (Service.slack, 200, "no_service", "unusable"), (.slack, 404, "no_service", "unusable"),
      (.slack, 400, "invalid_payload", "permanent"), (.slack, 400, "too_many_attachments", "permanent"),
      (.slack, 403, "invalid_token", "unusable"), (.slack, 410, "channel_is_archived", "unusable"),
      (.slack, 500, "rollup_error", "retry"), (.slack, 200, #"{"ok":false,"error":"ratelimited"}"#, "retry"),
      (.slack, 200, #"{"ok":false,"error":"invalid_blocks"}"#, "permanent"),
      (.slack, 200, #"{"ok":false,"error":"channel_not_found"}"#, "unusable"), (.slack, 200, "okay", "unusable"),
      (.slack, 200, "", "unusable"), (.slack, 200, #"{"ok":true}"#, "delivered"), (.slack, 302, "ok", "unusable"),
      (.discord, 204, "", "delivered"), (.discord, 200, "{}", "unusable"),
      (.discord, 429, #"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#, "retry 64.57"),
      (.discord, 429, #"{"retry_after":1e300}"#, "retry 21,600"), (.discord, 429, #"{"retry_after":-3}"#, "retry"),
      (.discord, 429, #"{"retry_after":0}"#, "retry 1"),
      (.discord, 400, #"{"code":50035,"message":"Invalid Form Body"}"#, "permanent"),
      (.discord, 404, #"{"message":"Unknown Webhook","code":10015}"#, "unusable"),
      (.teams, 200, "1", "delivered"), (.teams, 200, "", "delivered"), (.teams, 202, "accepted", "delivered"),
      (
        .teams, 200,
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x",
        "retry"
      ),
      (
        .teams, 200,
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x",
        "permanent"
      ),
      (.teams, 200, "Microsoft Teams endpoint returned HTTP error 403", "unusable"),
      (.teams, 200, "0", "unusable"),
      (.mattermost, 200, "", "unusable"),
      (.mattermost, 400, #"{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook"}"#, "unusable"),
      (.mattermost, 400, #"{"id":"web.incoming_webhook.text.app_error","message":"No text"}"#, "permanent"),
      (.pagerduty, 202, #"{"status":"invalid event"}"#, "unusable"), (.pagerduty, 200, "", "unusable"),
      (.pagerduty, 400, #"{"status":"invalid event","errors":["Length of 'routing_key' is incorrect"]}"#, "unusable"),
      (.pagerduty, 400, #"{"status":"invalid event","errors":["'payload' is missing"]}"#, "permanent"),
      (.pagerduty, 429, "", "retry 120"),
      (.telegram, 200, #"{"ok":false,"error_code":400,"description":"Bad Request: message is too long"}"#, "permanent"),
      (
        .telegram, 429,
        #"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}"#, "retry 35"
      ),
      (.telegram, 400, #"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#, "unusable"),
      (
        .telegram, 400,
        #"{"ok":false,"error_code":400,"description":"group upgraded","parameters":{"migrate_to_chat_id":-100987654321}}"#,
        "unusable"
      ),
      (.telegram, 403, #"{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}"#, "unusable"),
      (.telegram, 401, #"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "unusable"),
      (.telegram, 502, "<html>Bad Gateway</html>", "retry"), (.telegram, 200, "{}", "unusable"),
      (.ntfy, 200, "{}", "unusable"), (.ntfy, 429, #"{"code":42901,"http":429,"error":"limit reached"}"#, "retry 15"),
      (.ntfy, 429, #"{"code":42908,"http":429,"error":"limit reached"}"#, "retry 3,600"),
      (.ntfy, 400, #"{"code":40009,"http":400,"error":"topic invalid"}"#, "unusable"),
      (.ntfy, 400, #"{"code":40024,"http":400,"error":"JSON"}"#, "permanent"),
      (.gotify, 200, "{}", "unusable"), (.gotify, 401, #"{"error":"Unauthorized","errorCode":401}"#, "unusable"),
      (.alertmanager, 200, #"{"status":"success"}"#, "delivered"),
      (.alertmanager, 200, #"{"status":"error","error":"x"}"#, "permanent"),
      (.alertmanager, 400, #"{"code":602,"message":"bad"}"#, "permanent"),
      (.apprise, 204, "", "unusable"), (.apprise, 424, #"{"error":"One or more …"}"#, "retry"),
      (.apprise, 200, #"{"error":"no"}"#, "permanent"), (.apprise, 200, "Notification(s) sent.", "delivered"),
    ] as [(Service, Int, String, String)])
  func own(_ service: Service, _ status: Int, _ body: String, _ expected: String) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let notifier = try notifier(service, server.url("/say/\(status)/\(encoded(body))"))
      let (word, text) = word(await notifier.deliver(Samples.message))
      #expect(word == expected, "\(text)")
      if text.contains("supergroup") { #expect(text.contains("-100987654321")) }
    }
  }

  @Test("an answer of any length and depth does no harm", arguments: Service.allCases)
  func large(_ service: Service) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let deep = String(repeating: "[", count: 6000)
      for path in ["/big?bytes=50000000&status=500", "/say/500/\(encoded(deep))", "/say/200/\(encoded(deep))"] {
        let (word, text) = word(try await notifier(service, server.url(path)).deliver(Samples.message))
        #expect(word != "delivered" || service == .apprise, "\(path)")
        #expect(text.utf8.count <= 700)
      }
    }
  }

  @Test("no secret is shown, though the server repeats them all", arguments: Service.allCases)
  func secrets(_ service: Service) async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let key = "Xk29fjQpL0aaZZ81"
      for status in [200, 302, 400, 401, 404, 429, 500] {
        let body = encoded((Service.secrets + [key]).joined(separator: " "))
        let notifier = try notifier(service, server.url("/say/\(status)/\(body)/\(key)"))
        let answer = await notifier.deliver(Samples.message)
        for text in ["\(answer)", notifier.destination, "\(notifier)", String(reflecting: answer)] {
          #expect(!text.contains(key), "\(text)")
        }
        let own: [String] =
          switch service {
          case .pagerduty: [Service.routingKey]
          case .telegram: [Service.telegramToken, "AAtelegramTOKEN-0123456789_abcdefg"]
          case .ntfy: [Service.topic, Service.ntfyToken]
          case .gotify: [Service.gotifyToken]
          default: []
          }
        for secret in own { #expect(!"\(answer)".contains(secret), "\(answer)") }
      }
      // Nor when nobody is there, or may be there.
      for (url, isAllowed) in [("http://127.0.0.1:9/\(key)", true), (server.url("/\(key)"), false)] {
        let answer = try await notifier(service, url, allowPrivate: isAllowed).deliver(Samples.message)
        for secret in Service.secrets + [key] { #expect(!"\(answer)".contains(secret), "\(answer)") }
      }
    }
  }

  @Test("settings that can't work are refused at once, without their secrets")
  func settings() throws {
    let good = HTTPConnection(Secret("https://x.test/s3cr3t"))
    let cases: [(any HTTPChannel, String)] = [
      (SlackChannel(HTTPConnection(Secret("ftp://x.test/s3cr3t"))), "url"),
      (SlackChannel(HTTPConnection(Secret("https://x.test/"), timeout: .zero)), "timeout"),
      (PagerDutyChannel(routingKey: Secret("s3cr3t")), "routing_key"),
      (TelegramChannel(token: Secret("s3cr3t"), chat: "1"), "token"),
      (TelegramChannel(token: Secret("1:s3cr3t/../s3cr3ts3cr3ts3cr3t"), chat: "1"), "token"),
      (NtfyChannel(topic: Secret("s3cr3t topic")), "topic"),
      (NtfyChannel(topic: Secret("t"), token: Secret("s3cr3t\n")), "token"),
      (GotifyChannel(good, token: Secret("s3cr3t\r\nX: y")), "token"),
      (
        GotifyChannel(
          HTTPConnection(Secret("https://x.test"), headers: [.init("X-Gotify-Key", "s3cr3t")]), token: Secret("abc")),
        "headers"
      ),
      (AppriseChannel(HTTPConnection(Secret("https://x.test"), headers: [.init("accept", "s3cr3t")])), "headers"),
    ]
    for (channel, key) in cases {
      do throws(NotifierSettingsError) {
        _ = try makeNotifier(name: "ops", settings: .service(channel), http: http, smtp: SMTPClient())
        Issue.record("\(channel.kind) was accepted")
      } catch {
        #expect(error.key == key)
        #expect("\(error)".hasPrefix("notifiers.ops.\(key): "))
        #expect(!"\(error)".contains("s3cr3t"), "\(error)")
      }
    }
  }

  @Test("addresses are put together whatever they end with")
  func addresses() {
    func path(_ service: Service, _ url: String) -> String {
      service.channel(url).request(Samples.message).url.reveal()
    }
    #expect(path(.gotify, "https://g.test/sub//?a=b#c") == "https://g.test/sub/message?a=b")
    #expect(path(.alertmanager, "http://am.test:9093") == "http://am.test:9093/api/v2/alerts")
    #expect(path(.discord, "https://d.test/h?thread_id=7") == "https://d.test/h?thread_id=7&wait=true")
    #expect(path(.discord, "https://d.test/h?wait=true") == "https://d.test/h?wait=true")
    #expect(path(.telegram, "https://t.test/") == "https://t.test/bot\(Service.telegramToken)/sendMessage")
  }

  @Test("beginnings and ends are put together by the same key")
  func ends() throws {
    func body(_ service: Service, _ alert: Alert) throws -> Any {
      try JSONSerialization.jsonObject(with: Data(service.channel().request(Samples.message(alert)).body ?? []))
    }
    func event(_ alert: Alert) throws -> [String: Any] { try #require(try body(.pagerduty, alert) as? [String: Any]) }
    let (begin, end) = (try event(Samples.firing), try event(Samples.resolved))
    #expect(begin["event_action"] as? String == "trigger" && end["event_action"] as? String == "resolve")
    #expect(begin["dedup_key"] as? String == end["dedup_key"] as? String)
    let note = PagerDutyFormat.body(Samples.firing, action: .acknowledge, routingKey: Secret(Service.routingKey))
    let acknowledged = try #require(try JSONSerialization.jsonObject(with: Data(note)) as? [String: Any])
    #expect(acknowledged["event_action"] as? String == "acknowledge")
    #expect(acknowledged["dedup_key"] as? String == begin["dedup_key"] as? String)
    func labels(_ alert: Alert) throws -> [String: String]? {
      (try body(.alertmanager, alert) as? [[String: Any]])?.first?["labels"] as? [String: String]
    }
    #expect(try labels(Samples.firing) == labels(Samples.resolved))
    var long = Samples.firing
    long.incident = String(repeating: "é", count: 400)
    let key = try #require(try event(long)["dedup_key"] as? String)
    #expect(key.utf8.count <= 255)
  }
}
