import ArgumentParser
import Configuration
import Foundation
import JobModel
import ProviderKit
import Synchronization
import TestSupport
import Testing

@testable import Commands

private let day = Duration.seconds(86_400)

private func offer(
  _ type: String, cores: Int, gibibytes: Int64, _ price: String, zone: String = "us-east-1a", at now: Timestamp
) -> MarketOffer {
  let price = HourlyPrice(price)!
  let half = HourlyPrice(microdollars: price.microdollars / 2)
  return MarketOffer(
    provider: .aws, type: type, region: String(zone.dropLast()), zone: zone, cores: cores, memory: gibibytes * 1024,
    gpus: 0, price: price,
    history: [PriceSegment(from: now - day * 6, price: half), PriceSegment(from: now - day, price: price)])
}

/// A folder, a console that remembers, and a market that answers as the test says.
private struct Stall {
  let folder: String
  let market = ScriptedProvider(name: .aws, now: { epoch })
  let now: Timestamp
  private let pieces = Written()

  final class Written: Sendable {
    let all = Mutex<[(Console.Stream, String)]>([])
  }

  static func run(_ body: (Stall) async throws -> Void) async throws {
    let folder = NSTemporaryDirectory() + "cloudjobs-prices-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let stall = Stall(folder: folder, now: Timestamp(seconds: Int64(Date().timeIntervalSince1970)))
    await stall.market.answerMarket(.success(stall.answer()))
    try await body(stall)
  }

  func answer(failures: [String: String] = [:]) -> Market {
    Market(
      offers: [
        offer("c5.xlarge", cores: 4, gibibytes: 8, "0.08", at: now),
        offer("c5.4xlarge", cores: 16, gibibytes: 32, "0.24", zone: "eu-west-1b", at: now),
        offer("r5.large", cores: 2, gibibytes: 16, "0.06", at: now),
        offer("r5.2xlarge", cores: 8, gibibytes: 64, "0.16", at: now),
      ], failures: failures, askedAt: now, leftOut: 12)
  }

  /// - Parameter answers: what is typed; without them nothing can be asked.
  func context(
    _ format: OutputFormat = .text, answers: [String]? = nil, terminal: Bool = false
  ) throws -> CommandContext {
    let left = Mutex(answers ?? [])
    let pieces = pieces
    var console = Samples.console(
      sink: { stream, text in pieces.all.withLock { $0.append((stream, text)) } },
      source: { left.withLock { $0.isEmpty ? nil : $0.removeFirst() } })
    console.isInputTerminal = answers != nil
    console.isErrorTerminal = answers != nil || terminal
    return CommandContext(
      console: console, environment: ["HOME": folder, "LC_ALL": "C.UTF-8"], workingDirectory: folder,
      settings: try Settings.standard(), format: format)
  }

  func text(_ stream: Console.Stream) -> String {
    pieces.all.withLock { $0.filter { $0.0 == stream }.map(\.1).joined() }
  }

  func show(_ words: String..., format: OutputFormat = .text, terminal: Bool = false) async throws {
    guard let command = try CloudJobs.parseAsRoot(["prices"] + words) as? PricesCommand else {
      throw CommandError(.usage, "no command")
    }
    let context = try context(format, terminal: terminal)
    try await command.show(MarketQuestion(context: context, markets: [market]))
  }

  typealias Place = (type: String, region: String, zone: String)

  func choose(
    _ answers: [String]? = nil, format: OutputFormat = .text, type: String? = nil, region: String? = nil
  ) async throws -> Place {
    try await SpotChoice.choose(
      try context(format, answers: answers), markets: [market], instanceType: type, region: region)
  }
}

@Suite("The table of prices")
struct PriceTableTests {
  private func table(
    _ order: MarketRanking.Order = .perCore, style: PriceChart.Style = .blocks, types: [String] = ["c5.4xlarge"]
  ) -> PriceTable {
    let offers = types.map { offer($0, cores: 16, gibibytes: 32, "0.24", zone: "ap-southeast-2a", at: epoch) }
    let ranking = MarketRanking(offers, at: epoch)
    return PriceTable(ranking: ranking, entries: ranking.sorted(by: order), order: order, style: style)
  }

