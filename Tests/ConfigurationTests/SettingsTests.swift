import Foundation
import JobModel
import Testing

@testable import Configuration

@Suite struct SettingsTests {
  @Test func defaultsAreThoseOfTheModel() throws {
    let settings = try Settings.standard()
    var expected = SupervisionPolicy()
    expected.alerts.rules = Dictionary(
      uniqueKeysWithValues: ConfigurationSchema.settableRules.map { ($0, AlertPolicy.defaultSetting($0)) })
    #expect(settings.supervision == expected)
    #expect(settings.store.path == "cloud_jobs.db")
    #expect(settings.local.directory == "cloud_jobs.local")
    #expect(settings.local.pricePerHour == HourlyPrice(microdollars: 360_000))
    #expect(settings.watch.leaseTTL == .seconds(30))
    #expect(settings.alerts.budgetPercents == Budget.defaultPercents)
    #expect(settings.notifiers.isEmpty && settings.warnings.isEmpty && settings.file == nil)
    #expect(settings.values.allSatisfy { $0.source == .standard })
  }

  /// A default that the schema itself would refuse is a trap.
  @Test func defaultsPassTheirOwnCheck() {
    let variants = ConfigurationSchema.notifiers.flatMap { variant in
      variant.fields.fields.map { (path: "\(variant.type).\($0.key)", field: $0) }
    }
    for (path, field) in ConfigurationSchema.root.leaves + variants {
      guard let standard = field.standard else { continue }
      var check = SchemaCheck()
      check.check(standard, field.schema, path)
      #expect(check.mistakes.isEmpty, "\(path): \(check.mistakes.mistakes)")
    }
  }

