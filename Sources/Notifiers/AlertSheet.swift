import JobModel
import Transport

/// What an alert says to people, ready to be laid out by a chat: single lines without control characters, bounded in
/// number and length. What was cut ends with an ellipsis, and facts that were left out are counted.
struct AlertSheet {
  var tone: AlertTone
  /// One line: what happened to which job.
  var title: String
  var facts: [Alert.Fact]
  /// The one command to run next, if there is one.
  var nextCommand: String?
  /// How many facts were left out.
  private var left: Int
  /// Severity, rule and moment.
  var footer: String

  /// How much of an alert is shown.
  struct Size {
    /// How many facts.
    var facts: Int
    /// The longest text, in UTF-16 units.
    var units: Int

    init(_ facts: Int, _ units: Int) {
      self.facts = facts
      self.units = units
    }
  }

  init(_ alert: Alert, _ size: Size) {
    /// One line. Cut before it is looked at character by character, since a text may be a whole log.
    func line(_ text: String, _ limit: Int) -> String { Redactor.printable(TextCut.units(text, 2 * limit)) }
    tone = AlertTone(alert)
    title = line(alert.title, 1000)
    facts = alert.facts.prefix(size.facts).map { Alert.Fact(line($0.label, 100), line($0.value, size.units)) }
    nextCommand = alert.nextCommand.map { line($0, 1000) }
    left = alert.facts.count - facts.count
    footer = "\(tone.word) · \(alert.rule.rawValue) · \(alert.at.iso8601())"
    self = cut(to: size)
  }

  /// The same with fewer facts and shorter texts.
  private func cut(to size: Size) -> AlertSheet {
    func line(_ text: String, _ limit: Int) -> String { text.isEmpty ? "-" : TextCut.units(text, limit) }
    let long = min(1000, max(size.units, 200))
    var sheet = self
    sheet.title = line(title, long)
    sheet.facts = facts.prefix(size.facts).map {
      Alert.Fact(line($0.label, min(100, size.units)), line($0.value, size.units))
    }
    sheet.nextCommand = nextCommand.map { line($0, long) }
    sheet.left += facts.count - sheet.facts.count
    return sheet
  }

  /// Says how much was left out, if something was.
  var remark: String? { left > 0 ? "\(left) more \(left == 1 ? "fact" : "facts") left out" : nil }

  /// `🔴 critical: what happened`, for where only one line is shown.
  var headline: String { "\(tone.mark) \(tone.word): \(title)" }

  /// All but the title, as plain lines.
  var text: String {
    var lines = facts.map { "\($0.label): \($0.value)" }
    if let remark { lines.append("(\(remark))") }
    if let nextCommand { lines.append("Next: \(nextCommand)") }
    return (lines + [footer]).joined(separator: "\n")
  }

  /// What `make` makes of the largest of some sheets for which it `fits`, or else of the smallest.
  static func fitted<Result>(
    _ alert: Alert, _ sizes: [Size] = Self.sizes, make: (AlertSheet) -> Result, fits: (Result) -> Bool
  ) -> Result {
    var sheet = AlertSheet(alert, sizes.first ?? Size(1, 40))
    var result = make(sheet)
    for size in sizes.dropFirst() {
      if fits(result) { break }
      sheet = sheet.cut(to: size)
      result = make(sheet)
    }
    return result
  }

  /// The smallest is below every service's limit.
  static let sizes = [
    Size(40, 1800), Size(40, 800), Size(40, 400), Size(40, 200), Size(30, 120), Size(20, 100), Size(10, 100),
    Size(6, 60), Size(4, 40),
  ]
}
