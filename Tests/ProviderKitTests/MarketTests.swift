import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

private let now = Timestamp(seconds: 1_800_000_000)
private let day = Duration.seconds(86_400)

private func segments(_ prices: (days: Int64, dollars: String)...) -> [PriceSegment] {
  prices.map { PriceSegment(from: now - .seconds($0.days * 86_400), price: HourlyPrice($0.dollars)!) }
}

private func offer(
  _ type: String, cores: Int, memory: Int64, _ price: String, zone: String = "us-east-1a",
  history: [PriceSegment]? = nil
) -> MarketOffer {
  let price = HourlyPrice(price)!
  return MarketOffer(
    provider: .aws, type: type, region: "us-east-1", zone: zone, cores: cores, memory: memory * 1024, gpus: 0,
    price: price, history: history ?? [PriceSegment(from: now - day * 7, price: price)])
}

@Suite("Statistics of a price")
struct PriceStatisticsTests {
  @Test("each price counts by how long it held")
  func weights() throws {
    // 10 cents for four days, 20 cents for two; before the window it was 90 cents.
    let found = try #require(
      PriceStatistics(segments((20, "0.9"), (6, "0.1"), (2, "0.2")), from: now - day * 6, to: now))
    #expect(found.low == HourlyPrice("0.1") && found.high == HourlyPrice("0.2"))
    #expect(abs(found.mean - 0.8 / 6) < 1e-12)
    #expect(abs(found.volatility - 0.125.squareRoot()) < 1e-9)
    #expect(found.changes == 1)
  }

  @Test("a price that held before the window holds in it; one that comes later does not count")
  func edges() throws {
    let steady = try #require(PriceStatistics(segments((30, "0.5")), from: now - day * 7, to: now))
    #expect(steady.low == steady.high && steady.mean == 0.5 && steady.volatility == 0 && steady.changes == 0)
    let future = [PriceSegment(from: now + day, price: HourlyPrice("9")!)]
    #expect(PriceStatistics(future, from: now - day, to: now) == nil)
    let mixed = try #require(PriceStatistics(segments((30, "0.5")) + future, from: now - day * 7, to: now))
    #expect(mixed == steady)
    #expect(PriceStatistics([], from: now - day, to: now) == nil)
    // One that began just now.
    #expect(PriceStatistics(segments((0, "0.3")), from: now - day, to: now)?.mean == 0.3)
    #expect(PriceStatistics(segments((3, "0")), from: now - day, to: now)?.volatility == 0)
  }

  @Test("bounds and mean fit each other, whatever the history")
  func walks() throws {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<300 {
      var at = now - .seconds(.random(in: 0...900_000, using: &generator))
      let history = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
        at = at + .seconds(.random(in: 0...60_000, using: &generator))
        return PriceSegment(from: at, price: HourlyPrice(microdollars: .random(in: 0...3_000_000, using: &generator)))
      }
      guard let found = PriceStatistics(history, from: now - day * 7, to: now) else {
        #expect(history[0].from > now)
        continue
      }
      #expect(found.low.dollars <= found.mean + 1e-9 && found.mean <= found.high.dollars + 1e-9)
      #expect(found.volatility >= 0 && found.volatility.isFinite && found.changes < history.count)
      for style in [PriceChart.Style.blocks, .ascii] {
        #expect(PriceChart.text(history, from: now - day * 7, to: now, style: style).count == 16)
      }
    }
  }
}

@Suite("The chart of a price")
struct PriceChartTests {
  private func chart(_ history: [PriceSegment], _ style: PriceChart.Style = .blocks) -> String {
    PriceChart.text(history, from: now - day * 8, to: now, width: 8, style: style)
  }

  @Test("goes from the lowest to the highest price")
  func range() {
    let rising = segments(
      (8, "0.1"), (7, "0.2"), (6, "0.3"), (5, "0.4"), (4, "0.5"), (3, "0.6"), (2, "0.7"), (1, "0.8"))
    #expect(chart(rising) == "▁▂▃▄▅▆▇█")
    #expect(chart(rising, .ascii) == "_.,-=+*#")
    #expect(chart(segments((8, "0.1"), (4, "0.4"))) == "▁▁▁▁████")
  }

  @Test("what hardly moves is no mountain, and what is not known is blank")
  func quiet() {
    #expect(chart(segments((9, "0.5"))) == "▁▁▁▁▁▁▁▁")
    #expect(chart(segments((9, "1.0"), (4, "1.01"))) == "▁▁▁▁▂▂▂▂")
    #expect(chart(segments((4, "0.1"), (2, "0.2"))) == "    ▁▁██")
    #expect(chart([]) == "        " && chart(segments((9, "0"))) == "▁▁▁▁▁▁▁▁")
  }
}

@Suite("The ranking of offers")
struct MarketRankingTests {
  private let small = offer("small", cores: 2, memory: 4, "0.03")
  private let wide = offer("wide", cores: 32, memory: 64, "0.32")
  private let roomy = offer("roomy", cores: 4, memory: 64, "0.12")

  @Test("each order puts its own first")
  func orders() {
    let jumpy = offer("jumpy", cores: 8, memory: 8, "0.4", history: segments((7, "0.2"), (3, "0.6"), (1, "0.4")))
    let ranking = MarketRanking([jumpy, small, wide, roomy], at: now)
    func names(_ order: MarketRanking.Order) -> [String] { ranking.sorted(by: order).map(\.offer.type) }
    #expect(names(.perCore) == ["wide", "small", "roomy", "jumpy"])
    #expect(names(.price) == ["small", "roomy", "wide", "jumpy"])
    #expect(names(.memory) == ["roomy", "wide", "small", "jumpy"])
    #expect(names(.volatility).last == "jumpy")
  }

