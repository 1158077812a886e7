import Foundation
import JobModel
import TestSupport
import Testing

@Suite("Alerts in other words, and taken note of")
struct TemplateTests {
  private func bodies(_ server: LoopbackServer, _ path: String) throws -> [String] {
    try server.records().filter { ($0["path"] as? String)?.hasPrefix(path) == true }.compactMap {
      ($0["body"] as? String).flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test("the words of config.json arrive, with the alert's own id and state, and a mistake in them is named")
  func words() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      func config(_ field: String) -> String {
        Workplace.config(
          """
          "alerts": {"templates": {"all": {"title": "{{\(field)}} of {{alert.rule}}", "text": "Cost: {{job.cost|none}}"}}}
          """,
          """
          "notifiers": {
            "hook": {"type": "webhook", "url": "\(server.url("/ok/hook"))", "allow_private": true},
            "own": {"type": "webhook", "url": "\(server.url("/ok/own"))", "allow_private": true, "cloudevents": true,
                    "template": {"title": "own"}, "body": {"text": "{{alert.title}}: {{alert.facts}}", "n": [1.0]}}
          }
          """)
      }
      try await Workplace.run(config: config("alert.severity")) { place in
        let sent = try await place.cloudjobs("notify", "test")
        #expect(sent.code == 0, "\(sent)")
        let hook = try #require(try bodies(server, "/ok/hook").first)
        #expect(hook.hasPrefix(#"{"type":"alert.test","timestamp":"#))
        #expect(hook.contains(#""title":"info of test","facts":[{"label":"Cost","value":"none"}]"#), "\(hook)")
        #expect(hook.contains(#""data":{"id":"test-"#))
        #expect(try bodies(server, "/ok/own") == [#"{"text":"own: Cost: none","n":[1.0]}"#])
        let headers = try #require(
          try server.records().first { $0["path"] as? String == "/ok/own" }?["headers"] as? [[String]])
        #expect(headers.contains(["ce-type", "cloudjobs.alert.test"]))

        try place.write("config.json", config("env.HOME"))
        let refused = try await place.cloudjobs("config", "check")
        #expect(refused.code == 78, "\(refused)")
        #expect(refused.errors.contains("alerts.templates.all.title"), "\(refused)")
        #expect(refused.errors.contains("\"env.HOME\", which there is not; one of alert.id, "), "\(refused)")
      }
    }
  }

  @Test("notify ack acknowledges the incident in PagerDuty, and tells nobody else")
  func acknowledged() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      let success = Data(#"{"status":"success"}"#.utf8).base64EncodedString().replacing("=", with: "")
      let config = Workplace.config(
        """
        "notifiers": {
          "hook": {"type": "webhook", "url": "\(server.url("/ok"))", "allow_private": true},
          "pager": {"type": "pagerduty", "url": "\(server.url("/say/202/\(success)"))", "allow_private": true,
                    "routing_key": {"env": "KEY"}}
        }
        """)
      try await Workplace.run(config: config) { place in
        let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
        try await place.raise([
          Alert(
            id: "f-1", rule: .heartbeatLost, severity: .critical, at: now, job: nil, title: "no heartbeat", facts: [],
            nextCommand: nil, channels: ["hook", "pager"], status: .firing, condition: "f")
        ])
        _ = try await place.watch(environment: ["KEY": "0123456789abcdefghijklmnopqrstuv"])
        try await eventually("both were told") { try server.records().count == 2 }
        let ack = try await place.cloudjobs("notify", "ack", "f-1")
        #expect(ack.code == 0, "\(ack)")
        try await eventually("PagerDuty was told") { try bodies(server, "/say").count == 2 }
        let last = try #require(try bodies(server, "/say").last)
        #expect(last.contains(#""event_action":"acknowledge","dedup_key":"f-1"}"#), "\(last)")
        #expect(try bodies(server, "/ok").count == 1)
        let log = try await place.cloudjobs("notify", "log", "--channel", "pager")
        #expect(log.output.contains("Acknowledged by "), "\(log)")
      }
    }
  }
}
