import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@Suite("Alertmanager itself")
struct AlertmanagerTests {
  private static let isInstalled = ["/usr/bin", "/usr/local/bin"].contains {
    FileManager.default.isExecutableFile(atPath: "\($0)/prometheus-alertmanager")
  }

  @Test(
    "takes beginnings, ends and events as what they are",
    .enabled(if: isInstalled, "prometheus-alertmanager is not installed"))
  func life() async throws {
    try await LoopbackServer.run("http_receiver") { receiver async throws in try await life(receiver) }
  }

  private func life(_ receiver: LoopbackServer) async throws {
    let server = try await LoopbackServer.start("alertmanager", ["--receiver", receiver.url("/ok")])
    let http = HTTPClient()
    let channel = AlertmanagerChannel(HTTPConnection(Secret(server.url("/")), allowPrivate: true))
    let notifier = try makeNotifier(name: "am", settings: .service(channel), http: http, smtp: SMTPClient())

    func deliver(_ alert: Alert) async throws {
      var message = Samples.message(alert)
      message.now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
      let (word, text) = word(await notifier.deliver(message))
      #expect(word == "delivered", "\(text)")
    }
    /// What the webhook behind Alertmanager was told of a rule.
    func told(_ rule: AlertRule) throws -> [(status: String, alert: [String: Any])] {
      try receiver.records().flatMap { record -> [(String, [String: Any])] in
        let body = try #require(Data(base64Encoded: record["body"] as? String ?? ""))
        let json = try #require(try JSONSerialization.jsonObject(with: body) as? [String: Any])
        let alerts = json["alerts"] as? [[String: Any]] ?? []
        return alerts.filter { ($0["labels"] as? [String: String])?["alertname"] == rule.rawValue }
          .map { ($0["status"] as? String ?? "", $0) }
      }
    }
    let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
    var (firing, resolved, event) = (Samples.firing, Samples.resolved, Samples.hostile)
    firing.at = now + .seconds(-600)
    resolved.at = now
    event.at = now + .seconds(-7200)

    try await deliver(firing)
    try await deliver(firing)
    try await deliver(event)
    try await eventually("both are told") { try told(.heartbeatLost).count == 1 && told(.jobFailed).count == 1 }
    let begin = try #require(try told(.heartbeatLost).first)
    #expect(begin.status == "firing")
    #expect((begin.alert["startsAt"] as? String)?.hasPrefix(String(firing.at.iso8601().prefix(19))) == true)
    #expect(try told(.jobFailed).first?.status == "firing")
    let annotations = try #require(try told(.jobFailed).first?.alert["annotations"] as? [String: String])
    #expect(annotations["summary"]?.contains("<!everyone>") == true)

    try await deliver(resolved)
    try await eventually("the end is told") { try told(.heartbeatLost).count == 2 }
    let end = try #require(try told(.heartbeatLost).last)
    #expect(end.status == "resolved")
    #expect(end.alert["fingerprint"] as? String == begin.alert["fingerprint"] as? String)
    #expect(end.alert["startsAt"] as? String == begin.alert["startsAt"] as? String)
    #expect(try told(.jobFailed).count == 1)

    // Everything that a text could be is taken.
    var alerts = HostileAlerts(seed: 7)
    for _ in 0..<60 { try await deliver(alerts.next()) }
    server.hangUp()
    try await eventually("Alertmanager has ended") { !server.isRunning }
  }
}
