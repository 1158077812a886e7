import JobModel

/// A bar of what a job has cost, beside its budget and the amounts at which alerts are sent. Pure.
///
/// In HTML it is a table of coloured cells: mail programs show neither inline SVG nor pictures from elsewhere without
/// being asked, and Outlook takes the widths of cells and little else.
struct CostPicture {
  private let spending: AlertDetails.Spending
  /// The amount at the right end.
  private let scale: Money

  /// Nil if there is nothing to measure the cost by.
  init?(_ spending: AlertDetails.Spending?) {
    guard let spending else { return nil }
    let scale = ([spending.limit].compactMap { $0 } + spending.marks).max() ?? .zero
    guard scale > .zero, spending.spent >= .zero else { return nil }
    self.spending = spending
    self.scale = max(scale, spending.spent)
  }

  /// How far along the bar an amount is, in `width` parts. What was not reached does not look so.
  private func position(_ amount: Money, of width: Int) -> Int {
    if amount >= scale { return width }
    return min(width - 1, Int(Double(width) * max(0, amount.dollars) / scale.dollars))
  }

  /// `$1.5000 of $2.00 (75 %)`
  var caption: String {
    let spent = spending.spent.formatted(decimals: 4)
    guard let limit = spending.limit, limit > .zero else { return spent }
    let percent = Int((spending.spent.dollars / limit.dollars * 100).rounded(.down))
    return "\(spent) of \(limit.formatted()) (\(percent) %)"
  }

  /// Which amounts were reached, and which comes next.
  var remark: String? {
    let reached = spending.marks.filter { $0 <= spending.spent }
    let next = spending.marks.first { $0 > spending.spent }
    let parts = [
      reached.isEmpty ? nil : "reached: " + reached.suffix(4).map { $0.formatted() }.joined(separator: ", "),
      next.map { "next alert at \($0.formatted())" },
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  // MARK: - Text

  private static let characters = 40

  /// `[##########|#####....|....]`, in which a `|` is an amount at which an alert is sent.
  var line: String {
    let filled = position(spending.spent, of: Self.characters)
    var bar = (0..<Self.characters).map { $0 < filled ? "#" : "." }
    for mark in spending.marks where mark < scale { bar[position(mark, of: Self.characters)] = "|" }
    return "[\(bar.joined())]"
  }

  // MARK: - HTML

  private static let pixels = 360
  private static let markWidth = 2

  /// Holds no text from outside.
  var html: String {
    let isSpent = spending.limit.map { spending.spent >= $0 } ?? false
    let colour = (isSpent ? AlertTone.critical : .info).hexColour
    let filled = position(spending.spent, of: Self.pixels)
    let marks = spending.marks.filter { $0 > .zero && $0 < scale }.map { position($0, of: Self.pixels) }
    var cells = ""
    var at = 0
    func cell(to end: Int, _ colour: String) {
      guard end > at else { return }
      cells += """
        <td width="\(end - at)" height="14" bgcolor="\(colour)" \
        style="width:\(end - at)px;height:14px;background-color:\(colour);font-size:0;line-height:0">&nbsp;</td>
        """
      at = end
    }
    func fill(to end: Int) {
      cell(to: min(end, max(at, filled)), colour)
      cell(to: end, "#dddddd")
    }
    for mark in Set(marks).sorted() {
      fill(to: mark)
      cell(to: min(Self.pixels, mark + Self.markWidth), "#222222")
    }
    fill(to: Self.pixels)
    return """
      <table cellpadding="0" cellspacing="0" border="0" width="\(Self.pixels)" style="width:\(Self.pixels)px;\
      border-collapse:collapse"><tr>\(cells)</tr></table>

      """
  }
}
