import Foundation
import JobModel
import Logging
import ProviderKit
import Synchronization
import TestSupport
import Testing
import Transport

@testable import AWSProvider

/// The provider over the stand-in, with a clock that the test moves and a folder for the cache.
private struct MarketPlace {
  let aws: LoopbackAWS
  let folder: String
  let ahead: Ahead

  final class Ahead: Sendable {
    private let seconds = Mutex<Int64>(0)
    func advance(_ more: Int64) { seconds.withLock { $0 += more } }
    var now: Timestamp { StandIn.now + .seconds(seconds.withLock { $0 }) }
  }

  static func run(_ body: (MarketPlace) async throws -> Void) async throws {
    let folder = NSTemporaryDirectory() + "cloudjobs-market-\(UUID().uuidString)/cache"
    defer { try? FileManager.default.removeItem(atPath: (folder as NSString).deletingLastPathComponent) }
    try await LoopbackServer.aws { aws in
      try await body(MarketPlace(aws: aws, folder: folder, ahead: Ahead()))
    }
  }

  /// As another process would make it.
  func provider(_ change: (inout AWSProviderSettings) -> Void = { _ in }) -> AWSProvider {
    var settings = AWSProviderSettings(regions: ["us-east-1", "eu-west-1"])
    settings.instanceTypes = ["c5.large", "r5.large"]
    change(&settings)
    let ahead = ahead
    let client = AWSClient(
      settings: AWSSettings(
        region: "us-east-1", endpoints: AWSEndpoints(global: Endpoint(url: aws.endpoint)), maxTries: 1),
      http: HTTPClient(),
      credentials: StaticCredentials(
        AWSCredentials(accessKeyID: LoopbackAWS.keyID, secretKey: Secret(LoopbackAWS.secret), source: "test")),
      clock: AWSClock(now: { StandIn.now }, sleep: { try await Task.sleep(for: max(.zero, $0 - StandIn.now)) }))
    return AWSProvider(
      settings: settings, client: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      now: { ahead.now }, marketCache: MarketCache(folder: folder, now: { ahead.now }),
      objects: { _ in MemoryObjects() })
  }

  func calls(_ action: String) async throws -> Int {
    try await aws.state().calls.values.reduce(0) { $0 + ($1[action] ?? 0) }
  }

