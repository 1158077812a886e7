package import JobModel

/// The message that Telegram gets. Pure. https://core.telegram.org/bots/api#sendmessage
///
/// What is bold or code is said by `entities`, not by markup in the text: there is nothing to escape, and a text that is
/// cut can't break a tag. Telegram makes links of what looks like an address or a name; it does not within code, so a
/// text from outside in which that could happen is code. A message has 4096 characters, counted in UTF-16 units, and 100
/// entities.
package enum TelegramFormat {
  package static let textLimit = 4096
  /// More of them are dropped.
  package static let entityLimit = 100

  package static func body(_ alert: Alert, chat: String, thread: Int?) -> [UInt8] {
    let text = AlertSheet.fitted(alert, make: text, fits: { $0.units <= textLimit && $0.entities.count <= entityLimit })
    var members: [(key: String, value: JSONText.Value)] = [
      ("chat_id", Int64(chat).map(JSONText.Value.integer) ?? .string(chat))
    ]
    if let thread { members.append(("message_thread_id", .integer(Int64(thread)))) }
    return JSONText.bytes(
      .object(
        members + [
          ("text", .string(text.text)), ("entities", .array(text.entities)),
          ("link_preview_options", .object([("is_disabled", .bool(true))])),
        ]))
  }

  private static func text(_ sheet: AlertSheet) -> EntityText {
    var text = EntityText()
    func append(_ content: String, emphasis: String? = nil) {
      for (index, piece) in ChatMarkup.pieces(content).enumerated() {
        if index > 0 { text.append(" ") }
        text.append(piece.text, piece.isCode ? "code" : emphasis)
      }
    }
    text.append(sheet.tone.mark + " ")
    append(sheet.title, emphasis: "bold")
    text.append("\n")
    for fact in sheet.facts {
      text.append("\n")
      append(fact.label)
      text.append(": ")
      append(fact.value)
    }
    if let command = sheet.nextCommand {
      text.append("\n\nNext: ")
      text.append(command, "code")
    }
    text.append("\n\n" + ([sheet.remark, sheet.footer].compactMap { $0 }.joined(separator: " · ")), "italic")
    return text
  }

  /// A text with what is special about its parts.
  private struct EntityText {
    private(set) var text = ""
    private(set) var units = 0
    private(set) var entities: [JSONText.Value] = []

    mutating func append(_ piece: String, _ kind: String? = nil) {
      // An entity must not begin or end with blanks, which Telegram takes away.
      let blanks = piece.prefix { $0.isNewline }.utf16.count
      let length = piece.utf16.count - blanks
      if let kind, length > 0 {
        entities.append(
          .object([
            ("type", .string(kind)), ("offset", .integer(Int64(units + blanks))), ("length", .integer(Int64(length))),
          ]))
      }
      text += piece
      units += piece.utf16.count
    }
  }
}
