package import JobModel

/// What waits to be told, what fires and what is silenced.
extension MemoryStore {
  // MARK: Outbox

  package func dueDeliveries(
    through channel: String, at now: Timestamp, limit: Int
  ) async throws(StoreError) -> [Delivery] {
    try open()
    let due = outbox.values.filter { $0.state == .pending && $0.channel == channel && $0.nextTryAt <= now }
      .sorted { ($0.nextTryAt, $0.id) < ($1.nextTryAt, $1.id) }
    return Array(due.prefix(max(0, limit)))
  }

  package func nextDeliveries() async throws(StoreError) -> [String: Timestamp] {
    try open()
    return Dictionary(
      outbox.values.lazy.filter { $0.state == .pending }.map { ($0.channel, $0.nextTryAt) }, uniquingKeysWith: min)
  }

  package func settle(_ outcomes: [DeliveryOutcome]) async throws(StoreError) {
    try open()
    for outcome in outcomes {
      guard var delivery = outbox[outcome.delivery], delivery.state == .pending else { continue }
      if case .held(let until) = outcome.result {
        delivery.nextTryAt = until
        delivery.held = outcome.answer
        outbox[delivery.id] = delivery
        continue
      }
      delivery.held = nil
      delivery.tries += 1
      delivery.lastTryAt = outcome.at
      delivery.answer = outcome.answer
      switch outcome.result {
      case .delivered: delivery.state = .delivered
      case .dead: delivery.state = .dead
      case .retry(let at): delivery.nextTryAt = at
      case .held: continue
      }
      outbox[delivery.id] = delivery
      guard delivery.state != .pending else { continue }
      for var waiting in outbox.values
      where waiting.state == .waiting && waiting.alert.incident == delivery.alert.id
        && waiting.channel == delivery.channel
      {
        waiting.state = .pending
        waiting.nextTryAt = outcome.at
        outbox[waiting.id] = waiting
      }
    }
  }

  package func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [Delivery] {
    try open()
    let found = outbox.values.filter { delivery in
      (query.states.isEmpty || query.states.contains(delivery.state))
        && (query.job == nil || delivery.alert.job == query.job)
        && (query.channel == nil || delivery.channel == query.channel)
    }.sorted { $0.id > $1.id }
    return query.limit.map { Array(found.prefix(max(0, $0))) } ?? found
  }

  package func resend(_ ids: [Int64]?, at now: Timestamp) async throws(StoreError) -> Int {
    try open()
    let dead = outbox.values.filter { $0.state == .dead && (ids?.contains($0.id) ?? true) }
    for var delivery in dead {
      delivery.state = .pending
      delivery.tries = 0
      delivery.createdAt = now
      delivery.nextTryAt = now
      outbox[delivery.id] = delivery
    }
    return dead.count
  }

  package func park(channel: String, answer: String, at now: Timestamp) async throws(StoreError) -> Int {
    try change(
      where: { $0.channel == channel && ($0.state == .pending || $0.state == .waiting) },
      edit: { delivery in
        delivery.state = .dead
        delivery.answer = answer
        delivery.lastTryAt = now
      })
  }

  package func hurry(channel: String, at now: Timestamp) async throws(StoreError) {
    let isDelayed = { (delivery: Delivery) in
      delivery.channel == channel && delivery.state == .pending && delivery.held == nil && delivery.nextTryAt > now
    }
    _ = try change(where: isDelayed, edit: { $0.nextTryAt = now })
  }

  private func change(
    where matches: (Delivery) -> Bool, edit: (inout Delivery) -> Void
  ) throws(StoreError) -> Int {
    try open()
    let found = outbox.values.filter(matches)
    for var delivery in found {
      edit(&delivery)
      outbox[delivery.id] = delivery
    }
    return found.count
  }

  package func firingAlerts() async throws(StoreError) -> [FiringAlert] {
    try open()
    return alerts.values.filter { $0.status == .firing && ends[$0.id] == nil }.sorted {
      ($1.at, $0.id) < ($0.at, $1.id)
    }
    .map {
      FiringAlert(
        alert: $0, acknowledgedAt: acknowledged[$0.id]?.at, acknowledgedBy: acknowledged[$0.id]?.person)
    }
  }

