import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite struct BootstrapJobTests {
  private func job(_ change: (inout JobSpec) -> Void = { _ in }) throws -> BootstrapJob {
    var spec = JobSpec(name: "n", directory: "/d", command: "./run.sh")
    change(&spec)
    let id = try #require(JobID("abcd1234"))
    return BootstrapJob(
      request: LaunchRequest(job: id, attempt: 2, token: "abcd1234-2", spec: spec, budget: nil, spent: .zero),
      inputs: [.folder("/a b/ü%"), BootstrapJob.Input(url: "https://h/x?sig=1%2F", path: "sub/t\tn")],
      limits: InstanceLimits(duration: .seconds(60), idle: IdleRule(cpuPercent: 5, seconds: 600)),
      heartbeatInterval: .milliseconds(1500), grace: .seconds(10))
  }

  @Test func writesTheConfiguration() throws {
    let text = try job {
      $0.environment = ["Z": "it's", "A": "1"]
      $0.basisSet = "sto-3g"
    }.configuration()
    #expect(
      text == """
        cj_job='abcd1234'
        cj_attempt=2
        cj_token='abcd1234-2'
        cj_command='./run.sh'
        cj_environment() {
          :
          export BASIS_SET='sto-3g'
          export A='1'
          export Z='it'\\''s'
          export CLOUDJOBS_JOB_ID='abcd1234'
          export CLOUDJOBS_ATTEMPT='2'
          export CLOUDJOBS_TOKEN='abcd1234-2'
          export CLOUDJOBS_MARK='abcd1234-2;'
        }
        cj_heartbeat_cs=150
        cj_notice_cs=100
        cj_grace_cs=1000
        cj_max_cs=6000
        cj_max_text=''
        cj_budget_cs=
        cj_budget_text=''
        cj_idle_percent=5
        cj_idle_cs=60000
        cj_idle_text=''
        cj_sync_cs=
        cj_final_sync=''
        cj_final_sync_cs=90000
        cj_host_key='/etc/ssh/ssh_host_ed25519_key.pub'
        cj_shutdown=''
        cj_retries=5
        cj_skip=''
        cj_restore=

        """)
  }

  @Test func writesTheManifest() throws {
    #expect(try job().manifest() == "file:///a%20b/%C3%BC%25/\t\nhttps://h/x?sig=1%2F\tsub/t%09n\n")
  }

  @Test func refusesWhatAShellCanNotExport() throws {
    for name in ["", "1A", "A-B", "A=B", "A B", "é", "A\nB", "A;id"] {
      #expect(throws: ProviderError.self) { try job { $0.environment = [name: "x"] }.configuration() }
    }
    #expect(throws: ProviderError.self) { try job { $0.environment = ["A": "\0"] }.configuration() }
    #expect(throws: ProviderError.self) { try job { $0.command = "\0" }.configuration() }
  }

  @Test(arguments: [
    "", "plain", "it's", "''", "'\\''", "$(touch /tmp/x)`id`", "a\nb\n", "\\", "\"", "日本 é\u{301}", "!#~*?[]{}",
    " lead", "-n", "\u{7}\u{1b}[0m", "\r\n", "'\r\n'",
  ])
  func aShellReadsWhatWasQuoted(_ text: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "v=" + quoted(text) + "; printf '%s' \"$v\""]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.allPieces()
    process.waitUntilExit()
    #expect(Array(data) == Array(text.utf8))
  }

  @Test(arguments: ["dash", "sh", "bash"], [BootstrapScript.text, SyncScript.text, ChannelScript.text])
  func theScriptIsPlainShell(_ shell: String, _ script: [UInt8]) throws {
    let path = NSTemporaryDirectory() + "bootstrap-\(UInt64.random(in: 0 ... .max)).sh"
    try Data(script).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [shell, "-n", path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test func writesWhatIsKnownOfAnInput() throws {
    let sum = String(repeating: "a", count: 64)
    for (input, line) in [
      (BootstrapJob.Input(url: "https://h/x", path: "a b"), "https://h/x\ta%20b"),
      (BootstrapJob.Input(url: "https://h/x", path: "a", mode: 0o755, size: 0), "https://h/x\ta\t755\t0\t-"),
      (BootstrapJob.Input(url: "https://h/x", path: "-\n", size: 7, sha256: sum), "https://h/x\t-%0A\t-\t7\t\(sum)"),
      (BootstrapJob.Input.link("../a b", at: "l"), "link:../a%20b\tl"),
      (BootstrapJob.Input.emptyFolder("d", mode: 0o700), "folder:\td\t700\t-\t-"),
    ] { #expect(input.line == line) }
  }
}

@Suite struct InstanceLimitsTests {
  /// One cent a second.
  private let price = HourlyPrice(microdollars: 36_000_000)

  @Test(arguments: [
    ("1", "0", 1, 0, 100), ("1", "0.5", 1, 0, 50), ("1", "0.995", 1, 0, 0), ("1", "1", 1, 0, 0), ("1", "2", 1, 0, 0),
    ("1", "0", 60, 60, 60), ("1", "0", 1, 60, 100), ("0.59", "0", 1, 60, 0), ("0.60", "0", 1, 60, 60),
    ("100", "0", 3600, 3600, 7200),
  ])
  func countsTheSecondsThatTheBudgetPaysFor(
    _ limit: String, _ spent: String, _ increment: Int64, _ minimum: Int64, _ seconds: Int64
  ) throws {
    let billing = BillingRule(increment: increment, minimum: minimum)
    let budget = Budget(limit: try #require(Money(limit)), action: .terminate)
    let money = try #require(Money(spent))
    #expect(
      InstanceLimits.secondsUntilBudgetIsUsed(budget, spent: money, price: price, billing: billing) == seconds)
    if seconds > 0 {
      let bill = price.cost(seconds: billing.billedSeconds(elapsed: .seconds(seconds)))
      let more = price.cost(seconds: billing.billedSeconds(elapsed: .seconds(seconds + 1)))
      #expect(money + bill <= budget.limit)
      #expect(money + more > budget.limit)
    }
  }

  @Test func anAlertEndsNothing() throws {
    let limit = try #require(Money("1"))
    for (budget, price) in [
      (Budget(limit: limit, action: .alert), price), (Budget(limit: limit, action: .terminate), HourlyPrice.zero),
    ] {
      #expect(
        InstanceLimits.secondsUntilBudgetIsUsed(budget, spent: .zero, price: price, billing: .perSecond) == nil)
    }
    #expect(InstanceLimits.secondsUntilBudgetIsUsed(nil, spent: .zero, price: price, billing: .perSecond) == nil)
  }
}

@Suite struct RecordedEndTests {
  @Test(
    arguments: [
      ("exit=0;by=", 0, nil), ("exit=255;by=", 255, nil), ("exit=143;by=stopped_outside", 143, "stopped_outside"),
      ("exit=;by=bootstrap_error", nil, "bootstrap_error"),
    ] as [(String, Int?, String?)])
  func readsWhatTheScriptRecords(_ target: String, _ code: Int?, _ reason: String?) throws {
    let end = try #require(RecordedEnd(target))
    #expect(end.exitCode == code)
    #expect(end.endedBy == reason)
  }

  @Test(arguments: [
    "", "exit=;by=", "exit=-1;by=", "exit=256;by=", "exit=x;by=idle", "exit=0", "exit=0;by=a b", "exit=0;by=\u{1b}[0m",
    "exit=0;by=;at=1", "by=idle;exit=0", "/etc/passwd", "exit=0;by=" + String(repeating: "a", count: 65),
  ])
  func anythingElseSaysNothing(_ target: String) {
    #expect(RecordedEnd(target) == nil)
  }

  @Test func completesTheBeaconThatIsThere() throws {
    let id = try #require(JobID("abcd1234"))
    let end = try #require(RecordedEnd("exit=5;by="))
    let moment = Timestamp(milliseconds: 7000)
    let alone = end.completing(nil, job: id, attempt: 2, at: moment)
    #expect(
      alone
        == Beacon(
          job: "abcd1234", attempt: 2, phase: .finished, heartbeatAt: 7000, finishedAt: 7000, exitCode: 5))
    let beacon = Beacon(
      job: "abcd1234", attempt: 2, phase: .running, heartbeatAt: 9000, startedAt: 1000, lastMoment: 99_000)
    let last = end.completing(beacon, job: id, attempt: 2, at: moment)
    #expect(last.startedAt == 1000 && last.lastMoment == 99_000 && last.heartbeatAt == 9000)
    #expect(last.exitCode == 5 && last.finishedAt == 7000 && last.phase == .finished)
  }
}

