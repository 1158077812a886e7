package import JobModel

/// The message that an Apprise API gets. Pure. https://github.com/caronc/apprise-api#api-details
///
/// It goes on to services that we don't know, and Apprise reads some texts as mentions before it sends them: `@everyone`
/// for Discord, `<!here>` for Slack. So an invisible blank (U+200B) stands behind each `@` and `<` of a text.
package enum AppriseFormat {
  package static let bodyLimit = 8000

  package static func body(_ alert: Alert, tag: String?) -> [UInt8] {
    let (sheet, text) = AlertSheet.fitted(
      alert, make: { ($0, defused($0.text)) }, fits: { $0.1.utf8.count <= bodyLimit })
    var members: [(key: String, value: JSONText.Value)] = [
      ("title", .string(defused(TextCut.units(sheet.headline, 250)))), ("body", .string(text)),
      ("type", .string(sheet.tone.appriseType)), ("format", .string("text")),
    ]
    if let tag { members.append(("tag", .string(tag))) }
    return JSONText.bytes(.object(members))
  }

  private static func defused(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      result.append(scalar)
      if scalar == "@" || scalar == "<" { result.append("\u{200B}") }
    }
    return String(result)
  }
}
