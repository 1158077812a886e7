import JobModel
import Testing

@Suite("Templates of alerts")
struct AlertTemplateTests {
  private let alert = Alert(
    id: "k3v9x2ab-1-job_failed", rule: .jobFailed, severity: .critical, at: Timestamp(seconds: 1_795_394_706),
    job: JobID("k3v9x2ab"), title: "Job water failed", facts: [.init("What", "exit code 3"), .init("State", "failed")],
    nextCommand: nil, channels: ["hook"], labels: ["name": "{{job.id}}", "tag.a b": "x"],
    details: AlertDetails(values: ["job.cost": "$1.5000"]))

  @Test(
    "Fields are filled in, and a default stands for what there is not",
    arguments: [
      ("", ""), ("plain } }} { text", "plain } }} { text"), ("{{job.cost}}", "<$1.5000>"),
      ("{{ job.cost }}!", "<$1.5000>!"),
      ("{{job.budget}}", "-"), ("{{job.budget|no budget}}", "no budget"), ("{{job.budget| }}x", "x"),
      ("{{job.budget|a|b}}", "a|b"), ("{{job.cost|none}}", "<$1.5000>"), ("{{tag.a b}}{{tag.c|y}}", "<x>y"),
      // What a value holds is never read as a template.
      ("{{job.name}}", "<{{job.id}}>"), ("{{alert.what}} {{alert.rule}}", "<exit code 3> <job_failed>"),
      ("{{alert.facts}}", "<What: exit code 3; State: failed>"),
      ("{\"a\":{\"b\":\"{{job.id}}\"}}", "{\"a\":{\"b\":\"<k3v9x2ab>\"}}"),
    ])
  func fills(_ text: String, _ expected: String) throws {
    #expect(try AlertTemplate(text).text(for: alert, value: { "<\($0)>" }) == expected)
  }

  @Test(
    "What is no field is refused by its name",
    arguments: [
      ("{{", AlertTemplate.Flaw.open), ("a {{job.id} b", .open), ("{{job.id {{job.id}}", .open), ("{{}}", .empty),
      ("{{ |x}}", .empty), ("{{job.costs}}", .unknown("job.costs")), ("{{env.HOME}}", .unknown("env.HOME")),
      ("{{file:/etc/passwd}}", .unknown("file:/etc/passwd")), ("{{tag.}}", .unknown("tag.")),
      ("{{Job.id}}", .unknown("Job.id")), ("{{job.id.x}}", .unknown("job.id.x")),
      ("{{#if job.id}}", .unknown("#if job.id")), ("{{job.id()}}", .unknown("job.id()")),
    ])
  func refuses(_ text: String, _ flaw: AlertTemplate.Flaw) {
    do throws(AlertTemplate.Flaw) {
      _ = try AlertTemplate(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect(error == flaw)
    }
  }

  @Test("A job's alert has a value for every field that its job has something for")
  func values() throws {
    let start = Timestamp(seconds: 1_700_000_000)
    let id = try #require(JobID("k3v9x2ab"))
    var spec = JobSpec(name: "water", directory: "/x", command: "true")
    spec.tags = ["project": "ice"]
    spec.gdrivePath = "cloudjobs/x"
    var job = Job(
      id: id, provider: .local, spec: spec, budget: Budget(limit: Money(microdollars: 2_000_000)), createdAt: start)
    job.state = .failed
    job.startedAt = start
    job.attempt.instance = Instance(id: "i-1", type: "c5", region: "r", zone: "r-a")
    job.attempt.launchedAt = start
    job.attempt.syncedAt = start
    let price = try #require(HourlyPrice("3.6"))
    job.attempt.segments = [PriceSegment(from: start, price: price)]
    let event = Event(
      job: id, attempt: 1, at: start + .seconds(1500), kind: .failed, reason: .exitCode, message: "exit code 3")
    let policy = AlertPolicy(
      channels: ["hook"], costThresholds: [5, 1, 100].map { Money(microdollars: $0 * 1_000_000) })
    let alert = try #require(policy.alerts(for: event, job: job, billing: .perSecond).first)
    let missing = AlertField.allCases.filter { alert.value($0) == nil }
    #expect(missing.isEmpty, "\(missing)")
    #expect(alert.value(.cost) == "$1.5000" && alert.value(.budget) == "$2.00" && alert.value(.zone) == "r-a")
    // Nothing is kept under a name that no template can say.
    #expect(Set(alert.details.values.keys).isSubset(of: AlertField.allCases.map(\.rawValue)))
    let spending = try #require(alert.details.spending)
    #expect(spending.spent == Money(microdollars: 1_500_000) && spending.limit == Money(microdollars: 2_000_000))
    // The budget's percentages, what was crossed, and the next amount.
    #expect(spending.marks.map { $0.formatted() } == ["$1.00", "$1.60", "$2.00", "$5.00"])
  }
}
