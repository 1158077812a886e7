package import JobModel
import Transport

/// The message that Slack gets: blocks for people, and a text for where blocks are not shown. Pure.
///
/// - The three characters that Slack reads as its own are escaped, so no `<!everyone>`, `<@U…>` and `<address|text>` can
///   come from outside: https://docs.slack.dev/messaging/formatting-message-text#escaping
/// - `verbatim` keeps names of channels and addresses from becoming links:
///   https://docs.slack.dev/reference/block-kit/composition-objects/text-object
/// - 3000 characters in a section, 10 fields of 2000: https://docs.slack.dev/reference/block-kit/blocks/section-block
/// - About 13,200 characters in all blocks of a message, which is documented nowhere: slackapi/bolt-js#2509
package enum SlackFormat {
  /// The longest text of all blocks together that is sent, in UTF-16 units.
  package static let blocksLimit = 10_000

  static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "&": "&amp;"
    case "<": "&lt;"
    case ">": "&gt;"
    default: String(Character(scalar))
    }
  }

  package static func body(_ alert: Alert) -> [UInt8] {
    AlertSheet.fitted(alert, make: message, fits: { $0.units <= blocksLimit }).body
  }

  private static func message(_ sheet: AlertSheet) -> (units: Int, body: [UInt8]) {
    var units = 0
    func text(_ text: String) -> JSONText.Value {
      units += text.utf16.count
      return .object([("type", .string("mrkdwn")), ("text", .string(text)), ("verbatim", .bool(true))])
    }
    func section(_ content: String) -> JSONText.Value {
      .object([("type", .string("section")), ("text", text(content))])
    }
    let title = ChatMarkup.inline(sheet.title, 2900, emphasis: "*", escape: escaped)
    var blocks = [section("\(sheet.tone.mark) \(title)")]
    let fields = sheet.facts.map { fact in
      return text(
        "\(ChatMarkup.inline(fact.label, 200, emphasis: "*", escape: escaped))\n"
          + ChatMarkup.inline(fact.value, 1700, escape: escaped))
    }
    for start in stride(from: 0, to: fields.count, by: 10) {
      blocks.append(
        .object([
          ("type", .string("section")), ("fields", .array(Array(fields[start..<min(start + 10, fields.count)]))),
        ]))
    }
    if let command = sheet.nextCommand {
      blocks.append(section("Next: \(ChatMarkup.code(command, 2900, escape: escaped))"))
    }
    let footer = TextCut.units(
      [sheet.remark, sheet.footer].compactMap { $0 }.joined(separator: " · "), 1000, escape: escaped)
    blocks.append(.object([("type", .string("context")), ("elements", .array([text(footer)]))]))
    let body = JSONText.bytes(
      .object([
        (
          "text",
          .string("\(sheet.tone.mark) \(sheet.tone.word): \(ChatMarkup.inline(sheet.title, 2900, escape: escaped))")
        ), ("blocks", .array(blocks)),
        ("unfurl_links", .bool(false)), ("unfurl_media", .bool(false)),
      ]))
    return (units, body)
  }
}
