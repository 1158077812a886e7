internal import JobModel
internal import JobStore
internal import ProviderKit

/// The JSON of a job, an event, a delivery. docs/json.md is the contract; the first keys are those of the Python tool's rows.
enum JobDocument {
  static func job(_ job: Job, now: Timestamp, billing: BillingRule) -> JSONValue {
    let attempt = job.attempt
    let instance = attempt.instance
    let cost = job.cost(at: now, rule: billing)
    var document: [String: JSONValue] = [
      "job_id": .string(job.id.rawValue),
      "name": .string(job.spec.name),
      "status": .string(job.state.rawValue),
      "reason": .optional(job.reason?.rawValue),
      "message": .optional(job.message),
      "provider": .string(job.provider.rawValue),
      "instance_type": .optional(instance?.type ?? job.spec.instanceType),
      "instance_id": .optional(instance?.id),
      "instance_state": .optional(attempt.instanceState?.rawValue),
      "region": .optional(instance?.region ?? job.spec.region),
      "zone": .optional(instance?.zone),
      "public_ip": .optional(instance?.publicIP),
      "private_ip": .optional(instance?.privateIP),
      "spot_request_id": .optional(instance?.spotRequestID),
      "s3_bucket": .optional(job.spec.s3Bucket),
      "s3_input_path": .optional(job.spec.s3InputPath),
      "gdrive_path": .optional(job.spec.gdrivePath),
      "basis_set": .optional(job.spec.basisSet),
      "executable": .optional(job.spec.executable),
      "command": .string(job.spec.command),
      "directory": .string(job.spec.directory),
      "created_at": .time(job.createdAt),
      "updated_at": .time(job.updatedAt),
      "started_at": .time(job.startedAt),
      "completed_at": .time(job.endedAt),
      "launched_at": .time(attempt.launchedAt),
      "instance_ended_at": .time(attempt.endedAt),
      "seen_at": .time(attempt.seenAt),
      "heartbeat_at": .time(attempt.heartbeatAt),
      "last_sync_at": .time(attempt.syncedAt),
      "sync": sync(attempt.sync),
      "phase": .optional(attempt.phase?.rawValue),
      "exit_code": attempt.exitCode.map { .integer(Int64($0)) } ?? .null,
      "attempt": .integer(Int64(attempt.number)),
      "open": .bool(job.isOpen),
      "duration_seconds": .integer(job.duration(at: now).components.seconds),
      "price_per_hour": attempt.price.map { .number($0.dollars) } ?? .null,
      "estimated_cost": .money(cost),
      "actual_cost": job.isOpen ? .null : .money(cost),
      "budget_limit": job.budget.map { .money($0.limit) } ?? .null,
      "budget_action": .optional(job.budget?.action.rawValue),
      "metadata": .object(job.spec.metadata),
      "tags": .object(job.spec.tags.mapValues(JSONValue.string)),
    ]
    if let wish = job.wish {
      document["termination"] = .object([
        "reason": .string(wish.reason.rawValue), "message": .optional(wish.message), "at": .time(wish.at),
        "tries": .integer(Int64(wish.tries)),
      ])
    } else {
      document["termination"] = .null
    }
    return .object(document)
  }

  static func event(_ stored: StoredEvent) -> JSONValue {
    let event = stored.event
    return .object([
      "id": .integer(stored.id), "job_id": .string(event.job.rawValue), "attempt": .integer(Int64(event.attempt)),
      "at": .time(event.at), "kind": .string(event.kind.rawValue), "reason": .optional(event.reason?.rawValue),
      "message": .string(event.message), "key": .optional(event.key),
    ])
  }

  static func delivery(_ delivery: Delivery) -> JSONValue {
    .object([
      "id": .integer(delivery.id), "alert_id": .string(delivery.alert.id),
      "rule": .string(delivery.alert.rule.rawValue), "severity": .string(delivery.alert.severity.rawValue),
      "title": .string(delivery.alert.title), "job_id": .optional(delivery.alert.job?.rawValue),
      "channel": .string(delivery.channel), "state": .string(delivery.state.rawValue),
      "tries": .integer(Int64(delivery.tries)), "created_at": .time(delivery.createdAt),
      "next_try_at": delivery.state == .pending ? .time(delivery.nextTryAt) : .null,
      "last_try_at": .time(delivery.lastTryAt), "held_by": .optional(delivery.held),
      "status": .string(delivery.alert.status.rawValue), "repeats": .integer(Int64(delivery.repeats)),
      "answer": .optional(delivery.answer),
    ])
  }

  /// How the latest copy of results went.
  static func sync(_ report: SyncReport?) -> JSONValue {
    guard let report else { return .null }
    return .object([
      "result": .string(report.result.rawValue), "reason": .optional(report.reason),
      "message": .optional(report.message), "final": .bool(report.final),
      "started_at": .time(Timestamp(milliseconds: report.startedAt)),
      "finished_at": .time(Timestamp(milliseconds: report.finishedAt)),
      "failing_since": .time(report.failingSince.map(Timestamp.init(milliseconds:))),
      "files": report.files.map { .integer(Int64($0)) } ?? .null,
      "bytes": report.bytes.map { .integer($0) } ?? .null,
    ])
  }

  /// A copy of results that is over.
  static func copy(_ record: SyncRecord) -> JSONValue {
    .object([
      "attempt": .integer(Int64(record.attempt)), "at": .time(record.at), "result": .string(record.result.rawValue),
      "files": record.files.map { .integer(Int64($0)) } ?? .null, "bytes": record.bytes.map { .integer($0) } ?? .null,
      "message": .optional(record.message),
    ])
  }

  /// What the provider said just now.
  static func observation(_ observation: Observation, at now: Timestamp) -> JSONValue {
    switch observation {
    case .known(let report):
      .object([
        "answer": .string("known"), "at": .time(now), "state": .string(report.state.rawValue),
        "public_ip": .optional(report.publicIP), "private_ip": .optional(report.privateIP),
        "phase": .optional(report.beacon?.phase.rawValue),
        "cpu_percent": report.beacon?.cpuPercent.map { .integer(Int64($0)) } ?? .null,
        "channel_until": .time(report.beacon?.channelUntil.map(Timestamp.init(milliseconds:))),
      ])
    case .absent: .object(["answer": .string("absent"), "at": .time(now)])
    case .unreachable(let message):
      .object(["answer": .string("unreachable"), "at": .time(now), "message": .string(message)])
    }
  }
}

extension JSONValue {
  static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
  static func time(_ moment: Timestamp?) -> JSONValue {
    moment.map { .string($0.iso8601(milliseconds: true)) } ?? .null
  }
  /// Dollars with six decimals.
  static func money(_ money: Money) -> JSONValue { Double(money.plain(decimals: 6)).map(JSONValue.number) ?? .null }
}