  @Test("has every column where there is room")
  func whole() {
    #expect(
      table().lines(width: nil) { text, _ in text } == [
        "Type        vCPU  Memory  Zone                $/h  $/vCPU  7 days          Moves  Chart",
        "c5.4xlarge    16  32 GiB  ap-southeast-2a  0.2400  0.0150  0.1200–0.2400  31.9 %    ▁▁▁▁▁▁▁▁▁▁▁▃██",
      ])
  }

  @Test("fits every width, the type and the price first of all", arguments: [20, 30, 40, 60, 79, 80, 100, 200])
  func widths(_ width: Int) {
    let types = ["c5.4xlarge", "u7in-32tb.224xlarge", Samples.wideNames[0], "a\u{1B}[2Jb"]
    for order in MarketRanking.Order.allCases {
      let lines = table(order, types: types).lines(width: width) { text, _ in text }
      #expect(lines.count == 5)
      for line in lines {
        #expect(columns(line) <= width && line.isHarmless, "\(width): \(line)")
      }
      #expect(lines[0].hasPrefix("Type") && lines[0].contains("$/h"))
      if width >= 60 { #expect(lines[0].contains("Zone")) }
      if order == .volatility, width >= 60 { #expect(lines[0].contains("Moves")) }
      if order == .memory, width >= 60 { #expect(lines[0].contains("$/GiB")) }
    }
  }

  @Test("a column that tells nothing is not there, and ASCII is ASCII")
  func telling() {
    let lines = table(style: .ascii).lines(width: nil) { text, _ in text }
    #expect(!lines[0].contains("GPUs") && !lines[0].contains("Provider") && !lines[0].contains("GiB"))
    #expect(lines.allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
  }

  @Test("a price near its highest is marked")
  func colours() {
    let lines = table().lines(width: nil) { text, color in color == .yellow ? "<\(text)>" : text }
    #expect(lines[1].contains("<0.2400>"))
  }

  @Test("the locale decides what a terminal can show")
  func locale() {
    let cases: [([String: String], PriceChart.Style)] = [
      ([:], .ascii), (["LANG": "C"], .ascii), (["LANG": "en_US.UTF-8"], .blocks), (["LANG": "de_DE.utf8"], .blocks),
      (["LANG": "en_US.UTF-8", "LC_ALL": "C"], .ascii), (["LC_ALL": "", "LC_CTYPE": "C.UTF-8"], .blocks),
      (["LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"], .ascii), (["LANG": "de_DE.ISO-8859-1"], .ascii),
    ]
    for (environment, style) in cases { #expect(PriceChart.Style.of(environment) == style, "\(environment)") }
  }
}

@Suite("Asking for prices")
struct PricesCommandTests {
  @Test("the table is data, everything else is told beside it")
  func text() async throws {
    try await Stall.run { stall async throws in
      await stall.market.answerMarket(.success(stall.answer(failures: ["sa-east-1": "no\nanswer"])))
      try await stall.show("--limit", "2", "--sort", "price", terminal: true)
      let lines = stall.text(.output).split(separator: "\n")
      #expect(lines.map { $0.prefix(9) } == ["Type     ", "r5.large ", "c5.xlarge"])
      let beside = stall.text(.error)
      #expect(beside.contains("2 more (--limit 0 shows all); 12 dearer types not looked at."))
      #expect(beside.contains("No prices of sa-east-1: no\u{FFFD}answer\n"))
      #expect(beside.contains("Asking AWS for spot prices: 1 of 2 regions answered"))
    }
  }

  @Test("no progress is written where nobody sees it, and nothing that fits is no table")
  func quiet() async throws {
    try await Stall.run { stall async throws in
      await stall.market.answerMarket(.success(Market(offers: [], askedAt: stall.now)))
      try await stall.show()
      #expect(stall.text(.output).isEmpty)
      #expect(stall.text(.error).hasPrefix("No spot offer fits.") && !stall.text(.error).contains("Asking"))
    }
  }

  @Test("JSON has what docs/json.md lists, and all of it unless --limit says otherwise")
  func json() async throws {
    try await Stall.run { stall async throws in
      try await stall.show(format: .json)
      let value = try JSONDecoder().decode(JSONValue.self, from: Data(stall.text(.output).utf8))
      #expect(value.object?.keys.sorted() == ["asked_at", "failures", "left_out", "offers", "version"])
      let offers = try #require(value["offers"]?.array)
      #expect(offers.map { $0["instance_type"]?.string } == ["c5.4xlarge", "c5.xlarge", "r5.2xlarge", "r5.large"])
      let text = try String(
        contentsOf: LoopbackServer.packageRoot.appendingPathComponent("docs/json.md"), encoding: .utf8)
      let section = try #require(
        text.components(separatedBy: "\n## `prices`").last?.components(separatedBy: "\n## ").first)
      for key in try #require(offers[0].object).keys { #expect(section.contains("`offers.\(key)`"), "\(key)") }
      #expect(try MarketDocument(value).offers.count == 4)
    }
  }

  @Test("--save keeps everything for its owner, whatever is shown; a place that can't be written is an error")
  func save() async throws {
    try await Stall.run { stall async throws in
      try await stall.show("--limit", "1", "--save")
      guard case .document(let document) = await PriceFile.read(stall.folder + "/spot_prices.json") else {
        Issue.record("not read")
        return
      }
      #expect(Set(document.offers) == Set(stall.answer().offers) && document.askedAt == stall.now)
      try await stall.show("--save", "other.json")
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: stall.folder).sorted() == [
          "other.json", "spot_prices.json",
        ])
      let error = await #expect(throws: CommandError.self) { try await stall.show("--save", "no/such/folder/p.json") }
      #expect(error?.code == .io)
    }
  }

  @Test("a provider without prices, one that is not set up, and one that nobody knows are told apart")
  func markets() throws {
    let none = UnusableProvider(
      name: .aws, billing: .ec2Spot, error: ProviderError(.notConfigured, "no region", remedy: "x"))
    let scripted = ScriptedProvider(name: .aws, now: { epoch })
    #expect(try MarketQuestion.markets("aws", among: [scripted]).count == 1)
    #expect(throws: ProviderError.self) { try MarketQuestion.markets(nil, among: [none]) }
    let moon = #expect(throws: CommandError.self) { try MarketQuestion.markets("moon", among: []) }
    #expect(moon?.code == .usage)
    let nobody = #expect(throws: CommandError.self) { try MarketQuestion.markets(nil, among: []) }
    #expect(nobody?.code == .unavailable)
  }

  @Test("an error of the only provider is the command's")
  func failure() async throws {
    try await Stall.run { stall async throws in
      await stall.market.answerMarket(.failure(ProviderError(.unavailable, "away", remedy: "later")))
      await #expect(throws: ProviderError.self) { try await stall.show() }
    }
  }
}

