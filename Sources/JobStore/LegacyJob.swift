import Foundation
import JobModel

/// A job of the Python tool as one of ours, as far as its row can be understood.
///
/// Every column ends up in the spec's metadata as it was, understood or not.
struct LegacyJob {
  var job: Job
  var events: [Event]
  var warnings: [String]

  /// - Parameters:
  ///   - id: The id it gets, which is its own one if that is possible.
  ///   - related: Rows of other tables that name this job.
  ///   - timeZone: Seconds east of Greenwich at a local time, since the tool wrote no zone.
  init(
    _ row: [String: JSONValue], id: JobID, related: [String: [JSONValue]], timeZone: @escaping (CalendarTime) -> Int,
    now: Timestamp
  ) {
    var reader = LegacyRow(row: row, timeZone: timeZone)
    let metadata = reader.object("metadata")
    let billingTags = reader.object("billing_tags")
    let updated = reader.time("updated_at")
    let started = reader.time("started_at")
    let completed = reader.time("completed_at")
    let created: Timestamp
    if let moment = reader.time("created_at") {
      created = moment
    } else {
      created = [started, updated, completed].compactMap { $0 }.min() ?? now
      reader.warnings.append("no time of creation: \(created.iso8601()) was taken")
    }

    let (state, statusText) = Self.state(reader.text("status"))
    var job = Job(
      id: id, provider: ProviderName(matching: reader.text("provider") ?? "unknown"),
      spec: Self.spec(&reader, id: id, metadata: metadata, billingTags: billingTags, related: related, row: row),
      budget: nil, createdAt: created)
    if let limit = reader.number("budget_limit"), limit > 0 {
      // Budgets beyond a hundred million dollars are typing errors, and would overflow as percentages.
      if limit < 100_000_000, let money = Money(dollars: limit) {
        job.budget = Budget(limit: money)
      } else {
        reader.warnings.append("budget_limit \(limit) is not a possible amount")
      }
    }
    job.state = state
    job.updatedAt = updated ?? completed ?? started ?? created
    job.startedAt = started
    job.endedAt = completed
    if state.isTerminal {
      job.endedAt = completed ?? updated
      if state != .completed { job.reason = .imported }
    }
    if let statusText {
      job.message = "status in the Python tool's database: \(statusText)"
      reader.warnings.append("status “\(statusText)” became \(state.rawValue)")
    }
    job.attempt = Self.attempt(&reader, job: job, metadata: metadata)
    self.job = job
    events = [
      Event(
        job: id, attempt: 1, at: now, kind: .imported, reason: .imported,
        message: "imported from the Python tool's database as \(state.rawValue)")
    ]
    warnings = reader.warnings.map { "job \(id): \($0)" }
  }

  /// The state, and the original text if it is not one of the six.
  private static func state(_ text: String?) -> (JobState, String?) {
    if let text, let state = JobState(rawValue: text.lowercased()) { return (state, nil) }
    return (.failed, text ?? "none")
  }

  private static func attempt(_ reader: inout LegacyRow, job: Job, metadata: [String: JSONValue]?) -> Attempt {
    var attempt = Attempt(job: job.id, number: 1, requestedAt: job.createdAt)
    let began = job.startedAt ?? job.createdAt
    if let instance = reader.text("instance_id") {
      let launch = metadata?["launch_result"]
      attempt.instance = Instance(
        id: instance, type: reader.text("instance_type") ?? "", region: reader.text("region") ?? "",
        zone: launch?["zone"]?.string, publicIP: reader.text("public_ip"), privateIP: reader.text("private_ip"),
        spotRequestID: reader.text("spot_request_id"))
      attempt.launchedAt = began
      attempt.instanceState = job.state.isTerminal ? .terminated : job.state == .running ? .running : nil
    } else if !job.state.isTerminal, job.state != .launching {
      reader.warnings.append("it is \(job.state.rawValue), but no instance is named")
    }
    if let price = reader.number("price_per_hour"), price != 0 {
      if let price = HourlyPrice(dollars: price) {
        // The tool counts from the start of the calculation, or from the creation of the job.
        attempt.launchedAt = began
        attempt.segments = [PriceSegment(from: began, price: price)]
      } else {
        reader.warnings.append("price_per_hour \(price) is not a possible price")
      }
    }
    // The tool knows of no instance that outlives its job.
    if job.state.isTerminal { attempt.endedAt = max(began, job.endedAt ?? job.updatedAt) }
    return attempt
  }

