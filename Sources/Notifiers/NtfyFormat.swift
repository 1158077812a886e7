import JobModel
package import Transport

/// The message that ntfy gets, published as JSON, where nothing has to be encoded as in headers. Pure.
/// https://docs.ntfy.sh/publish/#publish-as-json
///
/// A message of 4096 bytes and more becomes an attachment, or is refused where there is no room for those
/// (`message-size-limit`, https://docs.ntfy.sh/config/). It is plain text: no Markdown is asked for. Each try of a
/// message has the same `sequence_id`, by which ntfy 2.16 and newer replace one that has come twice. Ends and reminders have
/// their own: a message that replaces another one may make no sound.
package enum NtfyFormat {
  package static let messageLimit = 4000

  package static func body(_ message: AlertMessage, topic: Secret) -> [UInt8] {
    let alert = message.alert
    let (sheet, text) = AlertSheet.fitted(
      alert, make: { ($0, $0.text) }, fits: { $0.1.utf8.count <= messageLimit })
    return JSONText.bytes(
      .object([
        ("topic", .string(topic.reveal())), ("title", .string(TextCut.units(sheet.title, 250))),
        ("message", .string(text)), ("priority", .integer(sheet.tone.ntfyPriority)),
        ("tags", .array([.string(sheet.tone.ntfyTag), .string(alert.rule.rawValue)])),
        ("sequence_id", .string(StableID.word(message.id, limit: 64))),
      ]))
  }
}
