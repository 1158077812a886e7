import AWSProvider
import JobModel
import Testing

@Suite("Rates")
struct RateTests {
  private let start = Timestamp(seconds: 1_800_000_000)

  @Test("a bucket lets its capacity through at once, then its refill")
  func bucket() {
    var bucket = TokenBucket(capacity: 5, refill: 2)
    for _ in 0..<5 { #expect(bucket.take(at: start) == .zero) }
    #expect(bucket.take(at: start) == .milliseconds(500))
    #expect(bucket.take(at: start) == .milliseconds(1000))
    // One that gave up lets the others move up.
    bucket.giveBack()
    #expect(bucket.take(at: start + .milliseconds(500)) == .milliseconds(500))
    #expect(bucket.take(at: start + .seconds(100)) == .zero)
  }

  @Test("a clock that goes back gives nothing and takes nothing")
  func backwards() {
    var bucket = TokenBucket(capacity: 1, refill: 1)
    #expect(bucket.take(at: start) == .zero)
    #expect(bucket.take(at: start - .seconds(1000)) == .seconds(1))
    #expect(bucket.take(at: start) == .seconds(2))
  }

  @Test("complaints halve the pace down to a twentieth, and silence brings it back")
  func pace() {
    var bucket = TokenBucket(capacity: 100, refill: 10)
    bucket.throttled(at: start)
    #expect(bucket.take(at: start) == .milliseconds(200))
    for _ in 0..<10 { bucket.throttled(at: start) }
    #expect(bucket.pace == 0.05)
    _ = bucket.take(at: start + .seconds(1000))
    #expect(bucket.pace == 1)
  }

  @Test("no mixture of takes gets more than capacity and refill allow")
  func bound() {
    var bucket = TokenBucket(capacity: 5, refill: 2)
    var allowed = 0
    for step in 0..<100 {
      let now = start + .milliseconds(100 * Int64(step))
      if bucket.take(at: now) == .zero { allowed += 1 } else { bucket.giveBack() }
    }
    // 9.9 seconds.
    #expect(allowed == 5 + 19)
  }

  @Test(
    "each EC2 action draws from the buckets that are documented for it",
    arguments: [
      ("RunInstances", ["MaxCount": "7"], ["RunInstances 5/2-1", "RunInstances instances 1000/2-7"]),
      (
        "TerminateInstances", ["InstanceId.1": "a", "InstanceId.2": "b"],
        [
          "TerminateInstances 100/5-1", "TerminateInstances instances 1000/20-2",
        ]
      ),
      ("DescribeInstances", ["InstanceId.1": "a"], ["unfiltered 50/10-1"]),
      ("DescribeInstances", ["Filter.1.Name": "a"], ["Describe 100/20-1"]),
      ("DescribeInstances", [:], ["unfiltered 50/10-1"]),
      ("DescribeSpotPriceHistory", [:], ["Describe 100/20-1"]),
      ("CreateTags", [:], ["CreateTags 100/10-1"]),
      ("StopInstances", [:], ["mutating 50/5-1"]),
    ])
  func classes(_ action: String, _ parameters: [String: String], _ expected: [String]) {
    let classes = ThrottleClass.of(.ec2, action: action, parameters: parameters.map { .init($0.key, $0.value) })
    #expect(classes.map { "\($0.name) \(Int($0.capacity))/\(Int($0.refill))-\(Int($0.cost))" } == expected)
  }

  @Test("regions and services have buckets of their own")
  func apart() {
    var limits = RateLimits()
    let classes = ThrottleClass.of(.ec2, action: "RunInstances", parameters: [.init("MaxCount", "1")])
    for _ in 0..<5 { #expect(limits.take(classes, service: .ec2, region: "a", at: start) == .zero) }
    #expect(limits.take(classes, service: .ec2, region: "a", at: start) > .zero)
    #expect(limits.take(classes, service: .ec2, region: "b", at: start) == .zero)
    limits.throttled(classes, service: .ec2, region: "a", action: "RunInstances", at: start)
    #expect(limits.report(at: start).entries.map(\.region) == ["a"])
  }
}
