import Testing

@testable import JobModel

@Suite("Jobs that are rebuilt from what a cloud remembers")
struct RememberedJobTests {
  private func remembered(
    state: InstanceState?, beacon: Beacon? = nil, instance: Instance? = Instance(id: "i-1", type: "t", region: "r")
  ) -> RememberedJob {
    RememberedJob(
      record: JobRecord(
        job: makeJob().id, provider: .aws, spec: makeJob().spec, budget: Budget(limit: Money(microdollars: 5)),
        createdAt: epoch),
      attempt: 2, instance: instance, state: state, launchedAt: epoch + .seconds(5),
      price: HourlyPrice(microdollars: 3_600_000), beacon: beacon)
  }

  private let now = epoch + .seconds(1000)

  private func word(_ phase: Beacon.Phase, exit: Int? = nil, endedBy: String? = nil) -> Beacon {
    beacon(
      phase, at: epoch + .seconds(600), attempt: 2, started: epoch + .seconds(10),
      finished: exit == nil && endedBy == nil ? nil : epoch + .seconds(500), exit: exit, endedBy: endedBy)
  }

  @Test("A living instance makes an open job, which a supervisor takes from there")
  func living() throws {
    let job = try #require(remembered(state: .running, beacon: word(.running)).job(now: now))
    #expect(job.state == .running && job.isOpen && job.attempt.number == 2 && job.attempt.token == "a1b2c3d4-2")
    #expect(job.startedAt == epoch + .seconds(10) && job.budget?.limit == Money(microdollars: 5))
    #expect(try #require(remembered(state: .pending).job(now: now)).state == .launched)
    // One whose calculation is over is not closed either: its instance lives.
    let over = try #require(remembered(state: .running, beacon: word(.finished, exit: 0)).job(now: now))
    #expect(over.isOpen && over.attempt.isLive)
  }

  @Test(
    "An instance that is gone leaves its last words",
    arguments: [
      (0, nil, JobState.completed, nil), (3, nil, .failed, .exitCode), (nil, "preempted", .failed, .preempted),
      (nil, "budget", .terminated, .budget), (nil, "nonsense", .terminated, .stoppedOutside),
      (nil, nil, .failed, .instanceVanished),
    ] as [(Int?, String?, JobState, Reason?)])
  func gone(_ exit: Int?, _ endedBy: String?, _ state: JobState, _ reason: Reason?) throws {
    for instance in [InstanceState.terminated, nil] {
      let job = try #require(
        remembered(state: instance, beacon: word(.finished, exit: exit, endedBy: endedBy)).job(now: now))
      #expect(job.state == state && job.reason == reason && !job.isOpen)
      // It cost until its last sign of life, not until now.
      #expect(job.attempt.endedAt == epoch + .seconds(600))
    }
  }

  @Test("Of a job that was never launched nothing is left to do, and a record of nobody is none")
  func nothing() throws {
    let job = try #require(remembered(state: nil, instance: nil).job(now: now))
    #expect(job.state == .failed && job.reason == .launchLost && !job.isOpen)
    var forged = remembered(state: .running)
    forged.record.job = "../../etc"
    #expect(forged.job(now: now) == nil)
  }
}