  @Test("three choices, each with its reason")
  func choices() {
    let choices = MarketRanking([small, wide, roomy], at: now).choices
    #expect(choices.map(\.kinds) == [[.perCore], [.price], [.memory]])
    #expect(choices.map(\.entry.offer.type) == ["wide", "small", "roomy"])
    #expect(
      choices.map(\.reason) == [
        "cheapest per core, $0.0100 per vCPU", "cheapest at all", "more memory, $0.0019 per GiB",
      ])
  }

  @Test("an offer that is two of them is there once, and without a roomy one there are fewer")
  func fewer() {
    let choices = MarketRanking([small, offer("dear", cores: 2, memory: 6, "1")], at: now).choices
    #expect(choices.map(\.kinds) == [[.perCore, .price]])
    #expect(MarketRanking([], at: now).choices.isEmpty)
    #expect(MarketRanking([offer("odd", cores: 0, memory: 1, "1")], at: now).entries.isEmpty)
    // More memory means twice that of the cheapest, not of the cheapest per core.
    let both = MarketRanking([small, wide], at: now).choices
    #expect(both.map(\.kinds) == [[.perCore, .memory], [.price]])
  }

  @Test("among equals the steadier one, and always the same order")
  func ties() {
    let a = offer("same", cores: 2, memory: 4, "0.03", zone: "us-east-1b", history: segments((7, "0.05"), (1, "0.03")))
    let b = offer("same", cores: 2, memory: 4, "0.03", zone: "us-east-1c")
    let c = offer("same", cores: 2, memory: 4, "0.03", zone: "us-east-1d")
    #expect(MarketRanking([a, c, b], at: now).entries.map(\.offer) == [b, c, a])
    #expect(MarketRanking([c, b, a], at: now).entries.map(\.offer) == [b, c, a])
  }
}

@Suite("The document of prices")
struct MarketDocumentTests {
  private let document = MarketDocument(
    askedAt: now,
    offers: [offer("c5.large", cores: 2, memory: 4, "0.0215", history: segments((7, "0.03"), (1, "0.0215")))],
    failures: [.init(provider: .aws, region: "eu-west-1", message: "no answer")], leftOut: 3)

  private func read(_ change: (inout [String: JSONValue]) -> Void) throws -> MarketDocument {
    guard var members = document.json.object else { throw Oops() }
    change(&members)
    return try MarketDocument(.object(members))
  }
  private struct Oops: Error {}

  @Test("is read as it was written, also through bytes")
  func roundTrip() throws {
    #expect(try MarketDocument(document.json) == document)
    let bytes = try JSONEncoder().encode(document.json)
    #expect(try MarketDocument(JSONDecoder().decode(JSONValue.self, from: bytes)) == document)
  }

  @Test("what is no such document is refused with what is wrong")
  func refusals() throws {
    func failure(_ value: JSONValue) -> String? {
      do throws(MarketDocument.Failure) { _ = try MarketDocument(value) } catch { return error.description }
      return nil
    }
    #expect(failure(.null) == "it is no list of spot prices")
    #expect(failure(.object(["version": .integer(2)]))?.contains("form 2") == true)
    let broken: [(String, JSONValue)] = [
      ("asked_at", .string("yesterday")), ("offers", .string("many")), ("left_out", .integer(-1)),
    ]
    for (key, value) in broken {
      #expect(throws: MarketDocument.Failure.self, "\(key)") { try read { $0[key] = value } }
    }
    guard let item = document.json["offers"]?.array?.first?.object else { throw Oops() }
    let wrong: [(String, JSONValue)] = [
      ("instance_type", .string("c5&Action=TerminateInstances")), ("region", .string("evil.com/")),
      ("zone", .string("")),
      ("zone", .integer(1)), ("vcpus", .integer(0)), ("memory_mib", .number(1.5)), ("gpus", .integer(-1)),
      ("price_per_hour", .integer(-1)), ("price_per_hour", .string("0.1")), ("history", .null),
      ("provider", .string(String(repeating: "x", count: 101))),
      (
        "history",
        .array(
          ["2026-01-02", "2026-01-01"].map { .object(["from": .string($0), "price_per_hour": .number(1)]) })
      ),
    ]
    for (key, value) in wrong {
      #expect(throws: MarketDocument.Failure.self, "\(key)") {
        try read { $0["offers"] = .array([.object(item.merging([key: value]) { $1 })]) }
      }
    }
    // What a later version may add does no harm.
    #expect(try read { $0["more"] = .bool(true) } == document)
  }
}

@Suite("A private file")
struct PrivateFileTests {
  @Test("is for its owner only, is replaced as a whole, and nothing else is read")
  func file() throws {
    let folder = NSTemporaryDirectory() + "cloudjobs-private-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/prices.json"
    // A file that others may read is replaced by one that they may not.
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    try PrivateFile.write(Array("new".utf8), to: path)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
    #expect(mode?.intValue == 0o600)
    #expect(PrivateFile.read(path, limit: 3) == Array("new".utf8))
    #expect(PrivateFile.read(path, limit: 2) == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["prices.json"])
    // A link is replaced, not followed.
    let link = folder + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    #expect(PrivateFile.read(link, limit: 10) == nil)
    try PrivateFile.write(Array("own".utf8), to: link)
    #expect(PrivateFile.read(path, limit: 3) == Array("new".utf8))
    #expect(PrivateFile.read(link, limit: 3) == Array("own".utf8))
    #expect(PrivateFile.read(folder, limit: 10) == nil)
    #expect(throws: PrivateFile.Failure.self) { try PrivateFile.write([1], to: folder + "/none/prices.json") }
  }
}
