import JobModel
import Testing

@testable import Configuration

@Suite struct CheckTests {
  private static let fields = AlertField.allCases.map(\.rawValue).joined(separator: ", ")

  /// Each mistake on its own: where, the path, what is allowed.
  @Test(arguments: [
    (
      #"{"alerts":{"rules":{"job_failed":{"severity":"loud"}}}}"#,
      #"1:46: alerts.rules.job_failed.severity: "loud" is not allowed; one of info, warning, critical"#
    ),
    (#"{"watch":{"pollInterval":"5s"}}"#, "1:11: watch.pollInterval: is not a known key; did you mean poll_interval?"),
    (#"{"wacth":{}}"#, "1:2: wacth: is not a known key; did you mean watch?"),
    (#"{"store":{"zzz":1}}"#, "1:11: store.zzz: is not a known key; allowed are allow_network_file_system, path"),
    (#"{"store":{"path":1}}"#, "1:18: store.path: must be a text, not a number"),
    (#"{"store":{"path":""}}"#, "1:18: store.path: must not be empty"),
    (#"{"store":{"path":null}}"#, "1:18: store.path: must be a text, not null"),
    (#"{"store":[]}"#, "1:10: store: must be an object, not a list"), ("[]", "1:1: must be an object, not a list"),
    (#"{"docker":{"enabled":"yes"}}"#, #"1:22: docker.enabled: "yes" is not allowed; true or false"#),
    (
      #"{"watch":{"poll_interval":"5 parsecs"}}"#,
      #"1:27: watch.poll_interval: "5 parsecs" is not a duration; write it as "90s", "15m", "1h30m" or as a number of seconds"#
    ),
    (#"{"watch":{"poll_interval":0}}"#, "1:27: watch.poll_interval: 0 is not allowed; from 0.05s to 1d"),
    (
      #"{"local":{"price_per_hour":"cheap"}}"#,
      #"1:28: local.price_per_hour: "cheap" is not a price; write dollars an hour as 0.36 or "0.36""#
    ),
    (
      #"{"alerts":{"cost_thresholds":[5,-1]}}"#,
      #"1:33: alerts.cost_thresholds[1]: -1 is not an amount; write dollars as 12.5 or "12.50", with at most six decimals"#
    ),
    (
      #"{"alerts":{"budget_percents":[50,101]}}"#,
      "1:34: alerts.budget_percents[1]: 101 is not allowed; a whole number from 1 to 100"
    ),
    (#"{"hardware":{"min_vcpu":1.5}}"#, "1:25: hardware.min_vcpu: 1.5 is not allowed; a whole number from 1 to 4096"),
    (#"{"hardware":{"min_vcpu":8,"max_vcpu":4}}"#, "1:38: hardware.max_vcpu: 4 is less than hardware.min_vcpu (8)"),
    (#"{"aws":{"profile":"a","profile":"b"}}"#, "1:23: aws.profile: is written twice; keep one of them"),
    (#"{"aws":{"instence_type":"a"}}"#, "1:9: aws.instence_type: is not a known key; did you mean instance_type?"),
    (
      #"{"alerts":{"rules":{"job_failed":{"channels":["team"]}}}}"#,
      #"1:47: alerts.rules.job_failed.channels[0]: "team" is not the name of a notifier; none is configured; add it under notifiers"#
    ),
    (
      #"{"alerts":{"overrides":[{"match":{"job":"a*"},"rules":{"job_failed":{"channels":["team"]}}}]}}"#,
      #"1:82: alerts.overrides[0].rules.job_failed.channels[0]: "team" is not the name of a notifier; none is configured; add it under notifiers"#
    ),
    (
      #"{"alerts":{"overrides":[{"match":{}}]}}"#,
      "1:34: alerts.overrides[0].match: names nothing; what holds for every job stands in alerts itself"
    ),
    (
      #"{"alerts":{"overrides":[{"match":{"tag":"x"}}]}}"#,
      "1:41: alerts.overrides[0].match.tag: is no label of a job; one of job, name, provider, tag.NAME"
    ),
    (
      #"{"watch":{"heartbeat_timeout":"2h"}}"#,
      #"1:31: watch.heartbeat_timeout: "2h" is more than watch.heartbeat_give_up ("30m", the default)"#
    ),
    (
      #"{"alerts":{"templates":{"all":{"title":"{{job.costs}}"}}}}"#,
      #"1:40: alerts.templates.all.title: "{{job.costs}}" has the field "job.costs", which there is not; did you mean job.cost? Fields are \#(fields), tag.NAME"#
    ),
    (
      #"{"alerts":{"templates":{"all":{"text":"a\nb {{env.HOME}}"}}}}"#,
      #"1:39: alerts.templates.all.text: "a\#u{FFFD}b {{env.HOME}}" has the field "env.HOME", which there is not; one of \#(fields), tag.NAME"#
    ),
    (
      #"{"alerts":{"templates":{"all":{"text":"x {{job.id"}}}}"#,
      #"1:39: alerts.templates.all.text: "x {{job.id" has a {{ without a }}; fields are written as {{job.cost}}, or with a default as {{job.budget|none}}"#
    ),
    (
      #"{"alerts":{"templates":{"all":{"title":"{{ }}"}}}}"#,
      #"1:40: alerts.templates.all.title: "{{ }}" has {{}} without a field in it"#
    ),
    (
      #"{"alerts":{"templates":{"job_faild":{"title":"x"}}}}"#,
      "1:25: alerts.templates.job_faild: is neither a rule nor all; did you mean job_failed?"
    ),
    (
      #"{"alerts":{"templates":{"all":{"body":"x"}}}}"#,
      "1:32: alerts.templates.all.body: is not a known key; allowed are text, title"
    ),
    ("{\n  \"store\": {,}\n}", "2:13: expected a key in double quotes, not ,"),
  ])
  func namesTheMistake(_ text: String, _ expected: String) {
    #expect(complaints(text) == ["config.json:" + expected])
  }

  static let mail = #""type":"email","host":"h","from":"a@b""#

  @Test(arguments: [
    (#""a":1"#, "notifiers.n.type: is missing; one of webhook, email, slack, discord, teams, mattermost, pagerduty"),
    (#""type":"pigeon""#, #"notifiers.n.type: "pigeon" is not allowed; one of webhook, email, slack"#),
    (#""type":"slack""#, "notifiers.n.url: is missing: The address that Slack gave you."),
    (#""type":"pagerduty","routing_key":"hunter2""#, "notifiers.n.routing_key: is a secret, which must not stand here"),
    (#""type":"telegram","token":{"env":"A"},"chat":"me""#, #"notifiers.n.chat: "me" is not a chat"#),
    (#""type":"ntfy","topic":"hunter2 x""#, "notifiers.n.topic: is not a topic"),
    (#""type":"gotify","url":"https://h","token":"hunter2""#, "notifiers.n.token: is a secret"),
    (#""type":"command","command":[]"#, "notifiers.n.command: needs at least 1"),
    (#""type":"slack","url":"https://h","token":{"env":"A"}"#, "token"),
    (#""type":"webhook""#, "notifiers.n.url: is missing: Where to."),
    (
      #""type":"webhook","url":"https://h","body":{"a":[1,{"b":"{{job.cots}}"}]}"#,
      #"notifiers.n.body.a[1].b: has the field "job.cots", which there is not; did you mean job.cost?"#
    ),
    (#""type":"slack","url":"https://h","body":{}"#, "notifiers.n.body: is not a known key"),
    (#""type":"slack","url":"https://h","template":{"title":"{{x}}"}"#, #"has the field "x", which there is not"#),
    (#""type":"webhook","url":"https://h","cloudevents":"yes""#, #"notifiers.n.cloudevents: "yes" is not allowed"#),
    (#""type":"webhook","url":"ftp://x""#, "notifiers.n.url: is not an http or https address"),
    (#""type":"webhook","url":"https://u:hunter2@h/x""#, "notifiers.n.url: has a user name or password in it"),
    (
      #""type":"webhook","url":"https://h","headers":{"Authorization":"Bearer hunter2"}"#,
      "notifiers.n.headers.Authorization: is a secret"
    ),
    (
      #""type":"webhook","url":"https://h","headers":{"X Y":"z"}"#,
      #"notifiers.n.headers."X Y": is not the name of a header"#
    ),
    (#""type":"webhook","url":"https://h","headers":{"X":"a\nb"}"#, "must not contain control characters"),
    (
      #""type":"webhook","url":"https://h","secrets":["whsec_hunter2"]"#,
      "notifiers.n.secrets[0]: is a secret, which must not stand here"
    ),
    (#""type":"email","from":"a@b","to":"c@d","host":"h:25/x""#, #"notifiers.n.host: "h:25/x" is not a host name"#),
    (mail + #","to":[]"#, "notifiers.n.to: needs at least 1"),
    (mail + #","to":"x>\r\nRCPT TO:<evil@x""#, "is not an e-mail address"),
    (mail + #","to":"c@d","username":"u""#, "notifiers.n.username: needs a password"),
    (
      mail + #","to":"c@d","username":"u","password":"hunter2""#,
      "notifiers.n.password: is a secret, which must not stand here"
    ),
    (
      mail + #","to":"c@d","username":"u","password":{"env":"hunter2!"}"#, "notifiers.n.password: env must be the name"
    ),
    (
      mail + #","to":"c@d","username":"u","password":{"env":"A","file":"B"}"#, "exactly one of env, file, command"
    ),
    (mail + #","to":"c@d","username":"u","password":{"command":"pass x"}"#, "command must be a list of texts"),
    (
      mail + #","to":"c@d","security":"plain","username":"u","password":{"env":"A"}"#,
      "notifiers.n.security: plain would send the password unencrypted"
    ),
  ])
  func checksNotifiers(_ notifier: String, _ expected: String) {
    let lines = complaints(#"{"notifiers":{"n":{\#(notifier)}}}"#)
    #expect(lines.count == 1, "\(lines)")
    #expect(lines.first?.contains(expected) == true, "\(lines)")
    #expect(!lines.joined().contains("hunter2"), "a secret was printed")
  }

  @Test(arguments: [
    (#""hold":"1h""#, "1h", #"notifiers.am.hold: "1h" is not longer than alerts.repeat_after (1h)"#),
    (#""hold":"2h""#, "1h", ""), (#""timeout":"5s""#, "8d", "is not longer than alerts.repeat_after (8d)"),
  ])
  func alertmanagerHoldsUntilTheNextReminder(_ key: String, _ again: String, _ expected: String) {
    let lines = complaints(
      #"{"alerts":{"repeat_after":"\#(again)"},"notifiers":{"am":{"type":"alertmanager","url":"http://h",\#(key)}}}"#)
    #expect(lines.count == (expected.isEmpty ? 0 : 1), "\(lines)")
    #expect(expected.isEmpty || lines.first?.contains(expected) == true, "\(lines)")
  }

  @Test func namesEveryMistakeInTheOrderOfTheFile() {
    let lines = complaints(
      """
      {
        "watch": { "poll_interval": "x", "nope": 1 },
        "store": 5,
        "notifiers": { "bad name": { "type": "webhook", "url": "https://h" } }
      }
      """)
    #expect(
      lines.map { String($0.prefix(14)) } == ["config.json:2:", "config.json:2:", "config.json:3:", "config.json:4:"])
  }

  @Test func suggestsTheNotifierThatWasMeant() {
    let lines = complaints(
      #"{"alerts":{"rules":{"job_failed":{"channels":["taem"]}}},"notifiers":{"team":{"type":"webhook","url":"https://h"}}}"#
    )
    #expect(lines.first?.hasSuffix(#""taem" is not the name of a notifier; did you mean team?"#) == true, "\(lines)")
  }

  @Test func keepsForeignKeysOfSharedSections() throws {
    let settings = try parse(#"{"aws":{"placement_tenancy":"default","_comment":"mine","s3_bucket":"b"}}"#)
    #expect(settings.aws.string("placement_tenancy") == "default")
    #expect(settings.aws.string("s3_bucket") == "b")
    #expect(settings.warnings.map(\.description) == ["1:9: aws.placement_tenancy: is not used by cloudjobs"])
  }

  @Test func refusesCloudCredentialsWithoutPrintingThem() {
    let lines = complaints(#"{"aws":{"aws_secret_access_key":"hunter2"}}"#)
    #expect(lines.count == 1 && lines.first?.contains("aws.aws_secret_access_key: is a secret") == true, "\(lines)")
    #expect(!lines.joined().contains("hunter2"))
  }

  @Test func boundsTheReport() {
    let keys = (0..<20_000).map { "\"key\($0)\":1" }.joined(separator: ",")
    let lines = complaints("{\(keys)}")
    #expect(lines.count == MistakeList.limit + 1)
    #expect(lines.last == "and 19900 more mistakes")
  }

  @Test func showsHostileTextHarmlessly() {
    let lines = complaints(#"{"\u001b[31mred":1,"store":{"path":"\u001b]0;x\u0007"}}"#)
    #expect(lines.count == 2)
    #expect(!lines.joined().unicodeScalars.contains { $0.value < 32 || $0.value == 127 })
  }
}
