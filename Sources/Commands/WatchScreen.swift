internal import JobModel
internal import JobStore
internal import Monitor
internal import ProviderKit

/// The live table of `watch`, as lines for a terminal of a given size. A pure function of what is shown.
struct WatchScreen {
  struct Header: Sendable, Equatable {
    var database: String
    var host: String
    var pid: Int32
    /// What is wrong with the store, if anything.
    var trouble: String?
    var undelivered: Int
    /// Calls that providers hold back, the longest first.
    var throttled: [ThrottledCalls] = []
  }

  var header: Header
  var views: [JobView]
  /// Newest last.
  var messages: [String]
  var now: Timestamp
  var billing: [ProviderName: BillingRule]
  var colors: Bool

  private struct Column {
    let title: String
    let width: Int
    /// Columns of a high rank go first when the terminal is narrow.
    let rank: Int
    let rightAligned: Bool
    let text: (JobView) -> String
  }

  func lines(width: Int, height: Int) -> [String] {
    let width = max(width, 20)
    let height = max(height, 4)
    var lines = [titleLine(width)]
    if let trouble = header.trouble { lines.append(paint(fit("Store: \(printable(trouble))", width), 31)) }
    if let throttling { lines.append(paint(fit(printable(throttling), width), 33)) }
    if header.undelivered > 0 {
      lines.append(
        paint(fit("\(header.undelivered) alerts are not delivered yet; see: cloudjobs notify list", width), 33))
    }
    let columns = chosenColumns(width)
    lines.append(paint(fit(columns.map { cell($0.title, $0) }.joined(separator: "  "), width), 1))
    let messageCount = min(messages.count, max(1, min(6, height / 4)))
    let room = max(1, height - lines.count - messageCount - 2)
    let sorted = views.sorted(by: Self.order)
    let shown = sorted.count > room ? Array(sorted.prefix(room - 1)) : sorted
    for view in shown {
      let line = fit(columns.map { cell(printable($0.text(view)), $0) }.joined(separator: "  "), width)
      lines.append(color(view.job.state).map { paint(line, $0) } ?? line)
    }
    if shown.count < sorted.count { lines.append(fit("… and \(sorted.count - shown.count) more jobs", width)) }
    if sorted.isEmpty { lines.append(fit("No open jobs. Start one: cloudjobs run FOLDER", width)) }
    while lines.count < height - messageCount - 1 { lines.append("") }
    lines.append(String(repeating: "─", count: width))
    lines += messages.suffix(messageCount).map { fit(printable($0), width) }
    return Array(lines.prefix(height))
  }

  /// Which calls are held back and since when, in one line however many they are.
  private var throttling: String? {
    guard let first = header.throttled.first else { return nil }
    let more = header.throttled.count > 1 ? ", and \(header.throttled.count - 1) more kinds of calls" : ""
    let since = LocalZone.text(first.since).dropFirst(11).prefix(8)
    return "\(first.kind.provider) holds back \(first.kind) since \(since), \(first.refusals) refused\(more)"
  }

  private func titleLine(_ width: Int) -> String {
    let cost = views.reduce(Money.zero) { $0 + $1.job.cost(at: now, rule: rule($1.job)) }
    let rate = views.reduce(Int64(0)) { $0 + ($1.job.attempt.isLive ? $1.job.attempt.price?.microdollars ?? 0 : 0) }
    let left =
      "cloudjobs watch  \(views.count) open  \(cost.formatted()) at \(HourlyPrice(microdollars: rate).formatted)"
    let right = "q quits  \(LocalZone.text(now).dropFirst(11).prefix(8))"
    let gap = width - left.count - right.count
    return paint(gap >= 2 ? left + String(repeating: " ", count: gap) + right : fit(left, width), 7)
  }

  private func rule(_ job: Job) -> BillingRule { billing[job.provider] ?? .perSecond }

  /// Active jobs first, then by creation.
  private static func order(_ left: JobView, _ right: JobView) -> Bool {
    if left.job.state.isTerminal != right.job.state.isTerminal { return right.job.state.isTerminal }
    if left.job.createdAt != right.job.createdAt { return left.job.createdAt < right.job.createdAt }
    return left.job.id < right.job.id
  }

  private func chosenColumns(_ width: Int) -> [Column] {
    let now = now
    let all = [
      Column(title: "Job ID", width: 8, rank: 0, rightAligned: false) { $0.job.id.rawValue },
      Column(title: "Name", width: 16, rank: 3, rightAligned: false) { $0.job.spec.name },
      Column(title: "Status", width: 10, rank: 0, rightAligned: false) { $0.job.state.rawValue },
      Column(title: "Provider", width: 8, rank: 5, rightAligned: false) { $0.job.provider.rawValue },
      Column(title: "Instance", width: 14, rank: 6, rightAligned: false) { $0.job.attempt.instance?.type ?? "-" },
      Column(title: "Duration", width: 8, rank: 2, rightAligned: true) { DurationText.short($0.job.duration(at: now)) },
      Column(title: "Cost", width: 9, rank: 1, rightAligned: true) { [self] view in
        view.job.cost(at: now, rule: rule(view.job)).formatted(decimals: 4)
      },
      Column(title: "Budget", width: 13, rank: 4, rightAligned: true) { [self] in budget($0.job) },
      Column(title: "Last sync", width: 9, rank: 7, rightAligned: true) {
        $0.job.attempt.syncedAt.map { DurationText.short(now - $0) } ?? "never"
      },
      Column(title: "Next", width: 20, rank: 2, rightAligned: false, text: \.nextAction),
    ]
    var chosen = all
    while chosen.map(\.width).reduce(2 * (chosen.count - 1), +) > width, chosen.count > 2,
      let drop = chosen.indices.max(by: { chosen[$0].rank < chosen[$1].rank })
    {
      chosen.remove(at: drop)
    }
    return chosen
  }

  private func budget(_ job: Job) -> String {
    guard let budget = job.budget, budget.limit.units > 0 else { return "-" }
    let percent = Int(job.cost(at: now, rule: rule(job)).dollars / budget.limit.dollars * 100)
    return "\(percent)% of \(budget.limit.formatted())"
  }

  private func cell(_ text: String, _ column: Column) -> String {
    let padded = JobTable.pad(text, column.width)
    let columns = DisplayWidth.of(text)
    guard column.rightAligned, columns < column.width else { return padded }
    return String(repeating: " ", count: column.width - columns) + text
  }

  private func fit(_ text: String, _ width: Int) -> String {
    DisplayWidth.of(text) <= width ? text : JobTable.pad(text, width)
  }

  private func color(_ state: JobState) -> Int? {
    switch state {
    case .launching, .launched: 33
    case .running: 32
    case .failed: 31
    case .terminated, .completed: 2
    }
  }

  private func paint(_ text: String, _ code: Int) -> String {
    colors ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
