import JobModel
import Testing

@Suite("When alerts go out")
struct DeliveryRuleTests {
  /// 2027-01-15 is a Friday; `epoch` is 08:00 UTC.
  private func at(_ hour: Int, _ minute: Int = 0, day: Int = 0) -> Timestamp {
    epoch + .seconds(Int64((hour - 8) * 3600 + minute * 60 + day * 86_400))
  }

  private func end(_ text: String, _ moment: Timestamp, offset: Int = 0) -> Timestamp? {
    QuietHours(text)?.end(at: moment) { _, _ in offset }
  }

  @Test("Quiet hours end when they say, over midnight too")
  func quiet() {
    #expect(end("22:00-07:00", at(21, 59)) == nil)
    #expect(end("22:00-07:00", at(22)) == at(7, day: 1))
    #expect(end("22:00-07:00", at(3, day: 1)) == at(7, day: 1))
    #expect(end("22:00-07:00", at(7, day: 1)) == nil)
    #expect(end("12:00-13:30", at(12, 30)) == at(13, 30))
    #expect(end("00:00-24:00", at(9)) == at(0, day: 1))
  }

  @Test("Their weekday is the one on which they begin")
  func weekdays() {
    #expect(end("Fri 22:00-07:00", at(23)) == at(7, day: 1))
    #expect(end("Fri 22:00-07:00", at(3, day: 1)) == at(7, day: 1))
    #expect(end("Fri 22:00-07:00", at(3)) == nil)
    #expect(end("Sat,Sun 00:00-24:00", at(9)) == nil)
    #expect(end("Sat,Sun 00:00-24:00", at(9, day: 1)) == at(0, day: 2))
    #expect(end("Fri-Mon 10:00-11:00", at(10, day: 3)) == at(11, day: 3))
    #expect(end("Fri-Mon 10:00-11:00", at(10, day: 4)) == nil)
  }

  @Test("They are those of a zone, and a change of its clocks moves their end")
  func zones() {
    #expect(end("22:00-07:00", at(21), offset: 3600) == at(6, day: 1))
    let hours = QuietHours("22:00-07:00 Here")
    #expect(hours?.zone == "Here")
    // The clocks go forward by an hour in the night.
    let change = at(1, day: 1)
    #expect(hours?.end(at: at(23)) { _, moment in moment < change ? 0 : 3600 } == at(6, day: 1))
  }

  @Test(
    "What is no span of hours is refused",
    arguments: [
      "", "22:00", "22-07", "25:00-07:00", "24:00-07:00", "22:60-07:00", "Fry 22:00-07:00", "Mon- 22:00-07:00",
      "22:00-07:00 a b", "22:00-07:00 ../../etc", "22:00-07:00 /etc/x", "Mon", "22:00–07:00",
    ])
  func refused(_ text: String) { #expect(QuietHours(text) == nil) }

  private func alert(
    _ severity: Alert.Severity = .warning, status: Alert.Status = .event, labels: [String: String] = [:]
  ) -> Alert {
    Alert(
      id: "a", rule: .heartbeatLost, severity: severity, at: epoch, job: nil, title: "", facts: [], nextCommand: nil,
      channels: [], status: status, labels: labels)
  }

  @Test("The longest reason counts, and ends are never kept back")
  func holds() {
    var rules = DeliveryRules()
    rules.quietHours = [QuietHours(from: 0, to: 12 * 60)]
    func silence(_ hours: Int64, _ labels: [String: String]) -> Silence {
      Silence(
        id: "s\(hours)", labels: labels, createdAt: epoch, until: epoch + .seconds(hours * 3600), comment: "",
        createdBy: "")
    }
    let silences = [
      silence(1, ["name": "w*"]), silence(3, ["name": "water", "provider": "AWS"]), silence(9, ["name": "x"]),
    ]
    func hold(_ alert: Alert) -> DeliveryRules.Hold? { rules.hold(alert, silences: silences, at: epoch) { _, _ in 0 } }
    #expect(hold(alert(labels: ["name": "water", "provider": "AWS"]))?.why == "silence s3")
    #expect(hold(alert(labels: ["name": "wind", "provider": "AWS"]))?.why == "silence s1")
    #expect(hold(alert())?.why == "quiet hours")
    #expect(hold(alert(.critical)) == nil)
    #expect(hold(alert(status: .resolved, labels: ["name": "water"])) == nil)
    rules = DeliveryRules()
    rules.groupWait = .seconds(5)
    #expect(hold(alert())?.until == epoch + .seconds(5))
  }

  @Test(
    "A star in a pattern stands for any text",
    arguments: [
      ("water", "water", true), ("water", "w*", true), ("water", "*er", true), ("water", "w*t*r", true),
      ("water", "*", true),
      ("", "*", true), ("water", "wat", false), ("water", "*x*", false), ("a*b", "a*b", true),
      ("aaaaab", "*a*a*b", true),
      ("water", "", false),
    ])
  func patterns(text: String, pattern: String, matches: Bool) {
    let silence = Silence(
      id: "s", labels: ["name": pattern], createdAt: epoch, until: epoch + .seconds(1), comment: "", createdBy: "")
    #expect(silence.matches(alert(labels: ["name": text]), at: epoch) == matches)
    #expect(!silence.matches(alert(labels: ["name": text]), at: epoch + .seconds(1)))
    #expect(!silence.matches(alert(), at: epoch))
  }

  @Test("A bucket gives its burst at once, then so much a minute")
  func bucket() {
    var bucket = TokenBucket(.init(burst: 3, perMinute: 6), at: epoch)
    func take(_ count: Int, _ moment: Timestamp) -> Int { (0..<count).count { _ in bucket.take(at: moment) } }
    #expect(take(4, epoch) == 3)
    let next = bucket.nextAt(epoch)
    #expect(next == epoch + .seconds(10))
    #expect(take(1, epoch + .seconds(9)) == 0)
    #expect(take(1, epoch + .seconds(10)) == 1)
    #expect(take(9, epoch + .seconds(1000)) == 3)
  }
}
