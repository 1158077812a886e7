import JobModel
import JobStore
import TestSupport
import Testing

@testable import Commands

@Suite("The summary of list")
struct JobSummaryTests {
  private func row(_ state: JobState, _ provider: ProviderName, _ count: Int, _ cost: String) -> SummaryRow {
    SummaryRow(state: state, provider: provider, count: count, cost: Money(cost)!)
  }

  @Test("adds rows by state and by provider, exactly")
  func sums() {
    let rows = [
      row(.completed, .aws, 2, "0.1"), row(.completed, .gcp, 1, "0.2"), row(.failed, .aws, 3, "0.000001"),
    ]
    let summary = JobSummary(rows: rows, open: [], now: epoch) { _ in .perSecond }
    #expect(summary.total == .init(count: 6, cost: Money("0.300001")!))
    #expect(summary.byState[.completed] == .init(count: 3, cost: Money("0.3")!))
    #expect(summary.byState[.failed] == .init(count: 3, cost: Money("0.000001")!))
    #expect(summary.byProvider[.aws] == .init(count: 5, cost: Money("0.100001")!))
    #expect(summary.byProvider[.gcp] == .init(count: 1, cost: Money("0.2")!))
    #expect(summary.rate == .zero)
  }

  @Test("charges open jobs up to now, not up to their last commit")
  func growth() {
    // An hour at $3.60 was stored; another hour has passed.
    var job = Samples.job("a1b2c3d4", .running, price: "3.60")
    job.updatedAt = epoch + .seconds(3600)
    let rows = [row(.running, .aws, 1, "3.60")]
    let summary = JobSummary(rows: rows, open: [job], now: epoch + .seconds(7200)) { _ in .perSecond }
    #expect(summary.total == .init(count: 1, cost: Money("7.20")!))
    #expect(summary.byState[.running] == .init(count: 1, cost: Money("7.20")!))
    #expect(summary.rate == HourlyPrice("3.60")!)
  }

  @Test("a job that is ended but whose instance still runs is charged on")
  func ending() {
    var job = Samples.job("a1b2c3d4", .terminated, price: "3.60", ended: .seconds(10))
    job.attempt.endedAt = nil
    job.updatedAt = epoch + .seconds(60)
    let rows = [row(.terminated, .aws, 1, "0.06")]
    let summary = JobSummary(rows: rows, open: [job], now: epoch + .seconds(120)) { _ in .perSecond }
    #expect(summary.total.cost == Money("0.12")!)
    #expect(summary.rate == HourlyPrice("3.60")!)
  }

  @Test("is the same however the jobs are cut into rows")
  func additive() {
    var generator = SeededGenerator(seed: 11)
    let rows = (0..<200).map { _ in
      SummaryRow(
        state: JobState.allCases.randomElement(using: &generator)!,
        provider: ProviderName.known.randomElement(using: &generator)!, count: 1,
        cost: Money(microdollars: Int64.random(in: 0...50_000_000, using: &generator)))
    }
    let summary = JobSummary(rows: rows, open: [], now: epoch) { _ in .perSecond }
    let units = rows.reduce(Int64(0)) { $0 + $1.cost.units }
    #expect(summary.total == .init(count: 200, cost: Money(units: units)))
    #expect(summary.byState.values.reduce(0) { $0 + $1.cost.units } == units)
    #expect(summary.byProvider.values.reduce(0) { $0 + $1.cost.units } == units)
    #expect(summary.byState.values.reduce(0) { $0 + $1.count } == 200)
  }

  @Test("is written for people and as JSON")
  func text() {
    let job = Samples.job("a1b2c3d4", .running, price: "0.45")
    let rows = [row(.running, .aws, 1, "0"), row(.failed, .gcp, 12, "1.5")]
    let summary = JobSummary(rows: rows, open: [job], now: epoch) { _ in .perSecond }
    #expect(
      summary.text == [
        "JOB SUMMARY", "========================================", "Total jobs: 13", "Total cost: $1.50",
        "Running now: $0.4500/h", "", "By status:", "  running           1 jobs  $0.00",
        "  failed           12 jobs  $1.50", "", "By provider:", "  AWS               1 jobs  $0.00",
        "  GCP              12 jobs  $1.50",
      ])
    #expect(
      JSONText.line(summary.document) == """
        {"by_provider":{"AWS":{"cost":0,"count":1},"GCP":{"cost":1.5,"count":12}},\
        "by_status":{"failed":{"cost":1.5,"count":12},"running":{"cost":0,"count":1}},"price_per_hour":0.45,\
        "total":{"cost":1.5,"count":13}}
        """)
  }

  @Test("of nothing is zero")
  func empty() {
    let summary = JobSummary(rows: [], open: [], now: epoch) { _ in .perSecond }
    #expect(summary.text.contains("Total jobs: 0"))
    #expect(summary.text.contains("Total cost: $0.00"))
  }
}