  package func acknowledge(
    _ ids: [String], by person: String, telling channels: Set<String>, at now: Timestamp
  ) async throws(StoreError) -> Int {
    try open()
    var count = 0
    for id in ids {
      guard let firing = alerts[id], firing.status == .firing, ends[id] == nil, acknowledged[id] == nil else {
        continue
      }
      acknowledged[id] = (now, person)
      count += 1
      let note = firing.acknowledged(by: person, at: now, channels: channels)
      guard !note.channels.isEmpty, alerts[note.id] == nil else { continue }
      alerts[note.id] = note
      for channel in Set(note.channels).sorted() { follow(firing, with: note, channel, at: now) }
    }
    return count
  }

  package func repeatFiring(deliveredBefore moment: Timestamp, at now: Timestamp) async throws(StoreError) -> Int {
    let (ends, acknowledged) = (ends, acknowledged)
    return try change(
      where: { delivery in
        delivery.state == .delivered && delivery.lastTryAt.map { $0 < moment } == true
          && delivery.alert.status == .firing && ends[delivery.alert.id] == nil
          && acknowledged[delivery.alert.id] == nil
      },
      edit: { delivery in
        delivery.state = .pending
        delivery.repeats += 1
        delivery.tries = 0
        delivery.nextTryAt = now
        delivery.createdAt = now
      })
  }

  package func silences(at now: Timestamp) async throws(StoreError) -> [Silence] {
    try open()
    return quiet.values.filter { $0.until > now }.sorted { ($0.until, $0.id) < ($1.until, $1.id) }
  }

  package func put(_ silence: Silence) async throws(StoreError) {
    try open()
    quiet[silence.id] = silence
  }

  package func endSilence(_ id: String, at now: Timestamp) async throws(StoreError) -> Bool {
    let isOpen = quiet[id].map { $0.until > now } ?? false
    if isOpen { quiet[id]?.until = now }
    _ = try change(where: { $0.state == .pending && $0.held == "silence \(id)" }, edit: { $0.nextTryAt = now })
    return isOpen
  }

  // MARK: Beginnings and ends

  @discardableResult
  func enter(_ new: [Alert], at now: Timestamp) -> Int {
    var count = 0
    for alert in new where alert.status == .resolved {
      for firing in alerts.values.filter({ $0.condition == alert.condition && $0.status == .firing }).sorted(by: {
        $0.id < $1.id
      }) where ends[firing.id] == nil {
        end(firing, alert.ending(firing), at: now)
        count += 1
      }
    }
    for alert in new where alert.status != .resolved && alerts[alert.id] == nil {
      alerts[alert.id] = alert
      count += 1
      var seen: Set<String> = []
      for channel in alert.channels where seen.insert(channel).inserted {
        lastDelivery += 1
        outbox[lastDelivery] = Delivery(
          id: lastDelivery, alert: alert, channel: channel, state: .pending, tries: 0, createdAt: now, nextTryAt: now)
      }
    }
    return count
  }

  private func end(_ firing: Alert, _ end: Alert, at now: Timestamp) {
    ends[firing.id] = end.at
    alerts[end.id] = end
    for channel in Set(firing.channels).sorted() {
      let first = outbox.values.first { $0.alert.id == firing.id && $0.channel == channel }
      if var first, first.state == .pending, first.held != nil, first.tries == 0, first.repeats == 0 {
        first.state = .skipped
        first.answer = "over before it was sent"
        outbox[first.id] = first
        for var other in outbox.values
        where other.alert.incident == firing.id && other.channel == channel && other.state == .waiting {
          other.state = .skipped
          other.answer = first.answer
          outbox[other.id] = other
        }
        continue
      }
      follow(firing, with: end, channel, at: now)
    }
  }

  private func follow(_ firing: Alert, with next: Alert, _ channel: String, at now: Timestamp) {
    let first = outbox.values.first { $0.alert.id == firing.id && $0.channel == channel }
    lastDelivery += 1
    outbox[lastDelivery] = Delivery(
      id: lastDelivery, alert: next, channel: channel, state: first?.state == .pending ? .waiting : .pending, tries: 0,
      createdAt: now, nextTryAt: now)
  }
}
