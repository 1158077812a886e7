package import JobModel

/// The message that Gotify gets. Pure. https://gotify.net/api-docs#/message/createMessage
///
/// It is plain text, which `client::display` says: https://gotify.net/docs/msgextras. Gotify sets no limit to it.
package enum GotifyFormat {
  package static let messageLimit = 8000

  package static func body(_ alert: Alert) -> [UInt8] {
    let (sheet, message) = AlertSheet.fitted(
      alert, make: { ($0, $0.text) }, fits: { $0.1.utf8.count <= messageLimit })
    return JSONText.bytes(
      .object([
        ("title", .string(TextCut.units(sheet.headline, 250))), ("message", .string(message)),
        ("priority", .integer(sheet.tone.gotifyPriority)),
        ("extras", .object([("client::display", .object([("contentType", .string("text/plain"))]))])),
      ]))
  }
}
