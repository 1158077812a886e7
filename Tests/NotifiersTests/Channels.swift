import Foundation
import JobModel
import Notifiers
import Transport

/// One channel of each service, for tests.
enum Service: String, CaseIterable, Sendable {
  case slack, discord, teams, mattermost, pagerduty, telegram, ntfy, gotify, alertmanager, apprise

  static let routingKey = "0123456789abcdefghijklmnopqrstuv"
  static let telegramToken = "123456789:AAtelegramTOKEN-0123456789_abcdefg"
  static let gotifyToken = "AgotifyTOKEN123"
  static let topic = "secretTOPIC"
  static let ntfyToken = "tk_ntfyTOKEN0123456789"

  /// Everything that must not appear in a text.
  static let secrets = [routingKey, telegramToken, "AAtelegramTOKEN-0123456789_abcdefg", gotifyToken, topic, ntfyToken]

  /// The address under which the service is in the world.
  var address: String {
    switch self {
    case .slack: "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
    case .discord: "https://discord.com/api/webhooks/1234567890/abcdefghijklmnop"
    case .teams:
      "https://prod-1.westeurope.logic.azure.com/workflows/abc/triggers/manual/paths/invoke?api-version=1&sig=xyz"
    case .mattermost: "https://chat.example.org/hooks/abcdefghijklmnopqrstuvwxyz"
    case .pagerduty: PagerDutyChannel.standardURL
    case .telegram: TelegramChannel.standardURL
    case .ntfy: NtfyChannel.standardURL
    case .gotify: "https://gotify.example.org/"
    case .alertmanager: "http://alertmanager.example.org:9093"
    case .apprise: "https://apprise.example.org/notify/abcdef"
    }
  }

  func channel(_ url: String? = nil) -> any HTTPChannel {
    channel(HTTPConnection(Secret(url ?? address), timeout: .seconds(60), allowPrivate: true))
  }

  func channel(_ connection: HTTPConnection) -> any HTTPChannel {
    switch self {
    case .slack: SlackChannel(connection)
    case .discord: DiscordChannel(connection)
    case .teams: TeamsChannel(connection)
    case .mattermost: MattermostChannel(connection)
    case .pagerduty: PagerDutyChannel(routingKey: Secret(Self.routingKey), connection: connection)
    case .telegram: TelegramChannel(token: Secret(Self.telegramToken), chat: "-1001234567890", connection: connection)
    case .ntfy: NtfyChannel(topic: Secret(Self.topic), token: Secret(Self.ntfyToken), connection: connection)
    case .gotify: GotifyChannel(connection, token: Secret(Self.gotifyToken))
    case .alertmanager: AlertmanagerChannel(connection)
    case .apprise: AppriseChannel(connection)
    }
  }

  /// An answer of this service that means success: status and body.
  var success: (status: Int, body: String) {
    switch self {
    case .slack, .mattermost: (200, "ok")
    case .discord: (200, #"{"id":"1","content":""}"#)
    case .teams: (202, "")
    case .pagerduty: (202, #"{"status":"success","message":"Event processed","dedup_key":"k"}"#)
    case .telegram: (200, #"{"ok":true,"result":{"message_id":1}}"#)
    case .ntfy: (200, #"{"id":"hwQ2YpKdmg","time":1,"event":"message","topic":"x"}"#)
    case .gotify: (200, #"{"id":25,"appid":5,"message":"m"}"#)
    case .alertmanager: (200, "")
    case .apprise: (200, #"{"error":"","details":[]}"#)
    }
  }
}

/// What an answer is, in a word.
func word(_ answer: DeliveryAnswer) -> (word: String, text: String) {
  switch answer {
  case .delivered(let text): ("delivered", text)
  case .retry(let text, let after): ("retry" + (after.map { " \($0.inSeconds.formatted())" } ?? ""), text)
  case .permanent(let text): ("permanent", text)
  case .unusable(let text): ("unusable", text)
  }
}

extension Samples {
  static let firing = Alert(
    id: "k3v9x2ab-1-heartbeat_lost-7", rule: .heartbeatLost, severity: .warning, at: at, job: JobID("k3v9x2ab"),
    title: "Job water (k3v9x2ab): no heartbeat for 5m",
    facts: [
      .init("Job", "k3v9x2ab (water)"), .init("What", "no heartbeat for 5m, last one at 2026-11-23T00:40:06Z"),
      .init("State", "running"), .init("Cost", "$0.1234 of $1.00 budget at $0.3600/h"),
    ], nextCommand: "cloudjobs status k3v9x2ab", channels: ["hook"], status: .firing,
    condition: "k3v9x2ab-1-heartbeat_lost",
    labels: [
      "rule": "heartbeat_lost", "severity": "warning", "job": "k3v9x2ab", "name": "water", "provider": "local",
      "tag.project": "ice", "tag.cost-center": "7",
    ])

  static let resolved: Alert = {
    var end = Alert(
      id: "k3v9x2ab-1-heartbeat_lost-resolved", rule: .heartbeatLost, severity: .info, at: at + .seconds(90),
      job: JobID("k3v9x2ab"), title: "Job water (k3v9x2ab): the heartbeat is back",
      facts: [.init("Job", "k3v9x2ab (water)"), .init("State", "running")], nextCommand: nil, channels: [],
      status: .resolved, condition: "k3v9x2ab-1-heartbeat_lost", labels: firing.labels)
    end = end.ending(firing)
    return end
  }()

  /// Whatever a job's name could try to be.
  static let hostile = Alert(
    id: "k3v9x2ab-1-job_failed", rule: .jobFailed, severity: .critical, at: at, job: JobID("k3v9x2ab"),
    title: #"Job <!everyone> @everyone [here](https://evil.test) *b* `c` "}],"x":[{" \ (k3v9x2ab) failed"#,
    facts: [
      .init("Job", "k3v9x2ab (<https://evil.test|bank> @here <@U012> & ``` ||x|| ~y~ _z_)"),
      .init("What", "line one\r\n# two\u{202E}\u{0}\u{1B}[31m\n> three :fire: $x$ www.evil.test"),
      .init("Error", "Jöb \u{1F9EA}\u{1F468}\u{200D}\u{1F469} <b>bold</b> &amp; {{DATE(2017-02-14T06:08:39Z)}}"),
    ], nextCommand: "cloudjobs logs k3v9x2ab", channels: ["hook"])

  static func message(_ alert: Alert) -> AlertMessage {
    AlertMessage(id: "msg_\(alert.id)-x", alert: alert, now: at + .seconds(1))
  }
}
