internal import ArgumentParser
internal import JobModel
internal import Monitor
internal import ProviderKit

/// The question of `run --from-spot-prices`: which of the offers a job is to run on.
enum SpotChoice {
  /// Has the person at the terminal choose, or takes the cheapest per core where nobody can be asked.
  ///
  /// - Throws: `CommandError` if nothing fits; `ExitCode` 0 if the person leaves.
  static func choose(
    _ context: CommandContext, markets: [any SpotMarket], instanceType: String?, region: String?
  ) async throws -> (type: String, region: String, zone: String) {
    let wish = MarketWish(instanceType: instanceType, regions: region.map { [$0] } ?? [])
    let console = context.console
    let (document, source) = try await prices(context, markets, wish)
    let choices = MarketRanking(document.offers, at: document.askedAt).choices
    guard let first = choices.first else {
      throw CommandError(
        .unavailable,
        "no spot offer fits. See cloudjobs prices, the section hardware and the regions of config.json, and "
          + "max_price_per_hour")
    }
    // Nobody is asked who wanted data for a program.
    guard console.canAsk, context.format == .text, choices.count > 1 else {
      console.note("Taking \(line(first))")
      return place(first)
    }
    console.note(menu(choices, source: source).joined(separator: "\n"))
    while let answer = console.ask("Which one? (1-\(choices.count), Enter takes 1, q leaves): ") {
      switch reading(answer, of: choices.count) {
      case .take(let index): return place(choices[index])
      case .leave:
        console.note("Nothing was started.")
        throw ExitCode.success
      case .unclear: console.note("'\(printable(answer))' is none of them.")
      }
    }
    console.note("\nNothing was started.")
    throw CommandError(.usage, "no choice was made; name one with --instance-type and --region")
  }

  /// Prices of the file in the working directory if it is fresh and has what is wanted, otherwise of the provider.
  private static func prices(
    _ context: CommandContext, _ markets: [any SpotMarket], _ wish: MarketWish
  ) async throws -> (MarketDocument, source: String) {
    let path = context.absolute(PriceFile.name)
    switch await PriceFile.read(path) {
    case .none: break
    case .unusable(let why): context.console.note("\(PriceFile.name) is not used: \(printable(why))")
    case .document(let document):
      let now = context.clock.now()
      if let part = fresh(document, at: now, providers: markets.map(\.name), wish: wish) {
        return (part, "\(PriceFile.name), \(DurationText.short(now - document.askedAt)) old")
      }
    }
    let document = try await MarketQuestion(context: context, markets: markets, wish: wish).ask()
    return (document, "asked just now")
  }

  // MARK: Decisions

  /// What of a document that was kept can be used: nil if it is too old, or has nothing that is wanted.
  static func fresh(
    _ document: MarketDocument, at now: Timestamp, providers: [ProviderName], wish: MarketWish
  ) -> MarketDocument? {
    let age = now - document.askedAt
    guard age >= .zero, age < PriceFile.freshness else { return nil }
    var part = document
    part.offers = document.offers.filter { offer in
      providers.contains(offer.provider) && wish.instanceType.map { $0 == offer.type } ?? true
        && (wish.regions.isEmpty || wish.regions.contains(offer.region))
    }
    return part.offers.isEmpty ? nil : part
  }

  enum Reading: Sendable, Equatable {
    /// From 0.
    case take(Int)
    case leave
    case unclear
  }

  /// What an answer to the menu means.
  static func reading(_ answer: String, of count: Int) -> Reading {
    let text = String(answer.filter { !$0.isWhitespace }).lowercased()
    if text.isEmpty { return .take(0) }
    if text == "q" || text == "quit" { return .leave }
    guard let number = Int(text), (1...count).contains(number) else { return .unclear }
    return .take(number - 1)
  }

  static func menu(_ choices: [MarketChoice], source: String) -> [String] {
    let table = choices.map { choice in
      let offer = choice.entry.offer
      return [
        printable(offer.type), "\(offer.cores) vCPU", PriceTable.memory(offer.memory), printable(offer.zone),
        offer.price.formatted,
      ]
    }
    let widths = (table.first ?? []).indices.map { column in table.map { DisplayWidth.of($0[column]) }.max() ?? 0 }
    let lines = zip(table, choices).enumerated().map { index, row in
      let cells = zip(row.0, widths).map { JobTable.pad($0, $1) }
      return "  \(index + 1)  " + cells.joined(separator: "  ") + "\n     " + row.1.reason
    }
    return ["Spot prices (\(source)):"] + lines
  }

  private static func line(_ choice: MarketChoice) -> String {
    let offer = choice.entry.offer
    return "\(printable(offer.type)) in \(printable(offer.zone)) at \(offer.price.formatted): \(choice.reason)"
  }

  private static func place(_ choice: MarketChoice) -> (type: String, region: String, zone: String) {
    (choice.entry.offer.type, choice.entry.offer.region, choice.entry.offer.zone)
  }
}
