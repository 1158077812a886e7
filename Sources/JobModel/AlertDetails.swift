/// What an alert knows beside its words for people: what templates are filled with, and what its cost picture is made of.
package struct AlertDetails: Sendable, Hashable, Codable {
  /// What a job has cost, beside the amounts that it is measured by.
  package struct Spending: Sendable, Hashable, Codable {
    /// `Money` units, here and below.
    private var spentUnits: Int64
    private var limitUnits: Int64?
    private var markUnits: [Int64]

    package init(spent: Money, limit: Money?, marks: [Money]) {
      spentUnits = spent.units
      limitUnits = limit?.units
      markUnits = Set(marks.map(\.units)).sorted()
    }

    package var spent: Money { Money(units: spentUnits) }
    /// The budget.
    package var limit: Money? { limitUnits.map { Money(units: $0) } }
    /// The amounts at which an alert is sent, ascending.
    package var marks: [Money] { markUnits.map { Money(units: $0) } }
  }

  /// By the raw text of an `AlertField`, as people read it.
  package var values: [String: String]
  package var spending: Spending?

  package init(values: [String: String] = [:], spending: Spending? = nil) {
    self.values = values
    self.spending = spending
  }
}

extension AlertDetails {
  /// - Parameters:
  ///   - job: after the event.
  ///   - marks: amounts at which any job's cost is worth an alert.
  package init(event: Event, job: Job, cost: Money, marks: [Money]) {
    var values: [AlertField: String] = [
      .what: event.message, .state: job.state.rawValue, .attempt: String(job.attempt.number),
      .cost: cost.formatted(decimals: 4), .created: job.createdAt.iso8601(),
    ]
    values[.reason] = event.reason?.rawValue
    values[.budget] = job.budget?.limit.formatted()
    values[.price] = job.attempt.price?.formatted
    values[.started] = job.startedAt?.iso8601()
    values[.results] = job.spec.gdrivePath
    values[.copied] = job.attempt.syncedAt?.iso8601()
    if let instance = job.attempt.instance {
      values[.instance] = instance.id
      values[.instanceType] = instance.type
      values[.region] = instance.region
      values[.zone] = instance.zone
    }
    self.values = Dictionary(uniqueKeysWithValues: values.map { ($0.key.rawValue, $0.value) })
    let percents = job.budget.map { budget in budget.percents.map { budget.limit.percent($0) } } ?? []
    // An amount far beyond what was spent would only make the picture small.
    let near = marks.sorted().filter { $0 <= cost } + marks.sorted().filter { $0 > cost }.prefix(1)
    spending = Spending(spent: cost, limit: job.budget?.limit, marks: percents + near)
  }
}
