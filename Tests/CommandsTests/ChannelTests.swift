import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@testable import Commands

@Suite("The channels' clients")
struct ChannelClientTests {
  @Test("a mail server that hangs delays no other mail channel")
  func hung() async throws {
    let clients = Channels.Clients()
    try await LoopbackServer.run("smtp_misbehaving", ["--mode", "silent-greeting"]) { silent async throws in
      try await LoopbackServer.run("smtp_misbehaving") { good async throws in
        func notifier(_ name: String, _ server: LoopbackServer) throws -> any Notifier {
          try makeNotifier(
            name: name,
            settings: .email(
              EmailSettings(
                host: "127.0.0.1", port: server.port, security: .plain, from: "a@x.test", to: ["b@y.test"],
                timeout: .seconds(60))), http: clients.http, smtp: clients.smtp(for: name))
        }
        let alert = Alert(
          id: "a", rule: .test, severity: .info, at: Timestamp(seconds: 0), job: nil, title: "t", facts: [],
          nextCommand: nil, channels: [])
        let message = AlertMessage(id: "m", alert: alert, now: Timestamp(seconds: 0))
        let stuck = try notifier("stuck", silent)
        let hanging = Task { await stuck.deliver(message) }
        try await eventually("the silent server has a connection") { try !silent.records().isEmpty }
        guard case .delivered = try await notifier("good", good).deliver(message) else {
          Issue.record("not delivered")
          return
        }
        // It would have been answered only now, a minute later or when all is over.
        await clients.shutdown()
        guard case .delivered = await hanging.value else { return }
        Issue.record("the silent server took a message")
      }
    }
  }

  @Test("a channel keeps its client when the configuration is read anew")
  func kept() {
    let clients = Channels.Clients()
    #expect(clients.smtp(for: "a") === clients.smtp(for: "a"))
    #expect(clients.smtp(for: "a") !== clients.smtp(for: "b"))
  }
}
