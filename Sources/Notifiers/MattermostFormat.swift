package import JobModel

/// The message that Mattermost gets: a text, and an attachment with the facts. Pure.
///
/// Mentions are looked for in webhooks' texts too, but not in code:
/// https://docs.mattermost.com/developer/webhooks-incoming.html. A post has up to 16,383 characters; attachments are part
/// of its properties, which had 8000 in old servers (`PostPropsMaxRunes`,
/// https://github.com/mattermost/mattermost/blob/master/server/public/model/post.go).
package enum MattermostFormat {
  /// The longest attachment that is sent, in bytes.
  package static let attachmentLimit = 7000

  package static func body(_ alert: Alert, channel: String?) -> [UInt8] {
    let (text, attachment) = AlertSheet.fitted(
      alert, make: message, fits: { JSONText.bytes($0.attachment).count <= attachmentLimit })
    var members: [(key: String, value: JSONText.Value)] = []
    if let channel { members.append(("channel", .string(channel))) }
    return JSONText.bytes(.object(members + [("text", .string(text)), ("attachments", .array([attachment]))]))
  }

  private static func message(_ sheet: AlertSheet) -> (text: String, attachment: JSONText.Value) {
    var attachment: [(key: String, value: JSONText.Value)] = [
      // Shown as plain text where attachments are not.
      ("fallback", .string(ChatMarkup.inline(sheet.title, 500))),
      ("color", .string(sheet.tone.hexColour)),
    ]
    if let command = sheet.nextCommand {
      attachment.append(("text", .string("Next: \(ChatMarkup.code(command, 1100))")))
    }
    attachment.append(
      (
        "fields",
        .array(
          sheet.facts.map { fact in
            .object([
              ("title", .string(ChatMarkup.inline(fact.label, 256))),
              ("value", .string(ChatMarkup.inline(fact.value, 2000))),
              ("short", .bool(fact.value.utf16.count <= 32)),
            ])
          })
      ))
    attachment.append(
      ("footer", .string([sheet.remark, sheet.footer].compactMap { $0 }.joined(separator: " · "))))
    return ("\(sheet.tone.mark) \(ChatMarkup.inline(sheet.title, 1100, emphasis: "**"))", .object(attachment))
  }
}
