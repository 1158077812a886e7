internal import JobModel
internal import JobStore
internal import Monitor

/// Counts and costs of jobs by state and provider. Open jobs are charged up to now, closed ones as they ended.
struct JobSummary: Equatable {
  struct Line: Equatable {
    var count = 0
    var cost = Money.zero
  }

  var byState: [JobState: Line] = [:]
  var byProvider: [ProviderName: Line] = [:]
  var total = Line()
  /// What all running instances cost in an hour.
  var rate = HourlyPrice.zero

  static func make(_ store: any Store, _ query: JobQuery, _ context: CommandContext) async throws -> JobSummary {
    let rows = try await store.summary(query)
    var openQuery = query
    openQuery.openOnly = true
    openQuery.limit = nil
    let open = try await store.jobs(openQuery)
    return JobSummary(rows: rows, open: open, now: context.clock.now()) { context.billing($0) }
  }

  init(rows: [SummaryRow], open: [Job], now: Timestamp, billing: (Job) -> BillingRule) {
    for row in rows { add(row.state, row.provider, Line(count: row.count, cost: row.cost)) }
    for job in open {
      // The rows hold the cost as of the job's last commit.
      let rule = billing(job)
      let growth = job.cost(at: now, rule: rule) - job.cost(at: job.updatedAt, rule: rule)
      add(job.state, job.provider, Line(count: 0, cost: growth))
      if job.attempt.isLive, let price = job.attempt.price {
        rate = HourlyPrice(microdollars: rate.microdollars + price.microdollars)
      }
    }
  }

  private mutating func add(_ state: JobState, _ provider: ProviderName, _ line: Line) {
    byState[state, default: Line()].count += line.count
    byState[state, default: Line()].cost += line.cost
    byProvider[provider, default: Line()].count += line.count
    byProvider[provider, default: Line()].cost += line.cost
    total.count += line.count
    total.cost += line.cost
  }

  func render(_ context: CommandContext) {
    switch context.format {
    case .json: context.console.out(JSONText.pretty(document))
    case .text: context.console.out(text.joined(separator: "\n"))
    }
  }

  var document: JSONValue {
    func lines<Key>(_ lines: [Key: Line], _ name: (Key) -> String) -> JSONValue {
      .object(
        Dictionary(
          uniqueKeysWithValues: lines.map {
            (name($0.key), .object(["count": .integer(Int64($0.value.count)), "cost": .money($0.value.cost)]))
          }))
    }
    return .object([
      "total": .object(["count": .integer(Int64(total.count)), "cost": .money(total.cost)]),
      "by_status": lines(byState, \.rawValue), "by_provider": lines(byProvider, \.rawValue),
      "price_per_hour": .number(rate.dollars),
    ])
  }

  var text: [String] {
    var lines = ["JOB SUMMARY", String(repeating: "=", count: 40)]
    lines.append("Total jobs: \(total.count)")
    lines.append("Total cost: \(total.cost.formatted())")
    if rate > .zero { lines.append("Running now: \(rate.formatted)") }
    lines += ["", "By status:"]
    for state in JobState.allCases {
      guard let line = byState[state], line.count > 0 else { continue }
      lines.append(
        "  " + JobTable.pad(state.rawValue, 12) + " \(Self.right(line.count)) jobs  \(line.cost.formatted())")
    }
    lines += ["", "By provider:"]
    for (provider, line) in byProvider.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where line.count > 0 {
      lines.append(
        "  " + JobTable.pad(provider.rawValue, 12) + " \(Self.right(line.count)) jobs  \(line.cost.formatted())")
    }
    return lines
  }

  private static func right(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: " ", count: max(0, 6 - text.count)) + text
  }
}
