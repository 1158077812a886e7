import Foundation
import TestSupport
import Testing

@Suite("Every channel of config.json")
struct ChannelTests {
  private static let answers = [
    ("slack", 200, "ok"), ("discord", 200, #"{"id":"1"}"#), ("teams", 202, ""), ("mattermost", 200, "ok"),
    ("pagerduty", 202, #"{"status":"success"}"#), ("telegram", 200, #"{"ok":true,"result":{}}"#),
    ("ntfy", 200, #"{"id":"x"}"#), ("gotify", 200, #"{"id":7}"#), ("alertmanager", 200, ""), ("apprise", 200, "sent"),
  ]
  private static let keys = [
    "telegram": #""token": {"env": "TOKEN"}, "chat": "@ops_chat""#,
    "pagerduty": #""routing_key": {"file": "routing.key"}"#,
    "ntfy": #""topic": {"command": ["echo", "secretTOPIC"]}"#, "gotify": #""token": {"env": "GOTIFY"}"#,
  ]
  private static let environment = [
    "TOKEN": "123456789:AAtelegramTOKEN-0123456789_abcdefg", "GOTIFY": "AgotifyTOKEN123",
  ]

  /// `status` in place of those that mean success, if given.
  private func config(_ server: LoopbackServer, status: Int? = nil) -> String {
    let notifiers = Self.answers.map { name, code, body in
      let text = status.map { _ in "-" } ?? (body.isEmpty ? "-" : Data(body.utf8).base64EncodedString())
      let url = server.url("/say/\(status ?? code)/\(text.replacingOccurrences(of: "=", with: ""))")
      let more = Self.keys[name].map { ", " + $0 } ?? ""
      return #""\#(name)": {"type": "\#(name)", "url": "\#(url)", "allow_private": true\#(more)}"#
    }
    let command =
      #""command": {"type": "command", "command": ["sh", "-c", "cat >given; exit \#(status == nil ? 0 : 3)"]}"#
    return Workplace.config(#""notifiers": {\#((notifiers + [command]).joined(separator: ",\n"))}"#)
  }

  @Test("is reached by notify test with its secrets, and none of them is shown")
  func test() async throws {
    try await LoopbackServer.run("http_receiver") { server async throws in
      try await Workplace.run(config: config(server)) { place in
        try place.write("routing.key", "0123456789abcdefghijklmnopqrstuv\n")
        let good = try await place.cloudjobs("notify", "test", environment: Self.environment)
        #expect(good.code == 0, "\(good)")
        #expect(good.output.split(separator: "\n").filter { $0.hasPrefix("✓") }.count == 11, "\(good)")
        #expect(String(decoding: try place.bytes("given"), as: UTF8.self).hasPrefix(#"{"type":"alert.test""#))
        let records = try server.records()
        #expect(records.count == 10)
        let wire = records.map { "\($0)" }.joined()
        #expect(wire.contains("AAtelegramTOKEN") && wire.contains("AgotifyTOKEN123"))

        try place.write("config.json", config(server, status: 500))
        let bad = try await place.cloudjobs("notify", "test", environment: Self.environment)
        #expect(bad.code == 69, "\(bad)")
        #expect(bad.output.split(separator: "\n").filter { $0.hasPrefix("✗") }.count == 11, "\(bad)")
        for outcome in [good, bad] {
          for secret in ["AAtelegramTOKEN", "AgotifyTOKEN123", "0123456789abcdefghijklmnopqrstuv", "secretTOPIC"] {
            #expect(!"\(outcome)".contains(secret))
          }
        }
      }
    }
  }
}
