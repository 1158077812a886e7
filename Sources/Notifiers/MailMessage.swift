package import JobModel
import Transport

/// A mail: what stands in its headers and its two bodies. Pure.
///
/// The headers are those that an automatic message should have: Auto-Submitted (RFC 3834) keeps out-of-office replies
/// away, a Message-ID that is the same in every try lets receivers drop a repeat, and all mails of a job refer to one
/// root that never existed, so that mail programs show them as one thread.
package struct MailMessage: Sendable, Hashable {
  package var from: MailAddress
  package var to: [MailAddress]
  package var subject: String
  /// Without angle brackets: `delivery@domain`.
  package var messageID: String
  /// The message that this one is shown below, without angle brackets.
  package var root: String?
  package var date: Timestamp
  package var isUrgent: Bool
  package var text: String
  package var html: String

  package init(
    from: MailAddress, to: [MailAddress], subject: String, messageID: String, root: String?, date: Timestamp,
    isUrgent: Bool, text: String, html: String
  ) {
    self.from = from
    self.to = to
    self.subject = subject
    self.messageID = messageID
    self.root = root
    self.date = date
    self.isUrgent = isUrgent
    self.text = text
    self.html = html
  }

  /// The message as it goes over the wire: ASCII, CRLF, no line above 78 characters but a very long id or address.
  package func encoded() -> [UInt8] {
    // Quoted-printable never has `=_`, so no body can hold the boundary.
    let boundary = "=_cloudjobs_" + String(Self.hash(messageID), radix: 16)
    var result: [UInt8] = []
    result += MailEncoding.addressHeader("From", [from])
    result += MailEncoding.addressHeader("To", to)
    result += MailEncoding.header("Subject", text: Redactor.bounded(Redactor.printable(subject), limit: 600))
    result += MailEncoding.header("Date", words: [Self.date(date)])
    result += MailEncoding.header("Message-ID", words: ["<\(messageID)>"])
    if let root {
      result += MailEncoding.header("In-Reply-To", words: ["<\(root)>"])
      result += MailEncoding.header("References", words: ["<\(root)>"])
    }
    result += MailEncoding.header("Auto-Submitted", words: ["auto-generated"])
    result += MailEncoding.header("X-Auto-Response-Suppress", words: ["All"])
    if isUrgent { result += MailEncoding.header("Importance", words: ["high"]) }
    result += MailEncoding.header("MIME-Version", words: ["1.0"])
    result += MailEncoding.header("Content-Type", words: ["multipart/alternative;", "boundary=\"\(boundary)\""])
    result += [13, 10]
    for (type, body) in [("text/plain", text), ("text/html", html)] {
      result += "--\(boundary)\r\n".utf8
      result += "Content-Type: \(type); charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".utf8
      result += MailEncoding.quotedPrintable(body)
    }
    result += "--\(boundary)--\r\n".utf8
    return result
  }

  /// FNV-1a; the same in every process, unlike `Hasher`.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

  /// `Mon, 23 Nov 2026 00:45:06 +0000` (RFC 5322, section 3.3).
  static func date(_ moment: Timestamp) -> String {
    let c = moment.calendar()
    func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(weekdays[c.weekday]), \(c.day) \(months[c.month - 1]) \(c.year) "
      + "\(two(c.hour)):\(two(c.minute)):\(two(c.second)) +0000"
  }
}
