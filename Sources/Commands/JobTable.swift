internal import JobModel

/// The tables of `list`, in the look of the Python tool.
enum JobTable {
  static let width = 120

  static let header = row(["Job ID", "Status", "Provider", "Instance", "Region", "Duration", "Cost"])

  static let rule = String(repeating: "=", count: width)

  private static let widths = [12, 11, 8, 15, 14, 10, 8]

  static func row(_ cells: [String]) -> String {
    zip(cells, widths).enumerated().map { index, pair in
      // The last column has room to its right: an amount of money is never cut.
      let (text, width) = pair
      return index == widths.count - 1 && DisplayWidth.of(text) > width ? text : pad(text, width)
    }.joined(separator: " | ")
  }

  static func cells(_ job: Job, now: Timestamp, billing: BillingRule) -> [String] {
    [
      job.id.rawValue, job.state.rawValue, job.provider.rawValue,
      printable(job.attempt.instance?.type ?? job.spec.instanceType ?? "-"),
      printable(job.attempt.instance?.region ?? job.spec.region ?? "-"),
      DurationText.short(job.duration(at: now)), job.cost(at: now, rule: billing).formatted(),
    ]
  }

  /// Lines below a job's row with `--detailed`.
  static func details(_ job: Job, now: Timestamp) -> [String] {
    var lines = ["  Name: \(printable(job.spec.name))"]
    lines.append("  Created: \(LocalZone.text(job.createdAt))")
    if let started = job.startedAt { lines.append("  Started: \(LocalZone.text(started))") }
    if let ended = job.endedAt { lines.append("  Completed: \(LocalZone.text(ended))") }
    if let reason = job.reason {
      lines.append("  Reason: \(reason.rawValue)" + (job.message.map { " (\(printable($0)))" } ?? ""))
    }
    if let instance = job.attempt.instance {
      lines.append("  Instance ID: \(printable(instance.id))")
      if let ip = instance.publicIP { lines.append("  Public IP: \(printable(ip))") }
    }
    if let price = job.attempt.price { lines.append("  Price: \(price.formatted)") }
    if let budget = job.budget { lines.append("  Budget: \(budget.limit.formatted()) (\(budget.action.rawValue))") }
    if let basis = job.spec.basisSet { lines.append("  Basis set: \(printable(basis))") }
    if let path = job.spec.gdrivePath { lines.append("  Google Drive: \(printable(path))") }
    if job.wish != nil { lines.append("  Termination requested") }
    return lines
  }

  /// Pads or cuts to a width in columns of a terminal; a cut is shown by `…`.
  static func pad(_ text: String, _ width: Int) -> String {
    let columns = DisplayWidth.of(text)
    if columns == width { return text }
    if columns < width { return text + String(repeating: " ", count: width - columns) }
    var kept = ""
    var used = 0
    for character in text {
      let next = DisplayWidth.of(character)
      if used + next > width - 1 { break }
      kept.append(character)
      used += next
    }
    return kept + "…" + String(repeating: " ", count: max(0, width - 1 - used))
  }
}
