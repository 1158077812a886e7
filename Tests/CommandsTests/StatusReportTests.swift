import JobModel
import JobStore
import ProviderKit
import Testing

@testable import Commands

@Suite("The report of status")
struct StatusReportTests {
  private static let console = Console(
    isOutputTerminal: false, isErrorTerminal: false, isInputTerminal: false, usesColor: false, sink: { _, _ in },
    source: { nil })

  private static let watcher = Holder(
    owner: OwnerID(rawValue: "watch-1"), role: .watch, host: "here", pid: 1, acquiredAt: epoch,
    expiresAt: epoch + .seconds(100_000))

  private func report(_ job: Job, now: Timestamp = epoch + .seconds(8100), live: Observation? = nil) -> StatusReport {
    StatusReport(
      job: job, now: now, billing: .perSecond, live: live, events: [], undelivered: [], watcher: Self.watcher)
  }

  private func text(_ report: StatusReport) -> [String] { report.text(Self.console) }

  @Test("has the Python tool's sections in its words")
  func look() {
    var job = Samples.job("a1b2c3d4", .running)
    job.spec.name = "a1b2c3d4"
    job.startedAt = epoch + .seconds(195)
    job.spec.s3InputPath = "s3://bucket/a1b2c3d4/input/"
    job.spec.gdrivePath = "gdrive:results"
    job.attempt.instance?.publicIP = "54.123.45.67"
    job.attempt.instance?.privateIP = "10.0.1.123"
    var report = report(job, live: .known(.init(state: .running)))
    report.inputs = FileCount(files: 5, bytes: 2_456_789)
    let double = String(repeating: "=", count: 80)
    let single = String(repeating: "-", count: 40)
    #expect(
      text(report) == [
        double, "JOB STATUS: a1b2c3d4", double, "Status: RUNNING", "Provider: AWS",
        "Instance: r5.4xlarge in us-east-1", "Created: \(LocalZone.text(epoch))",
        "Started: \(LocalZone.text(epoch + .seconds(195)))", "Estimated cost: $1.0125 ($0.4500/h)", "",
        "INSTANCE STATUS:", single, "State: running", "Instance ID: i-0123456789abcdef0", "Public IP: 54.123.45.67",
        "Private IP: 10.0.1.123", "As of: \(LocalZone.text(epoch + .seconds(8100))) (now)", "", "INPUT FILES (S3):",
        single, "Files: 5", "Total size: 2,456,789 bytes", "", "RESULTS (Google Drive):", single,
        "Path: gdrive:results",
        "Last sync: never",
      ])
  }

  @Test("says how old it is when the provider was not asked, and never calls old news new")
  func age() {
    var job = Samples.job()
    job.attempt.seenAt = epoch + .seconds(8000)
    job.attempt.heartbeatAt = epoch + .seconds(7980)
    let lines = text(report(job))
    #expect(lines.contains("As of: \(LocalZone.text(epoch + .seconds(8000))) (1m 40s ago)"))
    #expect(lines.contains("Heartbeat: 2m ago"))
    #expect(lines.contains("State: running"))
  }

  @Test("an unreachable provider leaves the last news with their age")
  func unreachable() {
    var job = Samples.job()
    job.attempt.seenAt = epoch + .seconds(8000)
    let lines = text(report(job, live: .unreachable("timed\nout")))
    #expect(lines.contains("State: unknown, the provider does not answer (timed\u{FFFD}out)"))
    #expect(lines.contains("As of: \(LocalZone.text(epoch + .seconds(8000))) (1m 40s ago)"))
  }

  @Test("says until when an instance can be spoken to, only while nobody watches")
  func channel() {
    let now = epoch + .seconds(8100)
    func lines(_ until: Timestamp?, _ phase: Beacon.Phase = .running, watched: Bool = false) -> [String] {
      let beacon = Beacon(
        job: "a1b2c3d4", attempt: 1, phase: phase, heartbeatAt: now.rawValue, channelUntil: until?.rawValue)
      var report = report(Samples.job(), now: now, live: .known(.init(state: .running, beacon: beacon)))
      if !watched { report.watcher = nil }
      return text(report).filter { $0.contains("spoken to") || $0.contains("The addresses") }
    }
    let later = now + .seconds(7200)
    #expect(
      lines(later) == ["Without a watcher its instance can be spoken to until \(LocalZone.text(later)) (for 2h)."])
    #expect(lines(now - .seconds(60)).first?.hasPrefix("The addresses of its instance ended at ") == true)
    #expect(lines(later, watched: true).isEmpty && lines(nil).isEmpty && lines(later, .finished).isEmpty)
  }

  @Test("an instance that the provider does not know is called so")
  func absent() {
    #expect(text(report(Samples.job(), live: .absent)).contains("State: the provider does not know this instance"))
  }

  @Test("a budget is shown with what is spent of it")
  func budget() {
    let lines = text(report(Samples.job(budget: Budget(limit: Money("2")!, action: .terminate))))
    #expect(lines.contains("Budget: $2.00 (50 % spent, then terminate)"))
  }

  @Test("an end is shown with its reason and its time")
  func end() {
    var job = Samples.job("a1b2c3d4", .failed, ended: .seconds(900))
    job.reason = .exitCode
    job.message = "exit code 3"
    let lines = text(report(job))
    #expect(lines.contains("Status: FAILED"))
    #expect(lines.contains("Reason: the calculation failed (exit code 3)"))
    #expect(lines.contains("Completed: \(LocalZone.text(epoch + .seconds(900))) (after 15m)"))
    #expect(lines.contains("Estimated cost: $0.1125 ($0.4500/h)"))
  }

  @Test("a wish to terminate, undelivered alerts and a missing watcher are said")
  func trouble() {
    var job = Samples.job()
    job.wish = TerminationWish(reason: .userRequest, at: epoch + .seconds(8000), tries: 3)
    var report = report(job)
    report.watcher = nil
    let alert = Alert(
      id: "x", rule: .jobFailed, severity: .critical, at: epoch, job: job.id, title: "Job\nfailed", facts: [],
      nextCommand: nil, channels: ["ops"])
    report.undelivered = [
      Delivery(id: 1, alert: alert, channel: "ops", state: .dead, tries: 20, createdAt: epoch, nextTryAt: epoch)
    ]
    report.alerts = report.undelivered
    let lines = text(report)
    #expect(lines.contains("\(LocalZone.text(epoch))  job_failed, critical, event: Job\u{FFFD}failed (ops: dead)"))
    #expect(lines.contains("Termination requested 1m 40s ago: terminated on request, asked 3 times"))
    #expect(lines.contains("ops: Job\u{FFFD}failed (dead, 20 tries)"))
    #expect(lines.last == "Nobody watches this job. Start: cloudjobs watch")
  }

  @Test("a job that is over is not called unwatched")
  func overAndUnwatched() {
    var report = report(Samples.job("a1b2c3d4", .completed))
    report.watcher = nil
    #expect(!text(report).contains { $0.contains("Nobody watches") })
  }

  @Test("hostile names are harmless", arguments: Samples.hostileNames)
  func hostile(_ name: String) {
    var job = Samples.job(name: name, type: name, region: name)
    job.attempt.instance?.id = name
    job.attempt.instance?.zone = name
    job.attempt.instance?.publicIP = name
    job.attempt.instance?.privateIP = name
    job.spec.gdrivePath = name
    job.message = name
    job.reason = .exitCode
    let report = report(job, live: .known(.init(state: .running)))
    #expect(text(report).allSatisfy { $0.isHarmless })
    #expect(JobTable.details(job, now: epoch).allSatisfy { $0.isHarmless })
  }

  @Test("the JSON has every key of a job, and its own")
  func document() {
    let document = report(Samples.job(), live: .absent).document.object ?? [:]
    let job = JobDocument.job(Samples.job(), now: epoch, billing: .perSecond).object ?? [:]
    #expect(!job.isEmpty)
    #expect(
      Set(document.keys).subtracting(job.keys) == [
        "observation", "input_files", "log_file", "results", "synced_results", "syncs", "events", "undelivered_alerts",
        "alerts", "watched",
      ])
    #expect(document["results"] == .null)
    #expect(document["observation"]?["answer"]?.string == "absent")
    #expect(document["watched"]?.bool == true)
  }

  @Test("says where the results lie, if the provider knows")
  func folder() {
    var report = report(Samples.job())
    report.folder = "/jobs/a\nb/work"
    report.logFile = "/jobs/a\nb/output.log"
    #expect(text(report).suffix(3).first == "Folder: /jobs/a\u{FFFD}b/work")
    #expect(text(report).allSatisfy { $0.isHarmless })
    #expect(report.document["results"]?["folder"]?.string == "/jobs/a\nb/work")
  }

  @Test(
    "numbers are grouped by thousands",
    arguments: [
      (0, "0"), (999, "999"), (1000, "1,000"), (2_456_789, "2,456,789"), (-1234, "-1,234"),
      (.min, "-9,223,372,036,854,775,808"),
    ])
  func grouped(_ number: Int64, _ text: String) {
    #expect(StatusReport.grouped(number) == text)
  }
}
