import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@testable import AWSProvider

@Suite("Launching on EC2", .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct LaunchTests {
  @Test("An instance is a spot instance with our tags that ends when it switches itself off")
  func launch() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws) {
        $0.diskGigabytes = 30
        $0.maximumPrice = HourlyPrice(microdollars: 5_000_000)
      }
      let job = place.job()
      let launched = try await place.launch(job)
      let state = try await aws.state()
      let instance = try #require(state.instances.first)
      #expect(state.instances.count == 1 && instance.id == launched.instance.id && instance.market == "spot")
      #expect(instance.tags[InstanceTags.job] == "a1b2c3d4" && instance.tags[InstanceTags.token] == "a1b2c3d4-1")
      #expect(
        instance.tags[InstanceTags.database] == StandIn.database && instance.tags[InstanceTags.bucket] == "bucket")
      #expect(launched.instance.spotRequestID == instance.request && launched.instance.zone == instance.zone)
      #expect(launched.price > .zero && launched.instance.type == "c5.large")
      // The same token names the same instance, however often it is called, and whoever calls.
      let again = StandIn(aws, objects: place.objects)
      #expect(try await again.launch(job).instance.id == launched.instance.id)
      #expect(try await aws.state().instances.count == 1)
    }
  }

  @Test("What a quote says comes next is what a launch goes on with, and nothing of it costs more than the most")
  func quote() async throws {
    try await LoopbackServer.aws { aws in
      let types = ["c5.large", "m5.large"]
      let open = StandIn(aws, regions: ["us-east-1", "eu-west-1"]) { $0.instanceTypes = types }
      let all = try await open.provider.quote(open.job().spec)
      // Twelve are tried at most, the best of them first.
      #expect(all.alternatives.count == 11)
      #expect(all.alternatives.map(\.price) == all.alternatives.map(\.price).sorted())
      let limit = all.alternatives[2].price
      let place = StandIn(aws, maxTries: 1, regions: ["us-east-1", "eu-west-1"]) {
        $0.instanceTypes = types
        $0.maximumPrice = limit
      }
      let job = place.job()
      let quote = try await place.provider.quote(job.spec)
      #expect(quote.alternatives.count >= 3 && quote.alternatives.allSatisfy { $0.price <= limit })
      #expect(quote.alternatives == Array(all.alternatives.filter { $0.price <= limit }))
      // All but the last have no room.
      let walked = [quote] + quote.alternatives
      for offer in walked.dropLast() {
        try await aws.control(
          "capacity", #"{"type": "\#(offer.instanceType)", "zone": "\#(offer.zone ?? "")", "count": 0}"#)
      }
      let launched = try await place.launch(job)
      let last = try #require(walked.last)
      #expect(launched.instance.type == last.instanceType && launched.instance.zone == last.zone)
      #expect(launched.price == last.price)
      let plan = try #require(try await place.provider.journal(job.id, 1, place.objects)).plan
      #expect(plan.candidates.map { [$0.type, $0.zone] } == walked.map { [$0.instanceType, $0.zone] })
      #expect(plan.index == walked.count - 1)
    }
  }

  @Test("The bundle tells where an image without rclone gets it, unless that is left to its packages")
  func rclone() async throws {
    try await LoopbackServer.aws { aws in
      for (archive, expected) in [
        (AWSProviderSettings.rcloneRelease, "cc_rclone_url='https://downloads.rclone.org/"), (nil, "cc_rclone_url=''"),
      ] as [(String?, String)] {
        let place = StandIn(aws) {
          $0.rcloneArchive = archive
          $0.rcloneSums = ["amd64": "0123"]
        }
        let job = place.job()
        let launched = try await place.launch(job)
        let bundle = try #require(try await place.objects.read("\(job.id)/attempts/1.bundle", limit: 1 << 20))
        let text = String(decoding: bundle, as: UTF8.self)
        #expect(text.contains(expected) && text.contains("cc_rclone_sums='amd64 0123'"))
        _ = await place.provider.terminate(place.reference(job, launched), finalSync: false)
      }
    }
  }

  @Test(
    "Whoever is gone is not judged without his last words: they count when EC2 has forgotten him, and are waited for")
  func lastWords() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      let reference = place.reference(job, try await place.launch(job))
      let word = Beacon(
        job: job.id.rawValue, attempt: 1, phase: .finished, heartbeatAt: StandIn.now.rawValue, exitCode: 0)
      let text = try JSONEncoder().encode(word)
      try await place.objects.write("_cloudjobs/beacons/\(reference.token).json", Array(text))
      // An order that can't be written is tried again, and is no reason to end the instance without its last copy.
      place.objects.with { $0.failure = AWSError(.unavailable, "slow down") }
      guard case .failed = await place.provider.terminate(reference, finalSync: true) else {
        Issue.record("taken for ended")
        return
      }
      #expect(try await aws.state().instances.allSatisfy { $0.state != "terminated" && $0.state != "shutting-down" })
      try await aws.control("shutdown", #"{"instance": "\#(reference.instance.id)"}"#)
      try await aws.control("clock", #"{"advance": 60}"#)
      guard case .unreachable(let why) = await place.provider.observe([reference])[reference.token] else {
        Issue.record("judged without its words")
        return
      }
      #expect(why.contains("slow down"))
      for forgets in [false, true] {
        if forgets { try await aws.control("clock", #"{"advance": 8000}"#) }
        place.objects.with { $0.failure = nil }
        // Another provider: nothing is known from before.
        let place = StandIn(aws, objects: place.objects)
        guard case .known(let report) = await place.provider.observe([reference])[reference.token] else {
          Issue.record("forgotten")
          return
        }
        #expect(report.state == .terminated && report.beacon?.exitCode == 0 && report.endReason == nil)
        #expect(report.endedAt != nil)
        place.objects.with { $0.failure = AWSError(.unavailable, "slow down") }
        guard
          case .unreachable = await StandIn(aws, objects: place.objects).provider.observe([reference])[reference.token]
        else {
          Issue.record("judged without its words, forgotten: \(forgets)")
          return
        }
      }
    }
  }

  @Test("Types that burst are asked for without what is charged beside the spot price")
  func bursting() {
    func parameters(_ type: String) -> [String: String] {
      let order = LaunchOrder(
        candidate: LaunchPlan.Candidate(type: type, region: "us-east-1", price: 1), clientToken: "t", image: "ami-1",
        userData: "", tags: [:])
      return Dictionary(order.parameters.map { ($0.0, $0.1) }) { first, _ in first }
    }
    #expect(parameters("t3.large")["CreditSpecification.CpuCredits"] == "standard")
    #expect(parameters("t4g.small")["CreditSpecification.CpuCredits"] == "standard")
    #expect(parameters("c5.large")["CreditSpecification.CpuCredits"] == nil)
    #expect(parameters("trn1.2xlarge")["CreditSpecification.CpuCredits"] == nil)
  }

  // Every fault hits twice: libcurl asks anew by itself on a connection that was used before.

  @Test("An answer that was lost is found again, and nothing is launched twice", arguments: [1, 3])
  func lostAnswer(_ tries: Int) async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: tries)
      let job = place.job()
      try await aws.control("fault", #"{"kind": "drop_after", "action": "RunInstances", "times": 2}"#)
      let answer = await place.provider.launch(LaunchRequest(job))
      if tries == 1 {
        guard case .unknown = answer else {
          Issue.record("\(answer)")
          return
        }
      }
      try await aws.control("release")
      guard case .found(let found) = await place.provider.find(LaunchRequest(job)) else {
        Issue.record("not found")
        return
      }
      #expect(try await place.launch(job).instance.id == found.instance.id)
      #expect(try await aws.state().instances.count == 1)
    }
  }

  @Test("A call that was cut before it arrived launched nothing, and the next one does")
  func lostCall() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      #expect(await place.provider.find(LaunchRequest(job)) == .absent)
      try await aws.control("fault", #"{"kind": "drop_before", "action": "RunInstances", "times": 2}"#)
      _ = await place.provider.launch(LaunchRequest(job))
      try await aws.control("release")
      #expect(await place.provider.find(LaunchRequest(job)) == .absent)
      _ = try await place.launch(job)
      #expect(try await aws.state().instances.count == 1)
    }
  }

  @Test("Where there is no capacity the next offer is taken, and whoever goes on after a crash stays with it")
  func capacity() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      let first = try #require(try await place.provider.candidates(job.spec, avoid: []).first)
      try await aws.control("capacity", #"{"type": "c5.large", "zone": "\#(first.zone ?? "")", "count": 0}"#)
      // The second call launches, and nobody hears of it.
      try await aws.control("fault", #"{"kind": "drop_after", "action": "RunInstances", "after": 1, "times": 2}"#)
      guard case .unknown = await place.provider.launch(LaunchRequest(job)) else {
        Issue.record("it should not be known")
        return
      }
      try await aws.control("release")
      // Now the first zone would have room, but that is over.
      try await aws.control("capacity", #"{"type": "c5.large", "zone": "\#(first.zone ?? "")", "count": null}"#)
      let next = StandIn(aws, objects: place.objects)
      let launched = try await next.launch(job)
      #expect(launched.instance.zone != first.zone)
      #expect(try await aws.state().instances.count == 1)
    }
  }

  @Test("Without capacity anywhere it is refused, in words, and no spot request stays open")
  func nowhere() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      try await aws.control("capacity", #"{"count": 0}"#)
      guard case .refused(.capacity, let words) = await place.provider.launch(LaunchRequest(place.job())) else {
        Issue.record("not refused")
        return
      }
      #expect(words.contains("c5.large in us-east-1"))
      let state = try await aws.state()
      #expect(state.instances.isEmpty)
      #expect(state.regions.values.flatMap(\.requests).allSatisfy { !["open", "active"].contains($0.state) })
    }
  }

  @Test("With a subnet nothing is tried outside its zone, and one that is nowhere is named")
  func subnet() async throws {
    try await LoopbackServer.aws { aws in
      let none = StandIn(aws) { $0.subnet = "subnet-0123456789abcdef0" }
      guard case .refused(.launchError, let words) = await none.provider.launch(LaunchRequest(none.job())) else {
        Issue.record("not refused")
        return
      }
      #expect(words.contains("there is no subnet subnet-0123456789abcdef0 in us-east-1"))
      let plain = StandIn(aws)
      let reply = try await plain.provider.ec2.client.call(.ec2, action: "DescribeSubnets")
      let subnet = try #require(reply.items("subnetSet").last)
      let place = StandIn(aws) { $0.subnet = subnet.text("subnetId") }
      let launched = try await place.launch(place.job("b1b2c3d4"))
      #expect(launched.instance.zone == subnet.text("availabilityZone"))
    }
  }

  @Test("A refusal that no other zone would lift is told with its remedy")
  func denied() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      try await aws.control("deny", #"{"action": "ec2:RunInstances"}"#)
      guard case .refused(.launchError, let words) = await place.provider.launch(LaunchRequest(place.job())) else {
        Issue.record("not refused")
        return
      }
      #expect(words.contains("RunInstances"))
      #expect(
        await place.provider.launch(LaunchRequest(place.job("b1b2c3d4") { $0.s3Bucket = nil }))
          == .refused(.launchError, "no bucket is named for the inputs; give run --s3-bucket, or aws.s3_bucket"))
    }
  }

  @Test("A new attempt avoids the zones that took the earlier ones back, unless it is to stay")
  func recovery() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      for (zones, stays) in [(RecoveryRule.Zones.other, false), (.same, true)] {
        var job = place.job(stays ? "a1b2c3d5" : "a1b2c3d4") {
          $0.recovery = RecoveryRule(maxAttempts: 3, zones: zones)
        }
        let first = try await place.launch(job)
        job.attempt = Attempt(job: job.id, number: 2, requestedAt: StandIn.now)
        let second = try await place.launch(job)
        #expect((first.instance.zone == second.instance.zone) == stays && first.instance.id != second.instance.id)
      }
    }
  }

  @Test("The client token is the same for the same launch, and another one for every other")
  func tokens() {
    let candidate = LaunchPlan.Candidate(type: "c5.large", region: "us-east-1", zone: "us-east-1a", price: 1)
    func token(_ database: String = "d", _ attempt: String = "a-1", _ candidate: LaunchPlan.Candidate, _ index: Int = 0)
      -> String
    {
      LaunchOrder.clientToken(database: database, attempt: attempt, candidate: candidate, index: index)
    }
    var other = candidate
    other.zone = "us-east-1b"
    let all = [
      token("d", "a-1", candidate), token("e", "a-1", candidate), token("d", "a-2", candidate),
      token("d", "a-1", other),
      token("d", "a-1", candidate, 1),
    ]
    #expect(Set(all).count == all.count && all.allSatisfy { $0.utf8.count <= 64 && $0.utf8.allSatisfy { $0 < 128 } })
    #expect(all[0] == token("d", "a-1", candidate))
  }
}

