internal import Foundation
internal import JobModel
internal import ProviderKit

/// The file that `prices --save` writes and `run --from-spot-prices` reads: a `MarketDocument`, for its owner only.
enum PriceFile {
  static let name = "spot_prices.json"
  /// Older prices are asked for anew.
  static let freshness = Duration.seconds(900)
  private static let limit = 64 * 1024 * 1024

  /// Replaces the file as a whole. The disk is waited for on a thread of its own.
  ///
  /// - Throws: `CommandError` that says why it can't be written.
  static func write(_ document: MarketDocument, to path: String) async throws {
    let text = JSONText.pretty(document.json) + "\n"
    let failure: String? = await onThread {
      do throws(PrivateFile.Failure) {
        try PrivateFile.write(Array(text.utf8), to: path)
        return nil
      } catch {
        return error.description
      }
    }
    if let failure { throw CommandError(.io, "\(printable(failure)); name another file: --save FILE") }
  }

  enum Content: Sendable, Equatable {
    case none
    case document(MarketDocument)
    /// There is a file, but it can't be used; the text says why.
    case unusable(String)
  }

  static func read(_ path: String) async -> Content {
    await onThread {
      guard FileManager.default.fileExists(atPath: path) else { return .none }
      guard let bytes = PrivateFile.read(path, limit: limit) else {
        return .unusable("it is no plain file of yours that can be read")
      }
      do {
        return .document(try MarketDocument(try JSONDecoder().decode(JSONValue.self, from: Data(bytes))))
      } catch {
        return .unusable((error as? MarketDocument.Failure)?.description ?? "it is no JSON")
      }
    }
  }

  private static func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      let thread = Thread { continuation.resume(returning: body()) }
      thread.start()
    }
  }
}
