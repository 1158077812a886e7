package import Foundation

/// What a copy of results stands for: the last thing that it writes, and only after everything else is there.
package struct Manifest: Sendable, Hashable, Codable {
  package struct File: Sendable, Hashable, Codable {
    package var path: String
    package var size: Int64
    /// Empty where the remote knows no MD5.
    package var md5: String

    package init(path: String, size: Int64, md5: String) {
      self.path = path
      self.size = size
      self.md5 = md5
    }
  }

  package struct Excluded: Sendable, Hashable, Codable {
    package var path: String
    package var size: Int64
    /// The pattern, or `size`, `input`, `kind` (a link, a pipe), `name` (with a line break).
    package var rule: String

    package init(path: String, size: Int64, rule: String) {
      self.path = path
      self.size = size
      self.rule = rule
    }
  }

  package struct Packed: Sendable, Hashable, Codable {
    package var path: String
    package var size: Int64
    /// Nil in a manifest of an earlier version.
    package var md5: String?

    package init(path: String, size: Int64, md5: String? = nil) {
      self.path = path
      self.size = size
      self.md5 = md5
    }
  }

  package var job: String
  package var attempt: Int
  /// Ascending from manifest to manifest of a job.
  package var seq: Int
  /// Milliseconds since 1970. What was written after `startedAt` is not covered.
  package var startedAt: Int64
  package var finishedAt: Int64
  package var final: Bool
  package var files: [File]
  package var excludedCount: Int
  /// At most a thousand of them.
  package var excluded: [Excluded]
  package var unreadable: [String]
  /// What lies in `_cs/packed.tar`.
  package var packed: [Packed]

  /// The names of the two manifests on the remote. A copy never touches the one that holds.
  package static let places = ["_cs/manifest.0.json", "_cs/manifest.1.json"]

  /// The manifest that holds: of those that are whole the one with the highest number.
  package static func latest(_ documents: [Data]) -> Manifest? {
    documents.compactMap { try? JSONDecoder().decode(Manifest.self, from: $0) }.max { $0.seq < $1.seq }
  }

  /// Where small files lie if they were packed.
  package static let archive = "_cs/packed.tar"

  /// The results, with what the calculation printed (`_cs/output.log`).
  package var results: [File] { files.filter { $0.path != Self.archive } }
}