  /// Prices by seconds before now.
  func set(_ zone: String, _ type: String, _ records: [(Int, String)]) async throws {
    let text = records.map { "[\($0.0), \($0.1)]" }.joined(separator: ", ")
    let region = String(zone.dropLast())
    try await aws.control(
      "prices", #"{"region": "\#(region)", "zone": "\#(zone)", "type": "\#(type)", "records": [\#(text)]}"#)
  }
}

@Suite(
  "Spot prices of EC2", .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct MarketTests {
  @Test("Every zone of every region has its offers, with a history of seven days")
  func offers() async throws {
    try await MarketPlace.run { place async throws in
      let day = 86_400
      try await place.set("us-east-1a", "c5.large", [(9 * day, "0.05"), (3 * day, "0.03"), (day, "0.04")])
      let progress = Mutex<[MarketProgress]>([])
      let market = try await place.provider().market(MarketWish()) { step in progress.withLock { $0.append(step) } }
      #expect(market.failures.isEmpty && market.leftOut == 0)
      #expect(Set(market.offers.map(\.region)) == ["us-east-1", "eu-west-1"])
      #expect(Set(market.offers.map(\.type)) == ["c5.large", "r5.large"])
      let offer = try #require(market.offers.first { $0.zone == "us-east-1a" && $0.type == "c5.large" })
      #expect(offer.cores == 2 && offer.memory == 4096 && offer.gpus == 0 && offer.provider == .aws)
      #expect(offer.price == HourlyPrice("0.04"))
      // The price that held seven days ago is older than that.
      #expect(offer.history.map(\.price) == [HourlyPrice("0.05"), HourlyPrice("0.03"), HourlyPrice("0.04")])
      #expect(progress.withLock { $0.map(\.answered) } == [0, 1, 2])
      #expect(progress.withLock { $0.allSatisfy { $0.regions == 2 } })
    }
  }

  @Test("Asked again within five minutes nothing is called, not by another process either; then it is")
  func cache() async throws {
    try await MarketPlace.run { place async throws in
      let first = place.provider()
      let market = try await first.market(MarketWish())
      let calls = try await place.calls("DescribeSpotPriceHistory") + place.calls("DescribeInstanceTypes")
      #expect(try await first.market(MarketWish()) == market)
      place.ahead.advance(200)
      #expect(try await place.provider().market(MarketWish()) == market)
      func count() async throws -> Int {
        try await place.calls("DescribeSpotPriceHistory") + place.calls("DescribeInstanceTypes")
      }
      #expect(try await count() == calls)
      for name in try FileManager.default.contentsOfDirectory(atPath: place.folder) {
        let attributes = try FileManager.default.attributesOfItem(atPath: place.folder + "/" + name)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        #expect(name.hasPrefix("prices-") && name.hasSuffix(".json"))
      }
      // Another question is another one.
      _ = try await place.provider { $0.maximumPrice = HourlyPrice("9") }.market(MarketWish())
      let more = try await count()
      #expect(more == 2 * calls)
      place.ahead.advance(101)
      _ = try await first.market(MarketWish())
      #expect(try await count() > more)
    }
  }

  @Test("A cache that is damaged, or of another form, is as good as none", arguments: ["", "{", "damaged", "version"])
  func damage(_ kind: String) async throws {
    try await MarketPlace.run { place async throws in
      let wish = MarketWish(regions: ["us-east-1"])
      let market = try await place.provider().market(wish)
      let name = try #require(try FileManager.default.contentsOfDirectory(atPath: place.folder).first)
      let path = place.folder + "/" + name
      let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
      let broken =
        switch kind {
        case "damaged": text.replacing("\"vcpus\":2", with: "\"vcpus\":-2")
        case "version": text.replacing("\"version\":1", with: "\"version\":7")
        default: kind
        }
      #expect(broken != text)
      try Data(broken.utf8).write(to: URL(fileURLWithPath: path))
      let calls = try await place.calls("DescribeSpotPriceHistory")
      #expect(try await place.provider().market(wish).offers.map(\.type) == market.offers.map(\.type))
      #expect(try await place.calls("DescribeSpotPriceHistory") == calls + 1)
    }
  }

  @Test("A region that fails is named, the others answer; if none does, that is an error")
  func failures() async throws {
    try await MarketPlace.run { place async throws in
      try await place.aws.control(
        "fault",
        #"{"kind": "error", "code": "InternalError", "message": "sorry", "status": 500, "region": "eu-west-1", "action": "DescribeSpotPriceHistory"}"#
      )
      let market = try await place.provider().market(MarketWish())
      #expect(Set(market.offers.map(\.region)) == ["us-east-1"])
      #expect(market.failures.keys.sorted() == ["eu-west-1"])
      #expect(market.failures["eu-west-1"]?.contains("InternalError") == true)
      await #expect(throws: ProviderError.self) {
        try await place.provider().market(MarketWish(regions: ["eu-west-1"]))
      }
      // A failure is not remembered.
      try await place.aws.control("release")
      #expect(try await place.provider().market(MarketWish()).failures.isEmpty)
    }
  }

  @Test("Of very many types the dear ones are left out, and what is left is within the needs and the price")
  func manyTypes() async throws {
    try await MarketPlace.run { place async throws in
      let provider = place.provider {
        $0.instanceTypes = []
        $0.hardware = HardwareNeeds(minimumCores: 4, maximumCores: 16)
        $0.maximumPrice = HourlyPrice("0.2")
      }
      let market = try await provider.market(MarketWish(regions: ["us-east-1"]))
      let types = Set(market.offers.map(\.type))
      #expect(!types.isEmpty && types.count <= TypeSelection.limit && market.leftOut > 100)
      #expect(market.offers.allSatisfy { (4...16).contains($0.cores) && $0.gpus == 0 && $0.price.dollars <= 0.2 })
      // Two pages of types at most for each hundred, and the history of forty types only.
      #expect(try await place.aws.state().throttled.isEmpty)
    }
  }

  @Test("A type that is named is asked for as it is, and one that no region has is no error")
  func named() async throws {
    try await MarketPlace.run { place async throws in
      let provider = place.provider { $0.hardware = HardwareNeeds(minimumCores: 64) }
      let found = try await provider.market(MarketWish(instanceType: "m5.large"))
      #expect(Set(found.offers.map(\.type)) == ["m5.large"])
      let none = try await provider.market(MarketWish(instanceType: "q9.huge"))
      #expect(none.offers.isEmpty && none.failures.isEmpty && none.askedAt != nil)
    }
  }

  @Test(
    "What is no region goes to nobody",
    arguments: ["", "us-east", "evil.com/", "us-east-1.evil.com", "US-EAST-1", "us east-1"])
  func regions(_ name: String) async throws {
    #expect(!AWSProvider.isRegion(name))
    #expect(throws: ProviderError.self) {
      try AWSProvider.regions(MarketWish(regions: [name]), AWSProviderSettings(regions: ["us-east-1"]))
    }
  }

  @Test(
    "Regions are asked once each",
    arguments: ["us-east-1", "ap-southeast-2", "us-gov-west-1", "cn-north-1", "us-iso-east-1"])
  func goodRegions(_ name: String) throws {
    let wish = MarketWish(regions: [name, name])
    #expect(try AWSProvider.regions(wish, AWSProviderSettings(regions: ["eu-west-1"])) == [name])
  }
}

