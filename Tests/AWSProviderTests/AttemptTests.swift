import Foundation
import JobModel
import ProviderKit
import Synchronization
import TestSupport
import Testing
import Transport

@testable import AWSProvider

@Suite(
  "Attempts that do not go as planned",
  .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct AttemptTests {
  /// The folder of a test with an rclone.conf in it.
  private static func withConfiguration(_ body: (String) async throws -> Void) async throws {
    let path = NSTemporaryDirectory() + "cloudjobs-attempt-\(UInt64.random(in: 0 ... .max)).conf"
    try Data("[gdrive]\ntype = drive\n".utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
  }

  @Test("When every offer was refused the next try asks anew what there is, under tokens of its own")
  func anew() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      try await aws.control("capacity", #"{"count": 0}"#)
      for _ in 0..<2 {
        guard case .refused(.capacity, _) = await place.provider.launch(LaunchRequest(job)) else {
          Issue.record("not refused")
          return
        }
      }
      let plan = try #require(try await place.provider.journal(job.id, 1, place.objects)).plan
      #expect(plan.current == nil && plan.round == 1)
      try await aws.control("capacity", #"{"count": null}"#)
      let launched = try await StandIn(aws, objects: place.objects).launch(job)
      let state = try await aws.state()
      #expect(state.instances.map(\.id) == [launched.instance.id])
      #expect(state.violations.isEmpty, "\(state.violations)")
    }
  }

  @Test("Who lost the right to launch after an unanswered launch still has its instance, or does not know")
  func deniedRepetition() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      try await aws.control("fault", #"{"kind": "drop_after", "action": "RunInstances", "times": 2}"#)
      _ = await place.provider.launch(LaunchRequest(job))
      try await aws.control("release")
      try await aws.control("deny", #"{"action": "ec2:RunInstances"}"#)
      // Another process, which knows nothing of the first call.
      let next = StandIn(aws, objects: place.objects, maxTries: 1)
      let instance = try #require(try await aws.state().instances.first)
      #expect(try await next.launch(job).instance.id == instance.id)
      try await aws.control("deny", #"{"action": "ec2:DescribeInstances"}"#)
      guard case .unknown = await StandIn(aws, objects: place.objects, maxTries: 1).provider.launch(LaunchRequest(job))
      else {
        Issue.record("an instance that may run was given up")
        return
      }
    }
  }

  @Test("A bucket that can't be read is a refusal before anything was launched, and none after")
  func closedBucket() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      place.objects.with { $0.failure = AWSError(.denied, "no") }
      guard case .refused(.launchError, _) = await place.provider.launch(LaunchRequest(job)) else {
        Issue.record("not refused")
        return
      }
      // Whoever looked for it goes on with what somebody else began.
      guard case .unreachable = await place.provider.find(LaunchRequest(job)),
        case .unknown = await place.provider.launch(LaunchRequest(job))
      else {
        Issue.record("given up")
        return
      }
      place.objects.with { $0.failure = AWSError(.cancelled, "cancelled") }
      guard case .unknown = await StandIn(aws, objects: place.objects).provider.launch(LaunchRequest(job)) else {
        Issue.record("a call that was cancelled is no refusal")
        return
      }
    }
  }

  @Test("The sealed configuration of rclone does not outlive its attempt")
  func configuration() async throws {
    try await Self.withConfiguration { path in
      try await LoopbackServer.aws { aws in
        let place = StandIn(aws, maxTries: 1) { $0.rcloneConfigFile = path }
        let job = place.job { $0.gdrivePath = "gdrive:results" }
        let key = BucketKeys.rclone(job.id, 1)
        func isThere() -> Bool { place.objects.with { $0.objects[key] != nil } }
        try await aws.control("capacity", #"{"count": 0}"#)
        _ = await place.provider.launch(LaunchRequest(job))
        #expect(!isThere())
        try await aws.control("capacity", #"{"count": null}"#)
        let reference = place.reference(job, try await place.launch(job))
        #expect(isThere())
        _ = await place.provider.observe([reference])
        #expect(isThere())
        _ = await place.provider.terminate(reference, finalSync: false)
        try await place.reaches("terminated")
        _ = await place.provider.observe([reference])
        #expect(!isThere())
      }
    }
  }

  @Test("What an instance cost while nobody looked is told with its end")
  func prices() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      var reference = place.reference(job, try await place.launch(job))
      let zone = try #require(reference.instance.zone)
      let times = [(-7200, "0.01"), (60, "0.02"), (120, "0.5")].map { offset, price in
        #"["\#((StandIn.now + .seconds(offset)).iso8601())", "\#(price)"]"#
      }
      try await aws.control(
        "prices", #"{"zone": "\#(zone)", "type": "c5.large", "records": [\#(times.joined(separator: ","))]}"#)
      try await aws.advance(3600)
      _ = await place.provider.terminate(reference, finalSync: false)
      try await place.reaches("terminated")
      for isKnown in [false, true] {
        reference.launchedAt = isKnown ? StandIn.now - .seconds(1) : nil
        let another = StandIn(aws, objects: place.objects)
        guard case .known(let report)? = await another.provider.observe([reference])[reference.token] else {
          Issue.record("not known")
          return
        }
        #expect(report.state == .terminated && report.prices.last?.price == HourlyPrice("0.5"), "\(report.prices)")
      }
      // Prices that can't be had keep nobody from hearing of the end.
      try await aws.control("fault", #"{"kind": "drop_before", "action": "DescribeSpotPriceHistory"}"#)
      guard case .known(let report)? = await StandIn(aws).provider.observe([reference])[reference.token] else {
        Issue.record("not known")
        return
      }
      #expect(report.state == .terminated && report.prices.isEmpty)
    }
  }

  @Test("The size that is wanted goes to the root disk that the image has")
  func rootDisk() async throws {
    try await LoopbackServer.aws { aws in
      let any = StandIn(aws)
      let images = try await any.provider.ec2.client.call(.ec2, action: "DescribeImages").items("imagesSet")
      let image = try #require(
        images.first { $0.text("rootDeviceName") == "/dev/sda1" && $0.text("architecture") == "x86_64" })
      let id = try #require(image.text("imageId"))
      let place = StandIn(aws) {
        $0.image = id
        $0.diskGigabytes = 40
      }
      let job = place.job()
      _ = try await place.launch(job)
      let order = try #require(try await place.provider.journal(job.id, 1, place.objects)?.order)
      #expect(order.parameters.contains { $0.0 == "BlockDeviceMapping.1.DeviceName" && $0.1 == "/dev/sda1" })
      #expect(try await place.provider.ec2.rootDevice(ofImage: "ami-00000000000000000", region: "us-east-1") == nil)
    }
  }

  /// Credentials that end, and what others there are.
  private actor Wallet: CredentialSupplier {
    var current: Timestamp
    let next: Timestamp?
    var renewals = 0
    init(_ current: Timestamp, next: Timestamp?) { (self.current, self.next) = (current, next) }
    func credentials() async throws(AWSError) -> AWSCredentials { StandIn.key(until: current) }
    func reject(_ credentials: AWSCredentials) async {}
    func renew() async {
      renewals += 1
      if let next { current = next }
    }
  }

  @Test("Nothing is launched with credentials that end in minutes, unless there are others")
  func endingCredentials() async throws {
    try await LoopbackServer.aws { aws in
      for (left, next, isLaunched, renewals) in [
        (200, nil, false, 1), (200, 7200, true, 1), (1800, nil, true, 1), (7200, nil, true, 0),
      ] as [(Int, Int?, Bool, Int)] {
        let wallet = Wallet(StandIn.now + .seconds(left), next: next.map { StandIn.now + .seconds($0) })
        let place = StandIn(aws, credentials: wallet)
        let job = place.job()
        switch await place.provider.launch(LaunchRequest(job)) {
        case .launched(let launched):
          #expect(isLaunched)
          _ = await place.provider.terminate(place.reference(job, launched), finalSync: false)
          try await place.reaches("terminated")
          try await aws.control("reset")
        case .refused(_, let words): #expect(!isLaunched && words.contains("end in "), "\(words)")
        case .unknown(let words): Issue.record("\(words)")
        }
        #expect(await wallet.renewals == renewals)
      }
    }
  }

  @Test(
    "An instance that was given new addresses in time is heard, or silent, by those; one that was not is by its own")
  func renewal() async throws {
    try await LoopbackServer.aws { aws in
      for (left, isInTime) in [(3600, true), (30, false)] {
        let place = StandIn(aws)
        let job = place.job()
        let reference = place.reference(job, try await place.launch(job))
        place.objects.with { $0.now = StandIn.now }
        let told = (StandIn.now + .seconds(left)).rawValue
        var word = Beacon(job: job.id.rawValue, attempt: 1, phase: .running, heartbeatAt: StandIn.now.rawValue)
        word.channelUntil = told
        try await place.objects.write(BucketKeys.beacon(reference.token), Array(try JSONEncoder().encode(word)))
        // Another process, which has launched nothing.
        let next = StandIn(aws, objects: place.objects)
        var ends: [Int64?] = []
        for _ in 0..<2 {
          guard case .known(let report)? = await next.provider.observe([reference])[reference.token] else { continue }
          ends.append(report.beacon?.channelUntil)
        }
        let order = try #require(
          try await place.objects.read(BucketKeys.control(job.id, 1), limit: 10_000).flatMap(ControlOrder.init))
        let written = try #require(order.until)
        #expect(written.rawValue > told + 86_400_000)
        #expect(ends == [told, isInTime ? written.rawValue : told])
        try await aws.control("reset")
      }
    }
  }

  @Test("New addresses that an order of somebody else has removed are given again, and that order stays")
  func lostRenewal() async throws {
    try await LoopbackServer.aws { aws in
      let ahead = Ahead()
      let place = StandIn(aws, ahead: ahead)
      let job = place.job()
      let reference = place.reference(job, try await place.launch(job))
      place.objects.with { $0.now = StandIn.now }
      var word = Beacon(job: job.id.rawValue, attempt: 1, phase: .running, heartbeatAt: StandIn.now.rawValue)
      word.channelUntil = (StandIn.now + .seconds(3600)).rawValue
      try await place.objects.write(BucketKeys.beacon(reference.token), Array(try JSONEncoder().encode(word)))
      let next = StandIn(aws, objects: place.objects, ahead: ahead)
      func look() async { _ = await next.provider.observe([reference]) }
      func order() async throws -> ControlOrder {
        let bytes = try await place.objects.read(BucketKeys.control(job.id, 1), limit: 10_000)
        return try #require(bytes.flatMap(ControlOrder.init))
      }
      await look()
      let first = try await order()
      #expect(first.beaconURL != nil && first.until != nil)
      try await place.objects.write(
        BucketKeys.control(job.id, 1), Array(try ControlOrder(terminate: true).text().utf8))
      await look()
      #expect(try await order().beaconURL == nil)
      ahead.time.withLock { $0 = .seconds(400) }
      await look()
      let second = try await order()
      #expect(second.beaconURL != nil && second.until == first.until && second.terminate)
    }
  }

  @Test("An instance whose beacon can't be read is not taken for silent, whatever has become of its bucket")
  func unheard() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      let reference = place.reference(job, try await place.launch(job))
      let failures: [AWSError.Code?] = [nil, .unavailable, .denied, .notFound]
      for code in failures {
        place.objects.with { $0.failure = code.map { AWSError($0, "no") } }
        guard
          case .known(let report)? = await StandIn(aws, objects: place.objects).provider.observe([reference])[
            reference.token]
        else {
          Issue.record("not known")
          return
        }
        #expect(report.isUnheard == (code != nil))
      }
    }
  }

  @Test("A region that does not answer ends no choice between the others, also the first one")
  func badRegion() async throws {
    try await LoopbackServer.aws { aws in
      try await aws.control("fault", #"{"kind": "drop_before", "region": "eu-west-1"}"#)
      let place = StandIn(aws, maxTries: 1, regions: ["eu-west-1", "us-east-1"]) {
        $0.instanceTypes = []
        $0.hardware = HardwareNeeds(minimumCores: 2, maximumCores: 2)
      }
      let quote = try await place.provider.quote(place.job().spec)
      #expect(quote.region == "us-east-1")
    }
  }

  @Test("Instances in a region that only their jobs name are found, too")
  func otherRegion() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws) { $0.bucket = "bucket" }
      let job = place.job { $0.region = "eu-west-1" }
      let launched = try await place.launch(job)
      #expect(await place.provider.fleet(alsoIn: []).members.isEmpty)
      let answer = await place.provider.fleet(alsoIn: ["eu-west-1", "not a region"])
      #expect(answer.members.map(\.instance.id) == [launched.instance.id] && answer.failures.isEmpty)
      // A lost database does not know it, the bucket does.
      let found = try await place.provider.remembered(bucket: nil, jobs: [job.id])
      #expect(found.map(\.instance?.id) == [launched.instance.id])
    }
  }

  @Test("What earlier attempts cost is told from what they left, and only the jobs that were asked for are read")
  func memory() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws) { $0.bucket = "bucket" }
      var job = place.job { $0.recovery = RecoveryRule(maxAttempts: 3) }
      let start = Timestamp(seconds: StandIn.now.rawValue / 1000 - 9000)
      for number in 1...3 {
        place.objects.with { $0.now = start + .seconds(number * 100) }
        job.attempt = Attempt(job: job.id, number: number, requestedAt: StandIn.now)
        _ = try await place.launch(job)
        guard number < 3 else { continue }
        // Half an hour after its order; the second one never said a word.
        let word = Beacon(
          job: job.id.rawValue, attempt: number, phase: .finished,
          heartbeatAt: (start + .seconds(1900)).rawValue, endedBy: "preempted")
        guard number == 1 else { continue }
        try await place.objects.write(
          BucketKeys.beacon(job.attempt.token), Array(try JSONEncoder().encode(word)))
      }
      _ = try await place.launch(place.job("b1b2c3d4"))
      place.objects.with { $0.reads = [] }
      let found = try await place.provider.remembered(bucket: nil, jobs: [job.id])
      #expect(!place.objects.with { $0.reads }.contains { $0.contains("b1b2c3d4") })
      let price = try #require(try await place.provider.journal(job.id, 1, place.objects)?.plan.current?.price)
      // What can't be read is not what was never said.
      place.objects.with { $0.unreadable = [BucketKeys.beacon("a1b2c3d4-1")] }
      let another = StandIn(aws, objects: place.objects) { $0.bucket = "bucket" }
      await #expect(throws: ProviderError.self) { try await another.provider.remembered(bucket: nil, jobs: nil) }
      place.objects.with { $0.unreadable = [] }
      let rebuilt = try #require(found.first?.job(now: StandIn.now))
      #expect(found.count == 1 && rebuilt.attempt.number == 3)
      #expect(rebuilt.earlierCost == Money(units: price * 1800))
      #expect(
        try await place.provider.remembered(bucket: nil, jobs: nil).map(\.record.job).sorted() == [
          "a1b2c3d4", "b1b2c3d4",
        ])
    }
  }

  @Test("A secret is asked for where its ARN says, or else where everything is by default")
  func secretRegion() {
    #expect(
      AWSProvider.region(ofARN: "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rclone-AbCdEf") == "eu-north-1")
    for text in ["rclone", "arn:aws:secretsmanager::1:secret:x", "arn:aws:secretsmanager:eu north:1:secret:x"] {
      #expect(AWSProvider.region(ofARN: text) == nil)
    }
  }
}
