import JobModel
import JobStore
import Monitor
import Testing

@Suite("What is remembered of channels")
struct ChannelStateTests {
  /// `#expect` can't call what changes a value.
  private final class Box {
    private var states = ChannelStates()
    func callAsFunction<Result>(_ body: (inout ChannelStates) -> Result) -> Result { body(&states) }
  }

  private let start = Timestamp(seconds: 1_700_000_000)

  private func outcome(_ result: DeliveryOutcome.Result, after seconds: Int64 = 0) -> DeliveryOutcome {
    DeliveryOutcome(delivery: 1, at: start + .seconds(seconds), result: result, answer: "")
  }

  @Test("a channel that fails is left alone for longer and longer, at most half a minute")
  func pauses() {
    let it = Box()
    var pauses: [Duration] = []
    for _ in 0..<9 {
      #expect(!it({ $0.note(outcome(.retry(at: start)), wish: nil, through: "a") }))
      pauses.append(it({ $0.start(of: "a", due: start) }) - start)
    }
    #expect(pauses == [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000].map { .milliseconds($0) })
    #expect(it({ $0.start(of: "b", due: start) }) == start)
    // Success ends it, and what waits for its own time is hurried once.
    #expect(it({ $0.note(outcome(.delivered), wish: nil, through: "a") }))
    #expect(it({ $0.start(of: "a", due: start) }) == start)
    #expect(it({ $0.takeRecovered() }) == ["a"])
    #expect(it({ $0.takeRecovered() }).isEmpty)
    _ = it({ $0.note(outcome(.retry(at: start)), wish: nil, through: "a") })
    #expect(it({ $0.start(of: "a", due: start) }) == start + .milliseconds(500))
  }

  @Test("what a receiver asks for counts, however often it failed before")
  func wishes() {
    let it = Box()
    for _ in 0..<8 { _ = it({ $0.note(outcome(.retry(at: start)), wish: nil, through: "a") }) }
    _ = it({ $0.note(outcome(.retry(at: start)), wish: .seconds(20), through: "a") })
    #expect(it({ $0.start(of: "a", due: start) }) == start + .seconds(20))
    #expect(it({ $0.start(of: "a", due: start + .seconds(60)) }) == start + .seconds(60))
  }

  @Test("a message that is refused for good says nothing against the channel")
  func permanent() {
    let it = Box()
    _ = it({ $0.note(outcome(.retry(at: start)), wish: nil, through: "a") })
    #expect(it({ $0.note(outcome(.dead), wish: nil, through: "a") }))
    #expect(it({ $0.start(of: "a", due: start) }) == start)
    #expect(it({ $0.takeRecovered() }).isEmpty)
  }

  @Test("a channel that can't be used says so once, and again after it could")
  func refusals() {
    let it = Box()
    #expect(it({ $0.becameUsable("a") }))
    #expect(!it({ $0.becameUsable("a") }))
    it({ $0.refuse("a", saying: "gone") })
    #expect(!it({ $0.note(outcome(.dead), wish: nil, through: "a") }))
    #expect(it({ $0.takeRefusal(of: "a") }) == "gone")
    #expect(it({ $0.takeRefusal(of: "a") }) == nil)
    #expect(it({ $0.becameUsable("a") }))
    it({ $0.forgetUsable("a") })
    #expect(it({ $0.becameUsable("a") }))
  }

  @Test("a bucket belongs to its limit")
  func buckets() {
    let it = Box()
    let limit = TokenBucket.Limit(burst: 2, perMinute: 60)
    #expect(it({ $0.waitForToken("a", nil, at: start) }) == nil)
    #expect(it({ $0.waitForToken("a", limit, at: start) }) == nil)
    it({ $0.take("a", at: start) })
    it({ $0.take("a", at: start) })
    #expect(it({ $0.waitForToken("a", limit, at: start) }) == start + .seconds(1))
    #expect(it({ $0.waitForToken("b", limit, at: start) }) == nil)
    #expect(it({ $0.waitForToken("a", .init(burst: 3, perMinute: 60), at: start) }) == nil)
    it({ $0.take("a", at: start) })
    it({ $0.forgetLimits() })
    #expect(it({ $0.waitForToken("a", limit, at: start) }) == nil)
  }

  @Test("what begins again within the window is kept back to its end, unless it is a repeat or another try")
  func flapping() {
    let it = Box()
    let alert = Alert(
      id: "x-2", rule: .heartbeatLost, severity: .warning, at: start, job: nil, title: "t", facts: [], nextCommand: nil,
      channels: ["a"], status: .firing, condition: "x")
    var delivery = Delivery(
      id: 1, alert: alert, channel: "a", state: .pending, tries: 0, createdAt: start, nextTryAt: start)
    let window = Duration.seconds(60)
    #expect(it({ $0.flapping(delivery, at: start, window: window) }) == nil)
    it({ $0.noteBeginning("x", on: "a", at: start, window: window) })
    #expect(it({ $0.flapping(delivery, at: start + .seconds(59), window: window) })?.until == start + window)
    #expect(it({ $0.flapping(delivery, at: start + .seconds(60), window: window) }) == nil)
    delivery.tries = 1
    #expect(it({ $0.flapping(delivery, at: start, window: window) }) == nil)
    delivery.tries = 0
    delivery.repeats = 1
    #expect(it({ $0.flapping(delivery, at: start, window: window) }) == nil)
    delivery.repeats = 0
    delivery.channel = "b"
    #expect(it({ $0.flapping(delivery, at: start, window: window) }) == nil)
    // Thousands of others do not push out what still matters.
    for index in 0..<5000 { it({ $0.noteBeginning("c\(index)", on: "a", at: start, window: window) }) }
    delivery.channel = "a"
    #expect(it({ $0.flapping(delivery, at: start + .seconds(1), window: window) }) != nil)
  }
}