@Suite(
  "What EC2 says of instances",
  .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct ObserveTests {
  @Test("Instances are known with their addresses, and an unknown id spoils no other answer")
  func observe() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      var references: [InstanceReference] = []
      for id in ["a1b2c3d4", "b1b2c3d4", "c1b2c3d4"] {
        let job = place.job(id)
        references.append(place.reference(job, try await place.launch(job)))
      }
      try await place.reaches("running")
      for (index, id) in ["i-0123456789abcdef0", "i-0123456789abcdef1"].enumerated() {
        var stranger = references[0]
        stranger.token = "stranger-\(index)"
        stranger.instance.id = id
        references.append(stranger)
      }
      let answers = await place.provider.observe(references)
      for reference in references.prefix(3) {
        guard case .known(let report) = answers[reference.token] else {
          Issue.record("\(String(describing: answers[reference.token]))")
          continue
        }
        #expect(report.state == .running && report.publicIP != nil && report.beacon == nil)
      }
      #expect(answers["stranger-0"] == .absent && answers["stranger-1"] == .absent)
    }
  }

  @Test("A silent EC2 is no reason to give an instance up")
  func unreachable() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      let reference = place.reference(job, try await place.launch(job))
      try await aws.control("fault", #"{"kind": "drop_before", "action": "DescribeInstances", "times": 2}"#)
      guard case .unreachable = await place.provider.observe([reference])[reference.token] else {
        Issue.record("it should be unreachable")
        return
      }
      try await aws.control("release")
      guard case .known = await place.provider.observe([reference])[reference.token] else {
        Issue.record("it should be known again")
        return
      }
    }
  }

  @Test("What EC2 holds back is named, with its region and since when")
  func throttled() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1)
      let job = place.job()
      let reference = InstanceReference(
        job: job.id, attempt: 1, token: job.attempt.token,
        instance: Instance(id: "i-0123456789abcdef0", type: "c5.large", region: "us-east-1"))
      #expect(place.provider.throttled().isEmpty)
      let start = StandIn.now
      try await aws.control(
        "fault", #"{"kind": "error", "action": "DescribeInstances", "code": "RequestLimitExceeded", "status": 503}"#)
      _ = await place.provider.observe([reference])
      let calls = try #require(place.provider.throttled().first)
      #expect(place.provider.throttled().count == 1 && calls.refusals == 1 && calls.since >= start)
      #expect(
        calls.kind == .init(provider: .aws, service: "ec2", action: "DescribeInstances", region: "us-east-1"))
    }
  }

  @Test("Why an instance ended is told apart: taken back, ended from outside, switched off by itself")
  func reasons() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let jobs = ["a1b2c3d4", "b1b2c3d4", "c1b2c3d4"].map { place.job($0) }
      var references: [InstanceReference] = []
      for job in jobs { references.append(place.reference(job, try await place.launch(job))) }
      try await place.reaches("running")
      try await aws.control("interrupt", #"{"instance": "\#(references[0].instance.id)", "reason": "no-capacity"}"#)
      try await aws.control("shutdown", #"{"instance": "\#(references[2].instance.id)"}"#)
      #expect(await place.provider.terminate(references[1], finalSync: false) == .accepted)
      // The one that is taken back runs on for two minutes.
      if case .known(let report) = await place.provider.observe(references)[references[0].token] {
        #expect(report.state == .running && report.endReason == nil)
      }
      try await place.reaches("terminated")
      let answers = await place.provider.observe(references)
      let reports = references.compactMap { reference -> Observation.Report? in
        if case .known(let report) = answers[reference.token] { report } else { nil }
      }
      #expect(reports.map(\.state) == [.terminated, .terminated, .terminated])
      #expect(reports.map(\.endReason) == [.preempted, .stoppedOutside, .shutDown])
      #expect(reports.allSatisfy { $0.endMessage != nil } && reports[1].endedAt != nil)
      let requests = try await aws.state().regions.values.flatMap(\.requests)
      #expect(requests.allSatisfy { !["open", "active"].contains($0.state) }, "\(requests)")
    }
  }

  @Test("One id that EC2 has forgotten does not spare the others, and ending twice is no error")
  func terminate() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      let reference = place.reference(job, try await place.launch(job))
      try await place.provider.ec2.terminate(["i-0123456789abcdef0", reference.instance.id], region: "us-east-1")
      try await place.reaches("terminated")
      #expect(await place.provider.terminate(reference, finalSync: false) == .accepted)
      try await aws.advance(7200)
      #expect(await place.provider.terminate(reference, finalSync: false) == .accepted)
      #expect(await place.provider.observe([reference])[reference.token] == .absent)
    }
  }

  @Test("The fleet is every instance with our tags in all regions, and a silent region is named")
  func fleet() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws, maxTries: 1, regions: ["us-east-1", "eu-west-1"])
      _ = try await place.launch(place.job())
      try await aws.control(
        "bulk",
        ##"{"count": 3, "type": "c5.large", "region": "eu-west-1", "zone": "eu-west-1a", "tags": {"cloudjobs:job": "d1b2c3d4", "cloudjobs:token": "d1b2c3d4-{n}"}}"##
      )
      try await aws.control(
        "bulk",
        #"{"count": 2, "type": "c5.large", "region": "eu-west-1", "zone": "eu-west-1a", "tags": {"other": "x"}}"#)
      var answer = await place.provider.fleet(alsoIn: [])
      #expect(answer.failures.isEmpty && answer.members.count == 4)
      #expect(answer.members.filter { $0.database == StandIn.database }.map(\.token) == ["a1b2c3d4-1"])
      try await aws.control(
        "fault", #"{"kind": "drop_before", "action": "DescribeInstances", "region": "eu-west-1"}"#)
      answer = await place.provider.fleet(alsoIn: [])
      #expect(answer.members.count == 1 && answer.failures.keys.sorted() == ["eu-west-1"])
    }
  }
}

