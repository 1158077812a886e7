package import ArgumentParser
internal import JobModel
internal import ProviderKit

package struct PricesCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "prices", abstract: "Show what spot instances cost now and have cost for seven days",
    discussion: """
      Asks all regions of config.json for the instance types that meet its section hardware. Prices are kept for five
      minutes, so asking again is free.

      Examples:
        cloudjobs prices
        cloudjobs prices --region us-east-1 --region eu-west-1 --sort price --limit 10
        cloudjobs prices --instance-type c5.4xlarge --json
        cloudjobs prices --save && cloudjobs run my_calculation --from-spot-prices
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Option(help: "Only the prices of this provider: aws.", completion: .list(["aws"]))
  var provider: String?

  @Option(help: "Only this region; may be repeated. (default: those of config.json)")
  var region: [String] = []

  @Option(help: "Only this instance type, whether or not it meets the section hardware.")
  var instanceType: String?

  @Option(
    help:
      "What comes first: the cheapest per vCPU (per-core), at all (price), per GiB (memory), or the steadiest (volatility).",
    completion: .list(MarketRanking.Order.allCases.map(\.rawValue)))
  var sort: PriceOrder = .perCore

  @Option(help: "At most this many rows; 0 shows all. (default: 20)")
  var limit: Int?

  @Option(
    defaultAsFlag: PriceFile.name,
    help: ArgumentHelp("Keep all prices in a file for run --from-spot-prices.", valueName: "file"), completion: .file())
  var save: String?

  package init() {}

  package func validate() throws {
    if let limit, limit < 0 { throw ValidationError("--limit takes 0 or more, not \(limit)") }
    if region.contains("") { throw ValidationError("--region is empty; name a region such as us-east-1") }
    if instanceType == "" { throw ValidationError("--instance-type is empty; name a type such as c5.4xlarge") }
  }

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let question = MarketQuestion(
      context: context, markets: try MarketQuestion.markets(provider, of: context),
      wish: MarketWish(instanceType: instanceType, regions: region))
    try await show(question)
  }

  /// Asks, keeps and prints.
  func show(_ question: MarketQuestion) async throws {
    let context = question.context
    let document = try await question.ask()
    if let save {
      let path = context.absolute(save)
      try await PriceFile.write(document, to: path)
      context.console.note("\(counted(document.offers.count, "price")) kept in \(printable(path))")
    }
    let ranking = MarketRanking(document.offers, at: document.askedAt)
    let sorted = ranking.sorted(by: sort.order)
    switch context.format {
    case .json:
      // Scripts get everything unless they say otherwise.
      let most = limit.flatMap { $0 == 0 ? nil : $0 } ?? sorted.count
      context.console.out(JSONText.pretty(document.json(Array(sorted.prefix(most)))))
    case .text:
      let most = limit.map { $0 == 0 ? sorted.count : $0 } ?? 20
      print(document, ranking, Array(sorted.prefix(most)), context)
    }
  }

  private func print(
    _ document: MarketDocument, _ ranking: MarketRanking, _ entries: [MarketRanking.Entry], _ context: CommandContext
  ) {
    let console = context.console
    guard !entries.isEmpty else {
      return console.note(
        "No spot offer fits. See the section hardware, the regions and max_price_per_hour of config.json, or --instance-type."
      )
    }
    let table = PriceTable(
      ranking: ranking, entries: entries, order: sort.order, style: PriceChart.Style.of(context.environment))
    let width = console.isOutputTerminal ? Terminal.size().width : nil
    console.out(table.lines(width: width) { console.colored($0, $1) }.joined(separator: "\n"))
    var more: [String] = []
    if entries.count < ranking.entries.count {
      more.append("\(ranking.entries.count - entries.count) more (--limit 0 shows all)")
    }
    if document.leftOut > 0 { more.append("\(counted(document.leftOut, "dearer type")) not looked at") }
    if !more.isEmpty { console.note(more.joined(separator: "; ") + ".") }
  }
}

/// `MarketRanking.Order` as it is written on the command line.
struct PriceOrder: ExpressibleByArgument {
  let order: MarketRanking.Order

  init(_ order: MarketRanking.Order) { self.order = order }

  init?(argument: String) {
    guard let order = MarketRanking.Order(rawValue: argument.lowercased()) else { return nil }
    self.order = order
  }

  static let perCore = PriceOrder(.perCore)
  var defaultValueDescription: String { order.rawValue }
  static var allValueStrings: [String] { MarketRanking.Order.allCases.map(\.rawValue) }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
