import Foundation
import JobModel
import TestSupport
import Testing
import Transport

@testable import Notifiers

@Suite("Alerts in other words")
struct TemplateTests {
  private var alert: Alert {
    var alert = Samples.firing
    alert.details = AlertDetails(values: ["job.cost": "$1.5000", "alert.what": "bad\r\n\"}],{{job.id}}\u{202E}"])
    return alert
  }

  @Test("title and facts change; id, incident, state, severity, links and channels stay")
  func applies() throws {
    let template = try MessageTemplate(
      title: "{{job.name}}: {{alert.what}}",
      text:
        "Cost: {{job.cost}} of {{job.budget|no budget}}\n\n{{alert.severity}} since {{alert.at}}\r\nOn: {{job.provider}}"
    )
    let before = alert
    let after = template.applied(to: before)
    #expect(after.title == "water: bad \"}],{{job.id}}")
    #expect(
      after.facts == [
        .init("Cost", "$1.5000 of no budget warning since 2026-11-23T00:45:06Z"), .init("On", "local"),
      ])
    var other = before
    (other.title, other.facts) = (after.title, after.facts)
    #expect(other == after)
  }

  @Test("a label is the template's; no value can make one")
  func labels() throws {
    var alert = alert
    alert.labels["name"] = "Cost: $0"
    let after = try MessageTemplate(title: nil, text: "{{job.name}}\n{{job.name}} x: y\nA: {{job.name}}").applied(
      to: alert)
    #expect(after.facts == [.init("What", "Cost: $0 Cost: $0 x: y"), .init("A", "Cost: $0")])
    #expect(after.title == alert.title)
  }

  @Test("the channel's own goes before the rule's, and the rule's before that of all; digests have only their own")
  func order() throws {
    var templates = AlertTemplates()
    #expect(templates.isEmpty)
    templates.all = try MessageTemplate(title: "all", text: "A: all")
    templates.rules[.heartbeatLost] = try MessageTemplate(title: "rule", text: nil)
    #expect(!templates.isEmpty)
    #expect(templates.applied(to: alert).title == "rule")
    #expect(templates.applied(to: alert).facts == [.init("A", "all")])
    #expect(templates.applied(to: Samples.alert).title == "all")
    templates.channel = try MessageTemplate(title: "channel", text: nil)
    #expect(templates.applied(to: alert).title == "channel")
    let digest = AlertDigest.alert([alert], at: alert.at, channel: "hook")
    #expect(templates.applied(to: digest) == digest)
    templates.rules[.digest] = try MessageTemplate(title: "{{alert.title}}!", text: nil)
    #expect(templates.applied(to: digest).title == digest.title + "!")
    #expect(templates.applied(to: digest).facts == digest.facts)
  }

  @Test("hostile values are escaped where they go, as without a template", arguments: Service.allCases)
  func escapes(_ service: Service) throws {
    var generator = SeededGenerator(seed: 5)
    let template = try MessageTemplate(
      title: "<b> {{alert.what}} & {{job.name}}", text: "*x*: {{alert.what}}\n{{alert.facts}} <!here> {{tag.a}}")
    let pieces = ["\"", "\\", "<", ">", "@everyone", "\r\n", "\u{0}", "{{job.id}}", "`", "*", "🧪", "]}", "\u{202E}"]
    for _ in 0..<40 {
      var alert = alert
      let text = (0..<20).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
      alert.details.values["alert.what"] = text
      alert.labels["tag.a"] = text
      let body = try #require(service.channel().request(Samples.message(template.applied(to: alert))).body)
      // What stands in the words stands in a string.
      _ = try JSONSerialization.jsonObject(with: Data(body))
      #expect(!String(decoding: body, as: UTF8.self).contains("<!here>") || service != .slack)
      let mail = MailFormat.mail(
        Samples.message(template.applied(to: alert)), from: try #require(MailAddress("a@x.test")), to: [])
      #expect(!mail.html.contains("<b> ") && mail.html.contains("&lt;b&gt; "))
    }
  }

  @Test("a webhook's own body is JSON whatever the values are, and signed as it is")
  func body() throws {
    let body = WebhookBody.object([
      .init("text", .text(try AlertTemplate("{{alert.what}}|{{job.cost}}"))), .init("n", .number("1.50")),
      .init("list", .array([.null, .bool(true), .text(try AlertTemplate("{{job.id}}"))])),
    ])
    let signer = try #require(WebhookSigner(secrets: [WebhookTests.secret]))
    let settings = WebhookSettings(HTTPConnection(Secret("https://hooks.test/x")), body: body)
    let request = WebhookFormat.request(Samples.message(alert), settings: settings, signer: signer)
    let text = String(decoding: try #require(request.body), as: UTF8.self)
    #expect(
      text == #"{"text":"bad \"}],{{job.id}}|$1.5000","n":1.50,"list":[null,true,"k3v9x2ab"]}"#)
    let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value.reveal()) })
    #expect(headers["Content-Type"] == "application/json")
    #expect(
      headers["webhook-signature"]
        == signer.signature(
          id: headers["webhook-id"] ?? "", timestamp: Int64(headers["webhook-timestamp"] ?? "") ?? 0,
          body: Array(text.utf8)))

    let plain = WebhookSettings(
      HTTPConnection(Secret("https://hooks.test/x")), body: .text(try AlertTemplate("{{alert.what}}\n{{job.id}}")))
    let other = WebhookFormat.request(Samples.message(alert), settings: plain, signer: nil)
    #expect(other.body == Array("bad \"}],{{job.id}}\nk3v9x2ab".utf8))
    #expect(other.headers.contains(.init("Content-Type", "text/plain; charset=utf-8")))
  }

  @Test("a notifier with templates passes everything else on")
  func notifier() async throws {
    let inner = RecordingNotifier(
      "ops", limit: .init(burst: 1, perMinute: 2), takesDigests: false, takesAcknowledgements: true)
    await inner.answer(.retry("later", after: .seconds(7)))
    var templates = AlertTemplates()
    templates.all = try MessageTemplate(title: "x", text: nil)
    let notifier = TemplatedNotifier(inner, templates: templates)
    #expect(notifier.name == "ops" && notifier.kind == inner.kind && notifier.destination == inner.destination)
    #expect(notifier.limit == inner.limit && !notifier.takesDigests && notifier.takesAcknowledgements)
    #expect(await notifier.deliver(Samples.message) == .retry("later", after: .seconds(7)))
    let got = try #require(await inner.messages.first)
    #expect(got.id == Samples.message.id && got.alert.title == "x" && got.alert.id == Samples.alert.id)
  }
}

