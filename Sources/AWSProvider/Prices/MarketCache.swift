internal import Foundation
package import JobModel
package import ProviderKit

/// What regions have answered, for some minutes: in this process, and in private files for the next one.
///
/// The files are a convenience. One that can't be written is done without, one that can't be read is as good as none.
package actor MarketCache {
  private let folder: String?
  private let account: String
  private let freshness: Duration
  private let now: @Sendable () -> Timestamp
  private let executor = QueueExecutor(label: "cloudjobs.market-cache")
  private var known: [Question: Market] = [:]

  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// What a region was asked.
  package struct Question: Sendable, Hashable {
    package var region: String
    /// Everything else that the answer depends on.
    package var details: String

    package init(region: String, details: String) {
      self.region = region
      self.details = details
    }

  }

  private func text(_ question: Question) -> String {
    [account, question.region, question.details].joined(separator: "|")
  }

  /// Regions' names are checked before they are asked, so they can stand in a file's name.
  private func path(_ question: Question, in folder: String) -> String {
    "\(folder)/prices-\(question.region)-\(SHA256Digest(of: text(question)).hex.prefix(16)).json"
  }

  private static let version: Int64 = 1
  private static let limit = 32 * 1024 * 1024

  /// - Parameters:
  ///   - folder: for the files, made when it is needed; nil for none.
  ///   - account: tells the accounts of this user apart, since zones have other names in each. No secret: it is written down.
  package init(
    folder: String?, account: String = "", freshness: Duration = .seconds(300),
    now: @escaping @Sendable () -> Timestamp
  ) {
    self.folder = folder
    self.account = account
    self.freshness = freshness
    self.now = now
  }

  /// The answer to the question, if there is one that is fresh.
  package func market(_ question: Question) -> Market? {
    if let market = known[question], isFresh(market) { return market }
    guard let folder, let bytes = PrivateFile.read(path(question, in: folder), limit: Self.limit),
      let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)),
      value["version"] == .integer(Self.version), value["question"]?.string == text(question),
      let document = value["market"].flatMap({ try? MarketDocument($0) })
    else { return nil }
    // The document has its own order.
    let offers = document.offers.sorted { ($0.type, $0.zone) < ($1.type, $1.zone) }
    let market = Market(offers: offers, askedAt: document.askedAt, leftOut: document.leftOut)
    guard isFresh(market) else { return nil }
    known[question] = market
    return market
  }

  /// Remembers an answer.
  package func keep(_ market: Market, for question: Question) {
    guard let askedAt = market.askedAt else { return }
    known = known.filter { isFresh($0.value) }
    known[question] = market
    guard let folder else { return }
    let document = MarketDocument(askedAt: askedAt, offers: market.offers, leftOut: market.leftOut)
    let value = JSONValue.object([
      "version": .integer(Self.version), "question": .string(text(question)), "market": document.json,
    ])
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try PrivateFile.write(Array(try JSONEncoder().encode(value)), to: path(question, in: folder))
      removeOld(folder)
    } catch {
      // The next process asks again; that is all.
    }
  }

  private func isFresh(_ market: Market) -> Bool {
    guard let askedAt = market.askedAt else { return false }
    let age = now() - askedAt
    // An answer from the future was written when the clock was wrong.
    return age >= .zero && age < freshness
  }

  /// Takes away what was asked days ago and never again.
  private func removeOld(_ folder: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix("prices-") {
      let path = folder + "/" + name
      guard let date = try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date,
        Double(now().seconds) - date.timeIntervalSince1970 > 86_400
      else { continue }
      try? FileManager.default.removeItem(atPath: path)  // one that stays is a day older next time
    }
  }
}