@Suite("Beacons in a bucket")
struct BeaconIndexTests {
  private func put(_ objects: MemoryObjects, _ token: String, phase: Beacon.Phase) {
    let beacon = Beacon(job: String(token.dropLast(2)), attempt: 1, phase: phase, heartbeatAt: 0)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let bytes = Array((try? encoder.encode(beacon)) ?? Data())
    objects.with { $0.objects[BucketKeys.beacon(token)] = (bytes, $0.now) }
  }

  @Test("Only what changed is read, and the object's time is the heartbeat")
  func changes() async throws {
    let objects = MemoryObjects()
    let index = BeaconIndex(objects: objects, freshness: .seconds(1), now: { objects.with { $0.now } })
    let tokens = (0..<50).map { "job0\(1000 + $0)-1" }
    for token in tokens { put(objects, token, phase: .running) }
    let start = objects.with { $0.now }
    var found = try await index.beacons(of: tokens + ["nobody00-1"])
    #expect(found.count == 50 && found.values.allSatisfy { $0.heartbeatAt == start.rawValue })
    #expect(objects.with { $0.reads.count } == 50 && objects.with { $0.lists } == 1)
    // Within a moment nobody asks again.
    found = try await index.beacons(of: tokens)
    #expect(objects.with { $0.lists } == 1)
    objects.with { $0.now = $0.now + .seconds(60) }
    for token in tokens { put(objects, token, phase: token == tokens[7] ? .finished : .running) }
    found = try await index.beacons(of: tokens)
    #expect(objects.with { $0.reads.count } == 51 && objects.with { $0.lists } == 2)
    #expect(found[tokens[7]]?.phase == .finished)
    #expect(found.values.allSatisfy { $0.heartbeatAt == start.rawValue + 60_000 })
    #expect(try await index.knows(tokens[0]))
    #expect(try await !index.knows("nobody00-1"))
  }