@Suite("PagerDuty's acknowledgements")
struct AcknowledgementTests {
  @Test("name the incident and nothing else, and no other channel takes them")
  func format() throws {
    let note = Samples.firing.acknowledged(by: "me", at: Samples.at, channels: ["hook"])
    let body = try #require(Service.pagerduty.channel().request(Samples.message(note)).body)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: String])
    #expect(
      json == [
        "routing_key": Service.routingKey, "event_action": "acknowledge", "dedup_key": Samples.firing.incident,
      ])
    #expect(Service.allCases.filter { $0.channel().takesAcknowledgements } == [.pagerduty])
  }
}

@Suite("The cost picture")
struct CostPictureTests {
  private func picture(_ spent: Int64, _ limit: Int64?, _ marks: [Int64]) -> CostPicture? {
    func cents(_ cents: Int64) -> Money { Money(microdollars: cents * 10_000) }
    return CostPicture(.init(spent: cents(spent), limit: limit.map(cents), marks: marks.map(cents)))
  }

  @Test(
    "shows what was spent of what",
    arguments: [
      (150, 200, [100, 160, 200], "$1.5000 of $2.00 (75 %)", "####################|#########..|......."),
      (0, 200, [100], "$0.0000 of $2.00 (0 %)", "....................|..................."),
      (199, 200, [], "$1.9900 of $2.00 (99 %)", "#######################################."),
      (200, 200, [200], "$2.0000 of $2.00 (100 %)", "########################################"),
      (400, 200, [200], "$4.0000 of $2.00 (200 %)", "####################|###################"),
      (50, nil, [25, 100], "$0.5000", "##########|#########...................."),
    ] as [(Int64, Int64?, [Int64], String, String)])
  func bars(_ spent: Int64, _ limit: Int64?, _ marks: [Int64], _ caption: String, _ bar: String) throws {
    let shown = try #require(self.picture(spent, limit, marks))
    #expect(shown.caption == caption)
    #expect(shown.line == "[\(bar)]")
    // The cells make up the whole width, and Outlook finds each in an attribute.
    let widths = shown.html.matches(of: /<td width="([0-9]+)" height="14" bgcolor="#[0-9a-f]{6}"/).compactMap {
      Int($0.1)
    }
    #expect(widths.reduce(0, +) == 360)
    #expect(widths.count == shown.html.components(separatedBy: "<td").count - 1)
  }

  @Test("is not there where the cost is measured by nothing")
  func nothing() {
    #expect(picture(5, nil, []) == nil)
    #expect(picture(5, 0, []) == nil)
    #expect(CostPicture(nil) == nil)
    #expect(picture(Int64.max / 20_000, 1, [Int64.max / 10_000])?.line.count == 42)
  }

  @Test("says which alerts were sent and which comes next")
  func remark() {
    #expect(picture(150, 200, [100, 160, 200])?.remark == "reached: $1.00; next alert at $1.60")
    #expect(picture(250, 200, [100, 200])?.remark == "reached: $1.00, $2.00")
    #expect(picture(10, 200, [])?.remark == nil)
  }
}

@Suite("Domain names")
struct DomainNameTests {
  /// Samples of RFC 3492, section 7.1 (A, B, C, D, I, L), which also has the upper case of the last.
  @Test(
    "are written as RFC 3492 has them",
    arguments: [
      ("ليهمابتكلموشعربي؟", "egbpdaj6bu4bxfgehfvwxn"), ("他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"),
      ("他們爲什麽不說中文", "ihqwctvzc91f659drss3x8bo0yb"), ("pročprostěnemluvíčesky", "proprostnemluvesky-uyb24dma41a"),
      ("почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l"),
      ("3年b組金八先生", "3b-ww4c5e180e575a65lsy2b"),
    ])
  func punycode(_ text: String, _ code: String) {
    #expect(DomainName.punycode(Array(text.unicodeScalars)) == code)
  }

  @Test(
    "with letters of the world become ASCII; what can't be a label is refused",
    arguments: [
      ("x.test", "x.test"), ("BÜCHER.test", "xn--bcher-kva.test"), ("straße.test", "xn--strae-oqa.test"),
      ("b\u{FC}cher", "xn--bcher-kva"), ("bu\u{308}cher.test", nil), ("é_.test", nil), ("-é.test", nil),
      ("é\u{202E}.test", nil), ("🧪.test", nil), ("aé--b.test", nil),
      ("é", "xn--9ca"),
    ] as [(String, String?)])
  func domains(_ text: String, _ ascii: String?) {
    #expect(DomainName.ascii(text) == ascii)
  }
}
