import JobModel

/// Makes jobs as people have them: the same ones for the same `now`.
struct JobFactory: Sendable {
  enum Mix: String {
    /// A history of 400 days: 1 job in 100 still runs.
    case closed
    /// Every job runs.
    case open
  }

  static let provider = ProviderName.aws

  let mix: Mix
  let now: Timestamp

  func job(_ index: Int) -> Job {
    var generator = SeededGenerator(seed: UInt64(index))
    let name = "benzene-dimer-\(index)"
    var spec = JobSpec(
      name: name, directory: "/home/someone/calculations/\(name)", command: "python3 optimize.py --steps 400 > log.txt",
      basisSet: "def2-TZVP")
    spec.environment = ["OMP_NUM_THREADS": "8"]
    spec.gdrivePath = "results/\(name)"
    let isOpen = mix == .open || index.isMultiple(of: 100)
    let age =
      isOpen ? Int64.random(in: 600...80_000, using: &generator) : .random(in: 90_000...34_560_000, using: &generator)
    let created = now - .seconds(age)
    let started = created + .seconds(95)
    // A big budget, so that the supervisor has a crossing to compute and none to report.
    let budget = index.isMultiple(of: 3) ? Budget(limit: Money(microdollars: 5_000_000_000)) : nil
    var job = Job(
      id: .random(using: &generator), provider: Self.provider, spec: spec, budget: budget, createdAt: created)
    job.startedAt = started
    var instance = Instance(id: "i-\(String(generator.next(), radix: 16))", type: "c7a.8xlarge", region: "eu-central-1")
    instance.zone = "eu-central-1b"
    instance.publicIP = "203.0.113.\(index % 250)"
    instance.privateIP = "10.0.\(index / 250 % 250).\(index % 250)"
    job.attempt.instance = instance
    job.attempt.launchedAt = created + .seconds(20)
    job.attempt.segments = [PriceSegment(from: created + .seconds(20), price: HourlyPrice(microdollars: 412_300))]
    job.attempt.instanceState = .running
    job.attempt.phase = .running
    if isOpen {
      job.state = .running
      job.updatedAt = now - .seconds(.random(in: 30...60, using: &generator))
      job.attempt.seenAt = job.updatedAt
      job.attempt.heartbeatAt = job.updatedAt
    } else {
      let ended = started + .seconds(.random(in: 300...80_000, using: &generator))
      close(&job, at: ended, failed: index % 100 < 15)
    }
    return job
  }

  private func close(_ job: inout Job, at ended: Timestamp, failed: Bool) {
    job.state = failed ? .failed : .completed
    job.reason = failed ? .exitCode : nil
    job.message = failed ? "exit code 1" : "exit code 0"
    job.endedAt = ended
    job.updatedAt = ended + .seconds(40)
    job.attempt.exitCode = failed ? 1 : 0
    job.attempt.instanceState = .terminated
    job.attempt.phase = .finished
    job.attempt.seenAt = ended
    job.attempt.heartbeatAt = ended
    job.attempt.endedAt = ended + .seconds(40)
  }

  func events(of job: Job) -> [Event] {
    func event(_ kind: Event.Kind, _ moment: Timestamp, _ message: String) -> Event {
      Event(job: job.id, attempt: 1, at: moment, kind: kind, message: message)
    }
    var events = [
      event(.launchRequested, job.createdAt, "launch requested from \(job.provider)"),
      event(.launched, job.attempt.launchedAt ?? job.createdAt, "instance \(job.attempt.instance?.id ?? "-")"),
    ]
    if let ended = job.endedAt {
      events.append(event(job.state == .failed ? .failed : .completed, ended, job.message ?? ""))
    }
    return events
  }
}
