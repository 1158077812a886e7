/// Who has a message already, and who will never take it, so that another try goes only to those who are left.
///
/// It lives in memory: after a restart everybody gets the message again, with the same Message-ID. Bounded; the
/// oldest message is forgotten first.
struct MailLedger: Sendable {
  struct Entry: Sendable {
    var delivered: Set<String> = []
    /// What the server said, by recipient.
    var refused: [String: String] = [:]
  }

  private var entries: [String: Entry] = [:]
  private var order: [String] = []
  private let limit: Int

  init(limit: Int = 1000) { self.limit = max(1, limit) }

  subscript(message: String) -> Entry {
    get { entries[message] ?? Entry() }
    set {
      if entries.updateValue(newValue, forKey: message) == nil { order.append(message) }
      if order.count > limit { entries[order.removeFirst()] = nil }
    }
  }

  mutating func forget(_ message: String) {
    if entries.removeValue(forKey: message) != nil { order.removeAll { $0 == message } }
  }

  var count: Int { entries.count }
}