  @Test(
    "A clock that differs from the bucket's makes no silence")
  func skew() async throws {
    for skew in [1860, -1860] {
      let objects = MemoryObjects()
      let index = BeaconIndex(objects: objects, freshness: .seconds(1), now: { objects.with { $0.now } })
      objects.with { $0.skew = .seconds(skew) }
      put(objects, "job01000-1", phase: .running)
      let written = objects.with { $0.now }
      #expect(
        try await index.beacons(of: ["job01000-1"])["job01000-1"]?.heartbeatAt
          == (written - .seconds(skew)).rawValue)
    }
  }

  @Test("A listing that takes longer than it stays fresh is made once, for everybody who waits for it")
  func slowListing() async throws {
    let objects = MemoryObjects()
    let index = BeaconIndex(objects: objects, freshness: .seconds(1), now: { objects.with { $0.now } })
    put(objects, "job01000-1", phase: .running)
    objects.with { $0.listTime = .seconds(3) }
    #expect(try await index.beacons(of: ["job01000-1"]).count == 1)
    #expect(objects.with { $0.lists } == 1)
    // It is old by then, so the next look makes its own.
    #expect(try await index.beacons(of: ["job01000-1"]).count == 1)
    #expect(objects.with { $0.lists } == 2)
  }

  @Test("What is no beacon is none, and a bucket that fails says so")
  func failures() async throws {
    let objects = MemoryObjects()
    let index = BeaconIndex(objects: objects, freshness: .zero, now: { objects.with { $0.now } })
    objects.with {
      $0.objects[BucketKeys.beacon("job01000-1")] = (Array("{\"version\":1,".utf8), $0.now)
      $0.objects[BucketKeys.beacons + "README"] = ([], $0.now)
    }
    #expect(try await index.beacons(of: ["job01000-1"]).isEmpty)
    objects.with { $0.failure = AWSError(.denied, "no") }
    await #expect(throws: AWSError.self) { try await index.beacons(of: ["job01000-1"]) }
    objects.with { $0.failure = nil }
    put(objects, "job01000-1", phase: .running)
    #expect(try await index.beacons(of: ["job01000-1"]).count == 1)
  }
}
