/// Somebody's wish to hear nothing of certain alerts for a while.
package struct Silence: Sendable, Hashable, Identifiable {
  package var id: String
  /// What an alert's labels must be, each; a value may hold `*` for any text. Never empty.
  package var labels: [String: String]
  package var createdAt: Timestamp
  package var until: Timestamp
  package var comment: String
  package var createdBy: String

  package init(
    id: String, labels: [String: String], createdAt: Timestamp, until: Timestamp, comment: String, createdBy: String
  ) {
    self.id = id
    self.labels = labels
    self.createdAt = createdAt
    self.until = until
    self.comment = comment
    self.createdBy = createdBy
  }

  package func matches(_ alert: Alert, at now: Timestamp) -> Bool {
    guard now < until, !labels.isEmpty, alert.rule != .test else { return false }
    return Self.matches(alert.labels, patterns: labels)
  }

  /// Whether each of the patterns fits the label of its name; `*` stands for any text.
  package static func matches(_ labels: [String: String], patterns: [String: String]) -> Bool {
    patterns.allSatisfy { name, pattern in
      labels[name].map { matches(Array($0.utf8), Array(pattern.utf8)) } ?? false
    }
  }

  /// `*` stands for any text; everything else for itself. Without recursion, so no pattern takes long.
  static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
    var (t, p) = (0, 0)
    var star: (pattern: Int, text: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
        star = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == text[t] {
        t += 1
        p += 1
      } else if let last = star {
        p = last.pattern + 1
        t = last.text + 1
        star = (last.pattern, t)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