@Suite struct BeaconReaderTests {
  @Test func readsOnlyTheBeaconOfTheAttempt() throws {
    let id = try #require(JobID("abcd1234"))
    let text = #"{"version":1,"job":"abcd1234","attempt":2,"phase":"running","heartbeatAt":5,"new":[1]}"#
    #expect(BeaconReader.parse(Array(text.utf8), job: id, attempt: 2)?.heartbeatAt == 5)
    #expect(BeaconReader.parse(Array(text.utf8), job: id, attempt: 1) == nil)
    #expect(BeaconReader.parse(Array(text.utf8), job: try #require(JobID("other")), attempt: 2) == nil)
    #expect(BeaconReader.parse([], job: id, attempt: 2) == nil)
    let padded = text + String(repeating: " ", count: BeaconReader.limit)
    #expect(BeaconReader.parse(Array(padded.utf8), job: id, attempt: 2) == nil)
  }

  @Test func takesTheTimeOfTheObjectForAHeartbeatThatNamesNone() throws {
    let id = try #require(JobID("abcd1234"))
    func beacon(_ heartbeat: Int64) -> [UInt8] {
      Array(
        #"{"version":1,"job":"abcd1234","attempt":1,"phase":"running","heartbeatAt":\#(heartbeat),"channelUntil":9}"#
          .utf8)
    }
    let moment = Timestamp(milliseconds: 77)
    let read = BeaconReader.parse(beacon(0), job: id, attempt: 1, modified: moment)
    #expect(read?.heartbeatAt == 77 && read?.channelUntil == 9)
    #expect(BeaconReader.parse(beacon(5), job: id, attempt: 1, modified: moment)?.heartbeatAt == 5)
    #expect(BeaconReader.parse(beacon(0), job: id, attempt: 1)?.heartbeatAt == 0)
  }

  @Test func repairsAMessageThatIsNotText() throws {
    let id = try #require(JobID("abcd1234"))
    var bytes = Array(
      #"{"version":1,"job":"abcd1234","attempt":1,"phase":"running","heartbeatAt":5,"message":"x"}"#.utf8)
    bytes.insert(0xC3, at: bytes.count - 3)
    #expect(BeaconReader.parse(bytes, job: id, attempt: 1)?.message == "\u{FFFD}x")
  }
}
