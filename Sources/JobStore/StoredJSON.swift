import Foundation
import JobModel

/// The few values that are kept as JSON text.
enum StoredJSON {
  private static let decoder = JSONDecoder()

  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func value<Value: Decodable>(_ type: Value.Type, _ text: String, _ what: String) throws(RowDamage) -> Value {
    do {
      return try decoder.decode(type, from: Data(text.utf8))
    } catch {
      throw RowDamage(message: "the JSON of \(what) can't be read")
    }
  }
}
