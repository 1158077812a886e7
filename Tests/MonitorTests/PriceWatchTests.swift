import JobModel
import JobStore
import Monitor
import ProviderKit
import TestSupport
import Testing

@Suite("Prices of running instances", .timeLimit(.minutes(1)))
struct PriceWatchTests {
  private let token = "a1b2c3d4-1"

  /// A job that runs at 36 cents an hour.
  private func running(_ ground: Ground) async throws -> Supervision {
    try await ground.insert(ground.makeJob())
    let watch = ground.supervision("w1")
    try await watch.begin()
    try await watch.sweep()
    #expect(try await ground.job().state == .launched)
    return watch
  }

  private func segment(_ at: Timestamp, _ price: String) -> PriceSegment {
    PriceSegment(from: at, price: HourlyPrice(price)!)
  }

  @Test("A change becomes a segment from its own moment on, and is told once")
  func change() async throws {
    let ground = Ground()
    let watch = try await running(ground)
    let start = ground.clock.now()
    ground.clock.advance(by: .seconds(7200))
    await watch.pool.trust(until: Timestamp(milliseconds: .max))
    await ground.provider.setPrices(
      [segment(start, "0.36"), segment(start + .seconds(3600), "0.72"), segment(start + .seconds(5400), "0.36")],
      of: token)
    let prices = PriceWatch(pool: watch.pool)
    #expect(await prices.look() == 2)
    let job = try await ground.job()
    #expect(
      job.attempt.segments == [
        segment(start, "0.36"), segment(start + .seconds(3600), "0.72"), segment(start + .seconds(5400), "0.36"),
      ])
    // An hour at 36 cents, half an hour at 72, half an hour at 36.
    #expect(job.cost(at: start + .seconds(7200), rule: .perSecond) == Money("0.9"))
    #expect(await prices.look() == 0)
    #expect(await ground.provider.priceQuestions == [[token: start], [token: start + .seconds(5400)]])
  }

  @Test("The price that held at the launch replaces the one that was offered")
  func launchPrice() async throws {
    let ground = Ground()
    let watch = try await running(ground)
    let start = ground.clock.now()
    ground.clock.advance(by: .seconds(3600))
    await watch.pool.trust(until: Timestamp(milliseconds: .max))
    await ground.provider.setPrices([segment(start, "0.40")], of: token)
    #expect(await PriceWatch(pool: watch.pool).look() == 1)
    let job = try await ground.job()
    #expect(job.attempt.segments == [segment(start, "0.36"), segment(start, "0.40")])
    // The first minute, which is billed at once, stays at the price of the offer.
    let hour =
      job.cost(at: start + .seconds(3660), rule: .perSecond) - job.cost(at: start + .seconds(60), rule: .perSecond)
    #expect(hour == Money("0.4"))
    #expect(await PriceWatch(pool: watch.pool).look() == 0)
  }

  @Test("A price that is not known changes nothing, and nobody asks for what has ended")
  func silence() async throws {
    let ground = Ground()
    let watch = try await running(ground)
    await watch.pool.trust(until: Timestamp(milliseconds: .max))
    #expect(await PriceWatch(pool: watch.pool).look() == 0)
    #expect(try await ground.job().attempt.segments.count == 1)
    await ground.provider.report(token, ground.beacon(.finished, exit: 0), state: .terminated)
    _ = try await ground.drive(watch) { try await !ground.job().isOpen }
    let asked = await ground.provider.priceQuestions.count
    #expect(await PriceWatch(pool: watch.pool).look() == 0)
    #expect(await ground.provider.priceQuestions.count == asked)
  }

  @Test("An answer for another attempt, or an older one, is no news")
  func decisions() throws {
    let ground = Ground()
    var job = ground.makeJob()
    let start = ground.clock.now()
    #expect(PriceWatch.question(job) == nil)
    job.attempt.instance = Instance(id: "i-1", type: "c5.large", region: "us-east-1", zone: "us-east-1a")
    job.attempt.launchedAt = start
    #expect(PriceWatch.question(job) == nil)
    job.attempt.segments = [segment(start, "0.36"), segment(start + .seconds(60), "0.5")]
    #expect(PriceWatch.question(job)?.since == start + .seconds(60))
    let answer = [
      segment(start + .seconds(120), "0.5"), segment(start + .seconds(240), "0.5"), segment(start, "0.1"),
      segment(start + .seconds(180), "0.6"),
    ]
    #expect(
      PriceWatch.news(answer, for: job) == [
        segment(start + .seconds(180), "0.6"), segment(start + .seconds(240), "0.5"),
      ])
    job.attempt.endedAt = start + .seconds(300)
    #expect(PriceWatch.news(answer, for: job).isEmpty && PriceWatch.question(job) == nil)
  }

  @Test("It looks a while after the start, then every five minutes, until it is cancelled")
  func rhythm() async throws {
    let ground = Ground()
    let watch = try await running(ground)
    let begun = ground.clock.now()
    let run = Task { await PriceWatch(pool: watch.pool).run() }
    await ground.clock.advanceToNextSleeper()
    await ground.clock.advanceToNextSleeper()
    #expect(ground.clock.now() - begun == .seconds(310))
    #expect(await ground.provider.priceQuestions.count >= 1)
    run.cancel()
    await run.value
    #expect(!ground.clock.hasSleeper)
  }
}
