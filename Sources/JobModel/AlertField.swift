/// What a template may ask of an alert. The raw texts are what people write between `{{` and `}}`.
package enum AlertField: String, Sendable, Hashable, CaseIterable {
  case id = "alert.id"
  case incident = "alert.incident"
  case rule = "alert.rule"
  case severity = "alert.severity"
  case status = "alert.status"
  case at = "alert.at"
  case title = "alert.title"
  case facts = "alert.facts"
  case what = "alert.what"
  case nextCommand = "alert.next_command"
  case job = "job.id"
  case name = "job.name"
  case state = "job.state"
  case reason = "job.reason"
  case attempt = "job.attempt"
  case cost = "job.cost"
  case budget = "job.budget"
  case price = "job.price"
  case created = "job.created"
  case started = "job.started"
  case results = "job.results"
  case copied = "job.copied"
  case provider = "job.provider"
  case instance = "job.instance"
  case instanceType = "job.instance_type"
  case region = "job.region"
  case zone = "job.zone"

  /// For the documentation, as the end of a row.
  package var meaning: String {
    switch self {
    case .id: "The alert's id, the same through every channel"
    case .incident: "The id of the alert with which it began, the same for its end"
    case .rule: "The rule, such as `job_failed`"
    case .severity: "`info`, `warning` or `critical`"
    case .status: "`event`, `firing`, `resolved` or `acknowledged`"
    case .at: "When it happened (ISO 8601, UTC)"
    case .title: "The line that it has without a template"
    case .facts: "The facts that it has without a template, on one line"
    case .what: "What happened, such as `exit code 3`"
    case .nextCommand: "The one command to run next"
    case .job: "The job's id"
    case .name: "The job's name"
    case .state: "The job's state"
    case .reason: "Why the job ended, such as `exit_code`"
    case .attempt: "Which launch of the job it is, beginning with 1"
    case .cost: "What the job has cost, such as `$1.5000`"
    case .budget: "The job's budget, such as `$2.00`"
    case .price: "What its instance costs, such as `$0.3600/h`"
    case .created: "When the job was created (ISO 8601, UTC)"
    case .started: "When the calculation started (ISO 8601, UTC)"
    case .results: "Where its results are copied to"
    case .copied: "When they were copied last (ISO 8601, UTC)"
    case .provider: "The provider's name"
    case .instance: "The provider's id of the instance"
    case .instanceType: "Its type"
    case .region: "Its region"
    case .zone: "Its zone"
    }
  }
}

extension Alert {
  /// What stands for a field, or nil if this alert has nothing to say there. The text may be anything.
  package func value(_ field: AlertField) -> String? {
    switch field {
    case .id: id
    case .incident: incident
    case .rule: rule.rawValue
    case .severity: severity.rawValue
    case .status: status.rawValue
    case .at: at.iso8601()
    case .title: title
    case .facts: facts.isEmpty ? nil : facts.map { "\($0.label): \($0.value)" }.joined(separator: "; ")
    case .what: details.values[field.rawValue] ?? facts.first { $0.label == "What" }?.value
    case .nextCommand: nextCommand
    case .job: job?.rawValue
    case .name: labels["name"]
    case .provider: labels["provider"]
    default: details.values[field.rawValue]
    }
  }
}
