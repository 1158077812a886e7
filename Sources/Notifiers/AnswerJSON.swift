#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// JSON that a service answered with: whatever is missing or of another kind is nil.
package enum AnswerJSON: Sendable, Hashable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([AnswerJSON])
  case object([String: AnswerJSON])

  /// Nil if `bytes` are not one JSON document.
  init?(_ bytes: [UInt8]) {
    guard let value = try? JSONDecoder().decode(AnswerJSON.self, from: Data(bytes)) else { return nil }
    self = value
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([AnswerJSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: AnswerJSON].self))
    }
  }

  package subscript(key: String) -> AnswerJSON? {
    guard case .object(let members) = self else { return nil }
    return members[key]
  }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var number: Double? {
    guard case .number(let value) = self else { return nil }
    return value
  }

  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  package var isObject: Bool {
    guard case .object = self else { return false }
    return true
  }
}
