package import JobModel
internal import Logging
package import ProviderKit

/// Follows the prices of running instances, so that a job's cost is what its provider charges, not what the first hour cost.
///
/// It asks for all jobs of a provider at once, now and then, and tells each job what is new. It runs beside the loop of
/// `Supervision`, which must not wait for a provider.
package struct PriceWatch: Sendable {
  private let pool: SupervisorPool
  private let interval: Duration

  /// After the start, while jobs are taken over.
  private static let firstPause = Duration.seconds(10)
  private static let workers = 16

  package init(pool: SupervisorPool, interval: Duration = .seconds(300)) {
    self.pool = pool
    self.interval = interval
  }

  /// Looks again and again until the task is cancelled.
  package func run() async {
    let clock = pool.context.clock
    var pause = Self.firstPause
    while !Task.isCancelled {
      do { try await clock.sleep(until: clock.now() + pause) } catch { return }
      await look()
      pause = interval
    }
  }

  /// Asks once for all live jobs, and returns how many changes there were.
  @discardableResult
  package func look() async -> Int {
    let jobs = await pool.views(now: pool.context.clock.now()).map(\.job)
    var changes = 0
    for (name, members) in Dictionary(grouping: jobs, by: \.provider) {
      guard let provider = pool.context.providers[name] as? any PriceTracking else { continue }
      let questions = members.compactMap(Self.question)
      guard !questions.isEmpty else { continue }
      let answers = await provider.priceChanges(of: questions)
      changes += await tell(answers)
    }
    return changes
  }

  /// An answer took its time: what is told is what is new of the attempts that are live by now.
  private func tell(_ answers: [String: [PriceSegment]]) async -> Int {
    guard !answers.isEmpty else { return 0 }
    let jobs = await pool.views(now: pool.context.clock.now()).map(\.job)
    let letters = jobs.compactMap { job in
      let news = answers[job.attempt.token].map { Self.news($0, for: job) } ?? []
      return news.isEmpty ? nil : (id: job.id, news: news)
    }
    let workers = min(Self.workers, letters.count)
    let pool = pool
    return await withTaskGroup(of: Int.self) { group in
      for worker in 0..<workers {
        group.addTask {
          var count = 0
          for index in stride(from: worker, to: letters.count, by: workers) {
            for segment in letters[index].news {
              if await pool.post(.priceChanged(segment.price, at: segment.from), to: letters[index].id) { count += 1 }
            }
          }
          return count
        }
      }
      return await group.reduce(0, +)
    }
  }

  // MARK: Decisions

  /// What is asked for a job; nil for one without an instance that costs.
  package static func question(_ job: Job) -> (reference: InstanceReference, since: Timestamp)? {
    guard job.attempt.isLive, let last = job.attempt.segments.last, let reference = InstanceReference(job) else {
      return nil
    }
    return (reference, last.from)
  }

  /// What the job does not know yet.
  package static func news(_ segments: [PriceSegment], for job: Job) -> [PriceSegment] {
    guard job.attempt.isLive, let last = job.attempt.segments.last else { return [] }
    return PriceSegment.news(segments, after: last)
  }
}