@Suite("Which types are looked at")
struct TypeSelectionTests {
  private func price(_ type: String, _ dollars: Int64, zone: String = "a", at second: Int64 = 0) -> SpotPrice {
    SpotPrice(
      type: type, region: "r", zone: zone, price: HourlyPrice(microdollars: dollars * 1000),
      from: Timestamp(seconds: second))
  }

  private func types(_ facts: [(String, Int, Int64)]) throws -> [InstanceType] {
    try facts.map { name, cores, memory in
      let text = """
        <item><instanceType>\(name)</instanceType><vCpuInfo><defaultVCpus>\(cores)</defaultVCpus></vCpuInfo>
        <memoryInfo><sizeInMiB>\(memory)</sizeInMiB></memoryInfo></item>
        """
      return try #require(InstanceType(try XMLReader.read(Array(text.utf8))))
    }
  }

  @Test("by turns the best per core, at all, and per GiB, by the latest price of the best zone")
  func turns() throws {
    let all = try types([
      ("wide", 100, 10), ("cheap", 1, 10), ("roomy", 1, 10_000), ("dear", 2, 11), ("unpriced", 9, 9),
    ])
    let prices = [
      price("wide", 100), price("cheap", 90), price("cheap", 10, zone: "b"), price("roomy", 1, at: -5),
      price("roomy", 100),
      price("dear", 500),
    ]
    #expect(TypeSelection.best(all, prices: prices, limit: 3) == ["wide", "cheap", "roomy"])
    #expect(TypeSelection.best(all, prices: prices).sorted() == ["cheap", "dear", "roomy", "wide"])
    #expect(TypeSelection.best(all, prices: prices, limit: 1) == ["wide"])
    #expect(TypeSelection.best(all, prices: []).isEmpty)
  }
}

@Suite(
  "What instances of EC2 are charged",
  .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
struct PriceTrackingTests {
  private func reference(_ token: String, _ type: String, _ zone: String?, region: String = "us-east-1")
    -> InstanceReference
  {
    InstanceReference(
      job: JobID("a1b2c3d4")!, attempt: 1, token: token,
      instance: Instance(id: "i-" + token, type: type, region: region, zone: zone))
  }

  @Test("each instance has the prices of its own zone since its own moment; one call a region answers all")
  func segments() async throws {
    try await MarketPlace.run { place async throws in
      try await place.set("us-east-1a", "c5.large", [(9000, "0.05"), (5000, "0.06"), (1000, "0.07")])
      try await place.set("us-east-1b", "c5.large", [(9000, "0.01")])
      let provider = place.provider()
      let now = place.ahead.now
      let early = now - .seconds(8000)
      let questions = [
        (reference: reference("one", "c5.large", "us-east-1a"), since: early),
        (reference: reference("two", "c5.large", "us-east-1b"), since: now - .seconds(100)),
        (reference: reference("three", "r5.large", "eu-west-1a", region: "eu-west-1"), since: early),
        (reference: reference("lost", "c5.large", nil), since: early),
      ]
      let answers = await provider.priceChanges(of: questions)
      #expect(answers.keys.sorted() == ["one", "three", "two"])
      #expect(answers["one"]?.map(\.price) == ["0.05", "0.06", "0.07"].map { HourlyPrice($0)! })
      #expect(answers["one"]?.first?.from == early)
      #expect(answers["two"] == [PriceSegment(from: now - .seconds(100), price: HourlyPrice("0.01")!)])
      #expect(try await place.calls("DescribeSpotPriceHistory") == 2)
      // Within five minutes it is known, also for later moments.
      _ = await provider.priceChanges(of: questions.map { ($0.reference, now - .seconds(50)) })
      #expect(try await place.calls("DescribeSpotPriceHistory") == 2)
      // A change that came meanwhile is found, and what was known is still known.
      place.ahead.advance(400)
      try await place.set("us-east-1a", "c5.large", [(9000, "0.05"), (5000, "0.06"), (1000, "0.07"), (1, "0.09")])
      let later = await provider.priceChanges(of: [questions[0]])
      #expect(later["one"]?.map(\.price) == ["0.05", "0.06", "0.07", "0.09"].map { HourlyPrice($0)! })
      #expect(try await place.calls("DescribeSpotPriceHistory") == 3)
    }
  }

  @Test("a region that does not answer leaves its instances out")
  func failure() async throws {
    try await MarketPlace.run { place async throws in
      try await place.aws.control(
        "fault", #"{"kind": "error", "code": "InternalError", "message": "no", "status": 500, "region": "eu-west-1"}"#)
      let now = place.ahead.now
      let answers = await place.provider().priceChanges(of: [
        (reference: reference("one", "c5.large", "us-east-1a"), since: now),
        (reference: reference("two", "c5.large", "eu-west-1a", region: "eu-west-1"), since: now),
      ])
      #expect(answers.keys.sorted() == ["one"])
    }
  }
}