  @Test func readsEverything() throws {
    let settings = try parse(
      """
      {
        "hardware": {"min_vcpu": 4, "min_memory_gb": 7.5},
        "aws": {"region": "eu-west-1", "instance_types": ["c5.large", "c6i.large"], "s3_bucket": "b"},
        "local": {"price_per_hour": 0.1, "grace": 3, "heartbeat": "1.5s"},
        "watch": {"poll_interval": "1h30m", "eager_poll_interval": 0.5, "lease_ttl": "10s"},
        "sync": {"exclude": ["*.chk"], "gdrive_path": "results/x"},
        "alerts": {
          "rules": {"job_failed": {"severity": "warning", "channels": ["mail"]}, "job_completed": {"enabled": true}},
          "cost_thresholds": [5, "0.000001", 2.25, 5], "budget_percents": [90, 10],
          "retry": {"max_tries": 3, "max_age": "2h"}
        },
        "notifiers": {
          "team": {
            "type": "webhook", "url": {"env": "HOOK"}, "secrets": [{"file": "a"}, {"command": ["b", "c"]}],
            "headers": {"X-Team": "chem", "Authorization": {"env": "TOKEN"}}, "timeout": "3s", "allow_private": true
          },
          "mail": {
            "type": "email", "host": "mail.example.org", "security": "tls", "username": "u", "password": {"env": "P"},
            "from": "a@example.org", "to": ["b@example.org", "c@example.org"], "ca_file": "/ca.pem"
          }
        }
      }
      """)
    #expect(settings.hardware.double("min_memory_gb") == 7.5)
    #expect(settings.aws.strings("instance_types") == ["c5.large", "c6i.large"])
    #expect(settings.local.pricePerHour.microdollars == 100_000)
    #expect(settings.local.grace == .seconds(3) && settings.local.heartbeat == .milliseconds(1500))
    #expect(settings.watch.pollInterval == .seconds(5400) && settings.watch.eagerPollInterval == .milliseconds(500))
    #expect(settings.sync.exclude == ["*.chk"] && settings.sync.gdrivePath == "results/x")
    #expect(settings.alerts.costThresholds.map(\.units) == [3600, 8_100_000_000, 18_000_000_000])
    #expect(settings.alerts.budgetPercents == [10, 90, 100])
    #expect(settings.alerts.retry == Settings.Alerts.Retry(maxTries: 3, maxAge: .seconds(7200)))
    let policy = settings.alertPolicy
    #expect(policy.channels == ["team", "mail"])
    #expect(policy.setting(.jobFailed) == AlertPolicy.Setting(enabled: true, severity: .warning, channels: ["mail"]))
    #expect(policy.setting(.jobCompleted).enabled)
    let webhook = ChannelSettings.Service(
      url: .secret(.environment("HOOK")),
      headers: ["X-Team": .plain("chem"), "Authorization": .secret(.environment("TOKEN"))], timeout: .seconds(3),
      allowPrivate: true, caFile: nil)
    let email = ChannelSettings.Email(
      host: "mail.example.org", port: 465, security: .tls, username: "u", password: .environment("P"),
      from: "a@example.org", to: ["b@example.org", "c@example.org"], timeout: .seconds(30), caFile: "/ca.pem")
    #expect(
      settings.notifiers.map(\.kind) == [
        .webhook(webhook, secrets: [.file("a"), .command(["b", "c"])], cloudEvents: false, body: nil), .email(email),
      ])
    let secrets = settings.notifiers.flatMap(\.secrets).map(\.path)
    #expect(
      Set(secrets) == [
        "notifiers.team.headers.Authorization", "notifiers.team.secrets[0]", "notifiers.team.secrets[1]",
        "notifiers.team.url", "notifiers.mail.password",
      ])
  }

  @Test func readsSpendAndOverrides() throws {
    let settings = try parse(
      """
      {"alerts": {
        "spend_per_day": [50, 5], "spend_rate": 2.5, "stuck_after": "1h",
        "overrides": [{
          "match": {"tag.project": "ice*"}, "rules": {"job_failed": {"severity": "info"}, "job_completed": {"enabled": true}},
          "cost_thresholds": [9, 1], "price_factor": 3, "idle_after": "10m", "idle_percent": 9, "stuck_after": 60
        }, {"match": {"job": "a1b2c3d4"}}]
      }}
      """)
    let policy = settings.alertPolicy
    #expect(policy.spend == [.day: [5, 50].map { Money(microdollars: $0 * 1_000_000) }])
    #expect(policy.spendRate == HourlyPrice(microdollars: 2_500_000) && policy.stuckAfter == .seconds(3600))
    var expected = AlertPolicy.Override(
      match: ["tag.project": "ice*"],
      rules: [.jobFailed: .init(severity: .info), .jobCompleted: .init(enabled: true)])
    expected.costThresholds = [1, 9].map { Money(microdollars: $0 * 1_000_000) }
    expected.priceFactor = 3
    (expected.idleAfter, expected.idlePercent, expected.stuckAfter) = (.seconds(600), 9, .seconds(60))
    #expect(policy.overrides == [expected, AlertPolicy.Override(match: ["job": "a1b2c3d4"])])
  }

  @Test func readsEveryChannel() throws {
    let settings = try parse(
      #"""
      {"notifiers": {
        "slack": { "type": "slack", "url": { "env": "A" } },
        "discord": { "type": "discord", "url": { "env": "B" } },
        "teams": { "type": "teams", "url": { "env": "C" } },
        "mattermost": { "type": "mattermost", "url": { "env": "D" }, "channel": "ops" },
        "pagerduty": { "type": "pagerduty", "routing_key": { "env": "E" } },
        "telegram": { "type": "telegram", "token": { "env": "F" }, "chat": "-1001234567890", "thread": 7 },
        "ntfy": { "type": "ntfy", "topic": { "env": "G" }, "token": { "env": "H" } },
        "gotify": { "type": "gotify", "url": "https://g.test", "token": { "env": "I" }, "headers": { "X": { "env": "J" } } },
        "am": { "type": "alertmanager", "url": "http://am.test:9093", "hold": "2d", "allow_private": true },
        "apprise": { "type": "apprise", "url": "http://a.test:8000/notify/key", "tag": "ops" },
        "own": { "type": "command", "command": ["notify-send", "x y"], "timeout": "5s" }
      }}
      """#)
    func service(_ url: PlainOrSecret) -> ChannelSettings.Service {
      ChannelSettings.Service(url: url, timeout: .seconds(15))
    }
    var gotify = service(.plain("https://g.test"))
    gotify.headers = ["X": .secret(.environment("J"))]
    var alertmanager = service(.plain("http://am.test:9093"))
    alertmanager.allowPrivate = true
    #expect(
      settings.notifiers.map(\.kind) == [
        .slack(service(.secret(.environment("A")))), .discord(service(.secret(.environment("B")))),
        .teams(service(.secret(.environment("C")))),
        .mattermost(service(.secret(.environment("D"))), channel: "ops"),
        .pagerduty(service(.plain("https://events.pagerduty.com/v2/enqueue")), routingKey: .environment("E")),
        .telegram(
          service(.plain("https://api.telegram.org")), token: .environment("F"), chat: "-1001234567890", thread: 7),
        .ntfy(service(.plain("https://ntfy.sh")), topic: .secret(.environment("G")), token: .environment("H")),
        .gotify(gotify, token: .environment("I")),
        .alertmanager(alertmanager, hold: .seconds(2 * 86_400), eventHold: .seconds(3600)),
        .apprise(service(.plain("http://a.test:8000/notify/key")), tag: "ops"),
        .command(["notify-send", "x y"], timeout: .seconds(5)),
      ])
    #expect(
      settings.notifiers.map(\.type)
        == ConfigurationSchema.notifiers.map(\.type).filter { $0 != "webhook" && $0 != "email" })
    let secrets = settings.notifiers.flatMap(\.secrets)
    #expect(Set(secrets.map { "\($0.reference)" }) == Set("ABCDEFGHIJ".map { "environment variable \($0)" }))
    #expect(secrets.map(\.path).contains("notifiers.gotify.headers.X"))
    // What opens a door is not shown.
    let shown = settings.values.map { "\($0.path)=\($0.text)" }.joined(separator: "\n")
    #expect(!shown.contains("notify/key"))
  }

  @Test func eagerPollingIsNeverSlowerThanPolling() throws {
    #expect(try parse(#"{"watch":{"poll_interval":"1s"}}"#).supervision.eagerPollInterval == .seconds(1))
  }

  // MARK: Precedence

  @Test func flagBeatsEnvironmentBeatsFileBeatsDefault() throws {
    func value(_ environment: [String: String], _ flags: [Settings.Flag] = []) throws -> [String] {
      let settings = try parse(#"{"store":{"path":"file.db"}}"#, environment: environment, flags: flags)
      let value = settings.values.first { $0.path == "store.path" }
      return [settings.store.path, value?.source.description ?? ""]
    }
    let flag = Settings.Flag(path: "store.path", text: "flag.db", name: "--db")
    #expect(try value([:]) == ["file.db", "config.json:1"])
    #expect(try value(["CLOUDJOBS_STORE_PATH": "env.db"]) == ["env.db", "CLOUDJOBS_STORE_PATH"])
    #expect(try value(["CLOUDJOBS_DB": "short.db"]) == ["short.db", "CLOUDJOBS_DB"])
    #expect(try value(["CLOUDJOBS_STORE_PATH": ""]) == ["file.db", "config.json:1"])
    #expect(try value(["CLOUDJOBS_STORE_PATH": "env.db"], [flag]) == ["flag.db", "--db"])
    let both = try parse("{}", environment: ["CLOUDJOBS_STORE_PATH": "env.db", "CLOUDJOBS_DB": "short.db"])
    #expect(both.store.path == "short.db" && both.warnings.count == 1)
  }

  /// Each value with a fixed path can be set by its variable, whatever its kind.
  @Test func everyLeafHasAVariableOfItsOwn() throws {
    let leaves = ConfigurationSchema.root.leaves
    let names = Set(leaves.map { Schema.variable(for: $0.path) }).union(Settings.variables)
    #expect(names.count == leaves.count + Settings.variables.count)
    for (path, field) in leaves {
      let variable = Schema.variable(for: path)
      let text: String
      switch field.schema {
      case .boolean: text = field.standard == .bool(true) ? "no" : "yes"
      case .integer: text = "7"
      case .number: text = "7.5"
      case .duration: text = path.hasSuffix("cap") ? "999s" : path.hasSuffix("give_up") ? "9h" : "11s"
      case .money, .price: text = "1.25"
      case .list(.integer, _): text = "7, 70"
      case .list(.money, _): text = "[1.5, 2]"
      case .list(.object, _): text = #"[{"match":{"job":"a*"}}]"#
      case .list:
        text =
          path.hasSuffix("channels")
          ? "[]"
          : path.hasSuffix("hours")
            ? "22:00-07:00" : path.hasSuffix("group_by") ? "job, rule" : "one, two"
      case .text(let rule):
        text = rule.choices?.first { $0 != field.standard?.string } ?? (path.hasSuffix("url") ? "https://h/x" : "word")
      default:
        Issue.record("\(path) has a kind that this test does not know")
        continue
      }
      let value = try parse("{}", environment: [variable: text]).values.first { $0.path == path }
      #expect(value?.source == .environment(variable), "\(path)")
      #expect(value?.text != field.standard?.text(), "\(path)")
    }
  }

  @Test func namesMistakesOfTheEnvironmentByTheirVariable() {
    #expect(
      complaints("{}", environment: ["CLOUDJOBS_WATCH_POLL_INTERVAL": "often"]) == [
        #"CLOUDJOBS_WATCH_POLL_INTERVAL: "often" is not a duration; write it as "90s", "15m", "1h30m" or as a number of seconds"#
      ])
    let flag = Settings.Flag(path: "store.path", text: "", name: "--db")
    #expect(complaints("{}", flags: [flag]) == ["--db: must not be empty"])
    let channels = complaints("{}", environment: ["CLOUDJOBS_ALERTS_RULES_JOB_FAILED_CHANNELS": "team"])
    #expect(
      channels.first?.hasPrefix(#"CLOUDJOBS_ALERTS_RULES_JOB_FAILED_CHANNELS[0]: "team" is not the name of a notifier"#)
        == true)
  }

  @Test func warnsOfVariablesThatLookLikeOurs() throws {
    let settings = try parse(
      "{}",
      environment: [
        "CLOUDJOBS_WATCH_POL_INTERVAL": "5s", "CLOUDJOBS_SETUP_OFFLINE": "1", "CLOUDJOBS_CONFIG": "x", "HOME": "/",
        "CLOUDJOBS": "y",
      ])
    #expect(
      settings.warnings.map(\.description) == [
        "CLOUDJOBS_WATCH_POL_INTERVAL: is not a known variable and was ignored; did you mean CLOUDJOBS_WATCH_POLL_INTERVAL?"
      ])
  }

  // MARK: Files

  @Test func readsTheNamedFileAndNeedsIt() throws {
    let workspace = try Workspace()
    let directory = workspace.path
    #expect(try Settings.load(environment: [:], directory: directory).file == nil)
    let missing = "\(directory)/missing.json"
    func refusal(_ path: String?, _ environment: [String: String]) -> String {
      do {
        _ = try Settings.load(path: path, environment: environment, directory: directory)
        return ""
      } catch { return error.description }
    }
    #expect(refusal(missing, [:]) == "\(missing): does not exist; without one, the defaults hold")
    #expect(
      refusal(nil, ["CLOUDJOBS_CONFIG": missing]).hasPrefix("\(missing): does not exist (named by CLOUDJOBS_CONFIG)"))
    _ = try workspace.file("config.json", #"{"store":{"path":"x.db"}}"#)
    let other = try workspace.file("other.json", #"{"store":{"path":"y.db"}}"#)
    func path(_ path: String?, _ environment: [String: String]) throws -> String {
      try Settings.load(path: path, environment: environment, directory: directory).store.path
    }
    #expect(try path(nil, [:]) == "x.db")
    #expect(try path(nil, ["CLOUDJOBS_CONFIG": other]) == "y.db")
    #expect(try path(other, ["CLOUDJOBS_CONFIG": "/nope"]) == "y.db")
  }

  @Test(.timeLimit(.minutes(1))) func refusesWhatIsNoFile() throws {
    let workspace = try Workspace()
    let pipe = "\(workspace.path)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [workspace.path, pipe, "/dev/zero"] {
      do {
        _ = try Settings.load(path: path, environment: [:])
        Issue.record("\(path) was read")
      } catch { #expect(error.description == "\(path): is not a regular file") }
    }
  }

  // MARK: What is shown

  @Test func masksWhatMayBeSecret() throws {
    let settings = try parse(
      """
      {"notifiers": {"w": {"type": "webhook", "url": "https://hooks.example.org/T0/hunter2", "headers": {"X-A": "hunter2"},
       "secrets": [{"command": ["pass", "hunter2"]}, {"env": "KEY"}]}}}
      """)
    let shown = settings.values.filter { $0.path.hasPrefix("notifiers.") }.map { "\($0.path)=\($0.text)" }
    #expect(shown.contains(#"notifiers.w.url="https://hooks.example.org/•••""#))
    #expect(shown.contains(#"notifiers.w.secrets=[{"command":["pass","•••"]},{"env":"KEY"}]"#))
    #expect(!shown.joined().contains("hunter2"))
    guard case .webhook(let webhook, let secrets, _, _) = settings.notifiers[0].kind else {
      Issue.record("not a webhook")
      return
    }
    #expect(!"\(webhook.url) \(secrets) \(webhook.headers)".contains("hunter2"))
  }
}
