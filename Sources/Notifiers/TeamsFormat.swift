package import JobModel

/// The message that a workflow of Microsoft Teams gets: an Adaptive Card. Pure.
///
/// All texts are `TextRun`s, which know no Markdown (https://adaptivecards.io/explorer/TextRun.html), so nothing in them
/// can become a link or a mention, and nothing has to be escaped.
package enum TeamsFormat {
  /// A message may have about 28 kB, and less was refused in old connectors:
  /// https://learn.microsoft.com/microsoftteams/limits-specifications-teams
  package static let bodyLimit = 20_000

  package static func body(_ alert: Alert) -> [UInt8] {
    AlertSheet.fitted(alert, make: message, fits: { $0.count <= bodyLimit })
  }

  private static func message(_ sheet: AlertSheet) -> [UInt8] {
    func run(_ text: String, _ more: [(key: String, value: JSONText.Value)] = []) -> JSONText.Value {
      .object([("type", .string("TextRun")), ("text", .string(text))] + more)
    }
    func line(_ runs: [JSONText.Value], spacing: String = "Small") -> JSONText.Value {
      .object([
        ("type", .string("RichTextBlock")), ("spacing", .string(spacing)), ("inlines", .array(runs)),
      ])
    }
    let bold: [(key: String, value: JSONText.Value)] = [("weight", .string("Bolder"))]
    var body = [
      line([
        run(
          "\(sheet.tone.mark) \(sheet.title)",
          bold + [("size", .string("Medium")), ("color", .string(sheet.tone.cardColour))])
      ])
    ]
    for fact in sheet.facts { body.append(line([run("\(fact.label): ", bold), run(fact.value)])) }
    if let command = sheet.nextCommand {
      body.append(line([run("Next: "), run(command, [("fontType", .string("Monospace"))])], spacing: "Medium"))
    }
    let footer = [sheet.remark, sheet.footer].compactMap { $0 }.joined(separator: " · ")
    body.append(line([run(footer, [("size", .string("Small")), ("isSubtle", .bool(true))])], spacing: "Medium"))
    let card: JSONText.Value = .object([
      ("$schema", .string("http://adaptivecards.io/schemas/adaptive-card.json")), ("type", .string("AdaptiveCard")),
      ("version", .string("1.2")), ("body", .array(body)),
      ("msteams", .object([("width", .string("Full"))])),
    ])
    return JSONText.bytes(
      .object([
        ("type", .string("message")),
        (
          "attachments",
          .array([
            .object([
              ("contentType", .string("application/vnd.microsoft.card.adaptive")), ("contentUrl", .null),
              ("content", card),
            ])
          ])
        ),
      ]))
  }
}