@Suite("Choosing a spot offer")
struct SpotChoiceTests {
  @Test("Enter takes the first, a number takes its own, what is neither is asked again")
  func menu() async throws {
    try await Stall.run { stall async throws in
      let first = try await stall.choose([""])
      #expect(first.type == "c5.4xlarge" && first.region == "eu-west-1" && first.zone == "eu-west-1b")
      #expect(try await stall.choose(["2"]).type == "r5.large")
      #expect(try await stall.choose(["0", "four", "4", " 3 "]).type == "r5.2xlarge")
      let menu = stall.text(.error)
      #expect(menu.contains("  1  c5.4xlarge  16 vCPU  32 GiB  eu-west-1b  $0.2400/h\n"))
      #expect(menu.contains("cheapest per core, $0.0150 per vCPU") && menu.contains("Spot prices (asked just now):"))
      #expect(menu.contains("'four' is none of them."))
      #expect(stall.text(.output).isEmpty)
    }
  }

  @Test("q leaves without a complaint, and so does a closed terminal, with one")
  func leaving() async throws {
    try await Stall.run { stall async throws in
      let left = await #expect(throws: ExitCode.self) { try await stall.choose(["q"]) }
      #expect(left == .success)
      let gone = await #expect(throws: CommandError.self) { try await stall.choose([]) }
      #expect(gone?.code == .usage)
    }
  }

  @Test("where nobody can be asked, or a program reads along, the cheapest per core is taken and said")
  func unattended() async throws {
    try await Stall.run { stall async throws in
      #expect(try await stall.choose().type == "c5.4xlarge")
      #expect(try await stall.choose(["3"], format: .json).type == "c5.4xlarge")
      #expect(stall.text(.error).contains("Taking c5.4xlarge in eu-west-1b at $0.2400/h: cheapest per core"))
      #expect(!stall.text(.error).contains("Which one"))
    }
  }

  @Test("a type and a region narrow what is asked")
  func narrowed() async throws {
    try await Stall.run { stall async throws in
      _ = try await stall.choose(type: "r5.large", region: "us-east-1")
      #expect(await stall.market.marketWishes == [MarketWish(instanceType: "r5.large", regions: ["us-east-1"])])
      await stall.market.answerMarket(.success(Market(offers: [])))
      let error = await #expect(throws: CommandError.self) { try await stall.choose() }
      #expect(error?.code == .unavailable)
    }
  }

  @Test("fresh prices in the working directory are used, and nobody is asked")
  func file() async throws {
    try await Stall.run { stall async throws in
      try await stall.show("--save")
      let asked = await stall.market.marketWishes.count
      #expect(try await stall.choose().type == "c5.4xlarge")
      #expect(try await stall.choose(type: "r5.large").type == "r5.large")
      #expect(try await stall.choose(region: "us-east-1").type == "c5.xlarge")
      #expect(await stall.market.marketWishes.count == asked)
      // What the file does not have is asked for.
      _ = try await stall.choose(region: "ap-south-1")
      #expect(await stall.market.marketWishes.count == asked + 1)
      // A file that is broken is said, and not used.
      try Data("{".utf8).write(to: URL(fileURLWithPath: stall.folder + "/spot_prices.json"))
      _ = try await stall.choose()
      #expect(await stall.market.marketWishes.count == asked + 2)
      #expect(stall.text(.error).contains("spot_prices.json is not used: it is no JSON"))
    }
  }

  @Test("old prices are not used, nor those from the future, nor another provider's")
  func freshness() {
    let document = MarketDocument(
      askedAt: epoch, offers: [offer("c5.large", cores: 2, gibibytes: 4, "0.1", at: epoch)])
    func use(after seconds: Int64, _ providers: [ProviderName] = [.aws]) -> Bool {
      SpotChoice.fresh(document, at: epoch + .seconds(seconds), providers: providers, wish: MarketWish()) != nil
    }
    #expect(use(after: 0) && use(after: 899))
    #expect(!use(after: 900) && !use(after: -1) && !use(after: 10, [.gcp]))
  }
}
