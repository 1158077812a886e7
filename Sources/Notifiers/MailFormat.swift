import JobModel
import Transport

/// The mail that an alert makes. Pure.
package enum MailFormat {
  /// Texts longer than this are cut, which is said by an ellipsis.
  private static let valueLimit = 4096
  private static let factLimit = 64

  package static func mail(_ message: AlertMessage, from: MailAddress, to: [MailAddress]) -> MailMessage {
    let alert = message.alert
    let title = Redactor.bounded(Redactor.printable(alert.title), limit: 512)
    return MailMessage(
      from: from, to: to,
      subject: "[cloudjobs] \(AlertTone(alert).word): \(title)",
      messageID: "\(id(message.id))@\(from.domain)",
      root: alert.job.map { "job-\(id($0.rawValue))@\(from.domain)" },
      date: message.now, isUrgent: alert.severity == .critical && alert.status != .resolved, text: text(alert),
      html: html(alert))
  }

  /// `text` as the left side of a Message-ID: atoms and dots only (RFC 5322, section 3.6.4).
  static func id(_ text: String) -> String { WebhookFormat.id(text) }

  private static func facts(_ alert: Alert) -> (shown: [Alert.Fact], left: Int) {
    let shown = alert.facts.prefix(factLimit).map {
      Alert.Fact(
        Redactor.bounded(Redactor.printable($0.label), limit: 128), Redactor.bounded($0.value, limit: valueLimit))
    }
    return (shown, alert.facts.count - shown.count)
  }

  private static func footer(_ alert: Alert) -> String {
    "Sent by cloudjobs at the rule \(alert.rule.rawValue), for what happened at \(alert.at.iso8601())."
  }

  private static func text(_ alert: Alert) -> String {
    let facts = facts(alert)
    let width = min(24, facts.shown.map(\.label.count).max() ?? 0)
    var lines = [Redactor.bounded(alert.title, limit: valueLimit), ""]
    for fact in facts.shown {
      let pad = String(repeating: " ", count: max(0, width - fact.label.count))
      lines.append("\(fact.label):\(pad) \(fact.value)")
    }
    if facts.left > 0 { lines.append("(\(facts.left) more left out)") }
    if let picture = CostPicture(alert.details.spending) {
      lines += ["", "Cost so far: \(picture.caption)", picture.line]
      if let remark = picture.remark { lines.append(remark) }
    }
    if let command = alert.nextCommand { lines += ["", "Next:", "  " + Redactor.bounded(command, limit: valueLimit)] }
    lines += ["", "-- ", footer(alert)]
    return lines.joined(separator: "\n")
  }

  private static func html(_ alert: Alert) -> String {
    let facts = facts(alert)
    let colour = AlertTone(alert).hexColour
    func escaped(_ text: String) -> String {
      // Line ends of a value stay visible; carriage returns are line ends of their own.
      MailEncoding.html(text).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).joined(
        separator: "<br>\n")
    }
    let title = escaped(Redactor.bounded(alert.title, limit: valueLimit))
    var html = """
      <!DOCTYPE html>
      <html><head><meta charset="utf-8"></head>
      <body style="font-family:sans-serif;font-size:14px;color:#222">
      <p style="font-size:16px;font-weight:bold;color:\(colour)">\(title)</p>
      <table cellpadding="0" cellspacing="0">

      """
    for fact in facts.shown {
      html += """
        <tr><td style="padding:2px 16px 2px 0;vertical-align:top;color:#666">\(escaped(fact.label))</td>
        <td style="padding:2px 0">\(escaped(fact.value))</td></tr>

        """
    }
    html += "</table>\n"
    if facts.left > 0 { html += "<p>(\(facts.left) more left out)</p>\n" }
    if let picture = CostPicture(alert.details.spending) {
      html += "<p style=\"margin:14px 0 4px\">Cost so far: \(escaped(picture.caption))</p>\n" + picture.html
      if let remark = picture.remark {
        html += "<p style=\"margin:4px 0;color:#666;font-size:12px\">\(escaped(remark))</p>\n"
      }
    }
    if let command = alert.nextCommand {
      let text = escaped(Redactor.bounded(command, limit: valueLimit))
      html += "<p>Next:</p>\n<pre style=\"background:#f2f2f2;padding:8px\">\(text)</pre>\n"
    }
    html += "<p style=\"color:#888;font-size:12px\">\(escaped(footer(alert)))</p>\n</body></html>\n"
    return html
  }
}