  private static func spec(
    _ reader: inout LegacyRow, id: JobID, metadata: [String: JSONValue]?, billingTags: [String: JSONValue]?,
    related: [String: [JSONValue]], row: [String: JSONValue]
  ) -> JobSpec {
    let config = metadata?["job_config"]
    func configured(_ keys: String...) -> String? {
      keys.lazy.compactMap { config?[$0]?.string }.first { !$0.isEmpty }
    }
    var spec = JobSpec(
      name: configured("name", "job_name") ?? id.rawValue,
      directory: configured("job_dir", "job_path", "directory", "input_dir") ?? "", command: configured("command") ?? ""
    )
    spec.basisSet = reader.text("basis_set")
    spec.executable = configured("executable")
    spec.gdrivePath = reader.text("gdrive_path")
    spec.s3Bucket = reader.text("s3_bucket")
    spec.s3InputPath = reader.text("s3_input_path")
    spec.instanceType = reader.text("instance_type")
    spec.region = reader.text("region")
    for (key, value) in billingTags ?? [:] {
      if case .string(let text) = value { spec.tags[key] = text }
    }
    // What was understood as a whole stands at the top, the rest of the row as it was below `imported`.
    var columns = row.filter { $0.value != .null }
    if let metadata {
      spec.metadata = metadata
      columns["metadata"] = nil
    }
    if let billingTags {
      spec.metadata["billing_tags"] = .object(billingTags)
      columns["billing_tags"] = nil
    }
    var imported: [String: JSONValue] = ["columns": .object(columns)]
    if !related.isEmpty { imported["tables"] = .object(related.mapValues { .array($0) }) }
    if let earlier = spec.metadata["imported"] { imported["metadata_imported"] = earlier }
    spec.metadata["imported"] = .object(imported)
    return spec
  }
}

/// Takes typed values out of a row, and collects what can't be read.
struct LegacyRow {
  let row: [String: JSONValue]
  let timeZone: (CalendarTime) -> Int
  var warnings: [String] = []

  init(row: [String: JSONValue], timeZone: @escaping (CalendarTime) -> Int) {
    self.row = row
    self.timeZone = timeZone
  }

  /// An empty string stands where a value is unknown.
  func text(_ column: String) -> String? {
    switch row[column] {
    case .string(let text): text.isEmpty ? nil : text
    case .integer(let number): String(number)
    case .number(let number): String(number)
    default: nil
    }
  }

  mutating func number(_ column: String) -> Double? {
    switch row[column] {
    case nil, .null, .string(""): return nil
    case .string(let text):
      if let number = Double(text), number.isFinite { return number }
    case let value?:
      if let number = value.double, number.isFinite { return number }
    }
    warnings.append("\(column) is not a number")
    return nil
  }

  mutating func time(_ column: String) -> Timestamp? {
    guard let text = text(column) else { return nil }
    if let moment = Timestamp(iso8601: text, offsetIfMissing: timeZone) { return moment }
    warnings.append("\(column) “\(text.prefix(40))” is not a time")
    return nil
  }

  mutating func object(_ column: String) -> [String: JSONValue]? {
    guard let text = text(column) else { return nil }
    if let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)), let object = value.object {
      return object
    }
    warnings.append("\(column) is not a JSON object")
    return nil
  }
}
