package import JobModel

/// The message that Discord gets: one embed. Pure.
///
/// - Title 256 characters, description 4096, 25 fields of 256 and 1024, footer 2048, and 6000 in all:
///   https://discord.com/developers/docs/resources/message#embed-object-embed-limits
/// - Nobody is ever mentioned, whatever a text says:
///   https://discord.com/developers/docs/resources/message#allowed-mentions-object
package enum DiscordFormat {
  package static let embedLimit = 6000

  package static func body(_ alert: Alert) -> [UInt8] {
    let sizes = AlertSheet.sizes.map { AlertSheet.Size(min($0.facts, 25), $0.units) }
    return AlertSheet.fitted(alert, sizes, make: message, fits: { $0.units <= embedLimit }).body
  }

  private static func message(_ sheet: AlertSheet) -> (units: Int, body: [UInt8]) {
    var units = 0
    func text(_ text: String) -> JSONText.Value {
      units += text.utf16.count
      return .string(text)
    }
    var description: [String] = []
    if let remark = sheet.remark { description.append(remark) }
    if let command = sheet.nextCommand { description.append("Next: \(ChatMarkup.code(command, 1500))") }
    var embed: [(key: String, value: JSONText.Value)] = [
      ("title", text("\(sheet.tone.mark) \(ChatMarkup.inline(sheet.title, 250))")),
      ("color", .integer(sheet.tone.colour)),
    ]
    embed.append(
      (
        "fields",
        .array(
          sheet.facts.map { fact in
            .object([
              ("name", text(ChatMarkup.inline(fact.label, 256))), ("value", text(ChatMarkup.inline(fact.value, 1024))),
              ("inline", .bool(fact.value.utf16.count <= 24)),
            ])
          })
      ))
    if !description.isEmpty { embed.append(("description", text(description.joined(separator: "\n")))) }
    embed.append(("footer", .object([("text", text(sheet.footer))])))
    let body = JSONText.bytes(
      .object([
        ("embeds", .array([.object(embed)])), ("allowed_mentions", .object([("parse", .array([]))])),
      ]))
    return (units, body)
  }
}
