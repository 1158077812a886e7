/// The name of a provider as it stands in the database and in output: `local`, `AWS`, `GCP`, `Azure`.
package struct ProviderName: Sendable, Hashable, RawRepresentable, Codable, CustomStringConvertible {
  package let rawValue: String
  package init(rawValue: String) { self.rawValue = rawValue }

  package static let local = ProviderName(rawValue: "local")
  package static let aws = ProviderName(rawValue: "AWS")
  package static let gcp = ProviderName(rawValue: "GCP")
  package static let azure = ProviderName(rawValue: "Azure")
  package static let known: [ProviderName] = [.local, .aws, .gcp, .azure]

  /// The known name that `text` means, whatever its case; other names are kept as they are.
  package init(matching text: String) {
    self = Self.known.first { $0.rawValue.lowercased() == text.lowercased() } ?? ProviderName(rawValue: text)
  }

  package var description: String { rawValue }
}
