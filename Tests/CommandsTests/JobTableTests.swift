import JobModel
import Testing

@testable import Commands

@Suite("The table of list")
struct JobTableTests {
  private func line(_ job: Job, after age: Duration) -> String {
    JobTable.row(JobTable.cells(job, now: epoch + age, billing: .perSecond))
  }

  @Test("looks like the Python tool's, to the last space")
  func look() {
    let lines = [
      JobTable.rule, JobTable.header, JobTable.rule,
      line(Samples.job("a1b2c3d4", .running), after: .seconds(8100)),
      line(
        Samples.job(
          "e5f6g7h8", .completed, provider: .gcp, type: "n2-highmem-16", region: "us-central1", price: "0.4333",
          ended: .seconds(5400)), after: .seconds(9000)),
      line(
        Samples.job(
          "i9j0k1l2", .failed, provider: .azure, type: "Standard_E16s", region: "eastus", price: "0.44",
          ended: .seconds(900)), after: .seconds(9000)),
    ]
    #expect(
      lines == [
        "========================================================================================================================",
        "Job ID       | Status      | Provider | Instance        | Region         | Duration   | Cost    ",
        "========================================================================================================================",
        "a1b2c3d4     | running     | AWS      | r5.4xlarge      | us-east-1      | 2h 15m     | $1.01   ",
        "e5f6g7h8     | completed   | GCP      | n2-highmem-16   | us-central1    | 1h 30m     | $0.65   ",
        "i9j0k1l2     | failed      | Azure    | Standard_E16s   | eastus         | 15m        | $0.11   ",
      ])
  }

  @Test("shows dashes for what is not known yet, and the wish before there is an instance")
  func unknown() {
    var job = Samples.job(state: .launching)
    #expect(
      line(job, after: .seconds(5))
        == "a1b2c3d4     | launching   | AWS      | -               | -              | 5s         | $0.00   ")
    job.spec.instanceType = "c5.large"
    job.spec.region = "eu-west-1"
    #expect(line(job, after: .seconds(5)).contains("| c5.large        | eu-west-1      |"))
  }

  @Test("cuts what is too long and keeps the columns in place", arguments: Samples.hostileNames)
  func hostile(_ name: String) {
    let row = line(Samples.job(type: name, region: name), after: .zero)
    #expect(row.isHarmless)
    #expect(row.count == JobTable.header.count)
    #expect(row.split(separator: " | ", omittingEmptySubsequences: false).count >= 7)
  }

  @Test("never cuts an amount of money")
  func dear() {
    let row = line(Samples.job(price: "123456.78"), after: .seconds(360_000))
    #expect(row.hasSuffix("| $12345678.00"))
  }

  @Test("pads and cuts to a width")
  func pad() {
    #expect(JobTable.pad("abc", 5) == "abc  ")
    #expect(JobTable.pad("abcde", 5) == "abcde")
    #expect(JobTable.pad("abcdef", 5) == "abcd…")
    #expect(JobTable.pad("", 2) == "  ")
    #expect(JobTable.pad("ab", 1) == "…")
  }

  @Test("counts the columns of a terminal, not characters", arguments: Samples.wideNames)
  func wide(_ name: String) {
    #expect(columns(JobTable.pad(name, 15)) == 15)
    #expect(columns(JobTable.pad(name, 40)) == 40)
  }

  @Test("says more of a job with --detailed")
  func details() {
    var job = Samples.job(state: .failed, ended: .seconds(900))
    job.reason = .exitCode
    job.message = "exit code 3\nforged"
    job.spec.name = "wa\u{1B}ter"
    job.spec.basisSet = "cc-pVDZ"
    job.spec.gdrivePath = "gdrive:results"
    job.attempt.instance?.publicIP = "54.123.45.67"
    job.budget = Budget(limit: Money("5")!, action: .terminate)
    job.wish = TerminationWish(reason: .userRequest, at: epoch)
    let lines = JobTable.details(job, now: epoch + .seconds(1000))
    #expect(
      lines == [
        "  Name: wa\u{FFFD}ter", "  Created: \(LocalZone.text(epoch))", "  Started: \(LocalZone.text(epoch))",
        "  Completed: \(LocalZone.text(epoch + .seconds(900)))", "  Reason: exit_code (exit code 3\u{FFFD}forged)",
        "  Instance ID: i-0123456789abcdef0", "  Public IP: 54.123.45.67", "  Price: $0.4500/h",
        "  Budget: $5.00 (terminate)", "  Basis set: cc-pVDZ", "  Google Drive: gdrive:results",
        "  Termination requested",
      ])
  }

  @Test("says only what there is of a job that is being launched")
  func detailsOfLaunching() {
    #expect(
      JobTable.details(Samples.job(state: .launching), now: epoch) == [
        "  Name: water", "  Created: \(LocalZone.text(epoch))",
      ])
  }

  @Test("reads dates, moments and ages")
  func since() throws {
    #expect(try ListCommand.moment("7d", now: epoch) == epoch - .seconds(7 * 86_400))
    #expect(try ListCommand.moment("1h30m", now: epoch) == epoch - .seconds(5400))
    #expect(try ListCommand.moment("2027-01-15T08:00:00Z", now: epoch) == epoch)
    #expect(try ListCommand.moment("2027-01-15T09:00:00+01:00", now: epoch) == epoch)
    let midnight = try ListCommand.moment("2027-01-15", now: epoch)
    #expect(midnight == epoch - .seconds(8 * 3600 + Int64(LocalZone.offset(at: midnight))))
    for text in ["", "yesterday", "2027-13-01", "2027-02-30", "-3d", "7x", "2026", "30", "1.5"] {
      #expect(throws: CommandError.self) { try ListCommand.moment(text, now: epoch) }
    }
  }
}

extension Samples {
  static func job(state: JobState, ended: Duration? = nil) -> Job { job("a1b2c3d4", state, ended: ended) }
}
