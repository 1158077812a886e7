internal import Foundation
internal import JobModel
internal import Monitor
internal import ProviderKit

/// Asks providers for their spot prices, and shows on standard error how far that has come.
struct MarketQuestion {
  let context: CommandContext
  let markets: [any SpotMarket]
  var wish = MarketWish()

  /// The providers of this version whose prices can be asked for: the named one, or all.
  ///
  /// - Throws: `CommandError` if there is none; a `ProviderError` if the only one is not set up.
  static func markets(_ name: String?, of context: CommandContext) throws -> [any SpotMarket] {
    try markets(
      name, among: name.map { [context.provider(ProviderName(matching: $0))].compactMap(\.self) } ?? context.providers()
    )
  }

  static func markets(_ name: String?, among providers: [any Provider]) throws -> [any SpotMarket] {
    let found = providers.compactMap { $0 as? any SpotMarket }
    if !found.isEmpty { return found }
    for case let unusable as UnusableProvider in providers { throw unusable.error }
    guard let name else { throw CommandError(.unavailable, "no provider of this version has spot prices") }
    let isKnown = !providers.isEmpty
    throw CommandError(
      .usage,
      "provider '\(printable(name))' " + (isKnown ? "has no spot prices" : "is not available") + "; use --provider aws")
  }

  /// The prices of all providers. Regions that do not answer are named in the document and on standard error.
  ///
  /// - Throws: the provider's error if none of them answers.
  func ask() async throws -> MarketDocument {
    var document = MarketDocument(askedAt: context.clock.now(), offers: [])
    var oldest: Timestamp?
    var failure: ProviderError?
    var answers = 0
    for provider in markets {
      let view = View(console: context.console, provider: provider.name)
      do throws(ProviderError) {
        let market = try await provider.market(wish) { view.take($0) }
        view.finish()
        answers += 1
        document.offers += market.offers
        document.leftOut += market.leftOut
        oldest = [oldest, market.askedAt].compactMap(\.self).min()
        document.failures += market.failures.map {
          MarketDocument.Silence(provider: provider.name, region: $0.key, message: $0.value)
        }
      } catch {
        view.finish()
        failure = error
        if markets.count > 1 { context.console.note(printable("\(provider.name): \(error.description)")) }
      }
    }
    if answers == 0, let failure { throw failure }
    document.askedAt = oldest ?? document.askedAt
    for silence in document.failures.sorted(by: { $0.region < $1.region }) {
      context.console.note(printable("No prices of \(silence.region): \(silence.message)"))
    }
    return document
  }

  /// A line that counts regions on a terminal; nothing elsewhere, where nobody waits for it.
  private struct View: Sendable {
    let console: Console
    let provider: ProviderName

    func take(_ progress: MarketProgress) {
      guard console.canRedraw, progress.answered < progress.regions else { return }
      console.redraw(
        "Asking \(provider) for spot prices: \(progress.answered) of \(counted(progress.regions, "region")) answered")
    }

    func finish() { if console.canRedraw { console.redraw("") } }
  }
}
