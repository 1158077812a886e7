/// Observation: what the provider and the beacon say, and what follows from silence.
extension Turn {
  mutating func startObservation() {
    guard job.attempt.instance != nil, job.isOpen else { return }
    let sequence = nextSequence()
    machine.outstanding.observe = .init(sequence: sequence, since: now)
    decision.effects.append(.observe(sequence: sequence))
  }

  mutating func observed(_ observation: Observation) {
    guard job.attempt.isLive else {
      closeIfGone()
      return
    }
    switch observation {
    case .unreachable(let message):
      noteUnreachable(message)
    case .absent:
      noteReachable()
      machine.outstanding.hasHeard = true
      let since = job.attempt.absentSince ?? now
      machine.job.attempt.absentSince = since
      if !isYoung, now - since >= policy.absenceConfirmation, since < now || policy.absenceConfirmation == .zero {
        gone(endedAt: since)
      }
    case .known(let report):
      noteReachable()
      machine.job.attempt.absentSince = nil
      noteSleep()
      machine.outstanding.hasHeard = true
      known(report)
    }
    schedulePoll()
  }

  /// A provider may not show an instance everywhere at once.
  private var isYoung: Bool {
    job.attempt.seenAt == nil && job.attempt.launchedAt.map { now - $0 < policy.absenceGrace } ?? false
  }

  private mutating func known(_ report: Observation.Report) {
    machine.job.attempt.instanceState = report.state
    if report.state != .terminated { machine.job.attempt.seenAt = now }
    updateAddresses(report)
    if report.isUnheard { machine.outstanding.unheardAt = now }
    if let beacon = report.beacon, beacon.attempt == job.attempt.number, beacon.job == job.id.rawValue {
      read(beacon)
    }
    if report.state == .terminated {
      learnPrices(report.prices, until: report.endedAt ?? now)
      gone(endedAt: report.endedAt, reason: report.endReason, message: report.endMessage, isSeen: true)
    } else {
      checkStopped(report)
      checkHeartbeat()
      checkStaleness()
      checkShutdown()
    }
  }

  private mutating func updateAddresses(_ report: Observation.Report) {
    guard var instance = job.attempt.instance else { return }
    let old = instance
    instance.publicIP = report.publicIP ?? instance.publicIP
    instance.privateIP = report.privateIP ?? instance.privateIP
    guard instance != old else { return }
    machine.job.attempt.instance = instance
    record(.addressChanged, "addresses: \(instance.publicIP ?? "-") public, \(instance.privateIP ?? "-") private")
  }

  private mutating func read(_ beacon: Beacon) {
    let launchedAt = job.attempt.launchedAt ?? job.createdAt
    let heartbeat = clamp(Timestamp(milliseconds: beacon.heartbeatAt), from: launchedAt)
    if heartbeat > job.attempt.heartbeatAt ?? Timestamp(milliseconds: .min) {
      machine.job.attempt.heartbeatAt = heartbeat
    }
    machine.job.attempt.phase = beacon.phase
    machine.outstanding.channelUntil = beacon.channelUntil.map { Timestamp(milliseconds: $0) }
    readSync(beacon, launchedAt: launchedAt)
    noteIdleness(beacon, at: heartbeat)
    noteProgress(beacon, launchedAt: launchedAt)
    if let started = beacon.startedAt, !job.state.isTerminal {
      let moment = clamp(Timestamp(milliseconds: started), from: launchedAt)
      if job.startedAt == nil { machine.job.startedAt = moment }
      move(to: .running, message: "the calculation started")
    }
    guard beacon.isOver, !job.state.isTerminal else { return }
    machine.job.attempt.exitCode = beacon.exitCode
    let ended = beacon.finishedAt.map { clamp(Timestamp(milliseconds: $0), from: job.startedAt ?? launchedAt) }
    end(beacon, at: ended ?? now)
  }

  /// A calculation that does nothing for long has perhaps hung; whether it has, a person must say.
  private mutating func noteIdleness(_ beacon: Beacon, at heartbeat: Timestamp) {
    guard let limit = alerts.idleAfter, let cpu = beacon.cpuPercent, beacon.phase == .running, !beacon.isOver
    else {
      machine.outstanding.idleSince = nil
      return
    }
    guard cpu < alerts.idlePercent else {
      machine.outstanding.idleSince = nil
      if job.crossed.contains("idle") {
        machine.job.crossed.removeAll { $0 == "idle" }
        record(.instanceBusy, "the calculation works again (\(cpu) % of a core)")
      }
      return
    }
    let since = machine.outstanding.idleSince ?? heartbeat
    machine.outstanding.idleSince = since
    guard now - since >= limit, !job.crossed.contains("idle") else { return }
    machine.job.crossed.append("idle")
    record(
      .instanceIdle,
      "the calculation has used less than \(alerts.idlePercent) % of a core for \(DurationText.short(now - since))",
      key: String(since.rawValue))
  }

  /// A calculation may use its processors and get nowhere; then it writes nothing.
  private mutating func noteProgress(_ beacon: Beacon, launchedAt: Timestamp) {
    guard let limit = alerts.stuckAfter, let progress = beacon.progressAt, beacon.phase == .running, !beacon.isOver
    else { return }
    let since = clamp(Timestamp(milliseconds: progress), from: launchedAt)
    let isStuck = now - since >= limit
    guard isStuck != job.crossed.contains("stuck") else { return }
    if isStuck {
      machine.job.crossed.append("stuck")
      record(
        .jobStuck, "the calculation has written nothing for \(DurationText.short(now - since))",
        key: String(since.rawValue))
    } else {
      machine.job.crossed.removeAll { $0 == "stuck" }
      record(.jobMoving, "the calculation writes again")
    }
  }

  /// The script on the instance says how the calculation ended.
  private mutating func end(_ beacon: Beacon, at moment: Timestamp) {
    guard let endedBy = beacon.endedBy else {
      let code = beacon.exitCode ?? -1
      if code == 0 {
        move(to: .completed, message: "exit code 0", at: moment)
      } else {
        move(to: .failed, reason: .exitCode, message: exitText(code), at: moment)
      }
      return
    }
    let reason = Reason(rawValue: endedBy) ?? .stoppedOutside
    switch reason {
    case .preempted, .bootstrapError:
      move(to: .failed, reason: reason, message: beacon.message ?? reason.phrase, at: moment)
    case .budget, .maxDuration, .idle:
      move(to: .terminated, reason: reason, message: beacon.message ?? reason.phrase, at: moment)
    default:
      let wanted = job.wish?.reason ?? reason
      move(
        to: .terminated, reason: wanted, message: job.wish?.message ?? beacon.message ?? wanted.phrase, at: moment)
    }
  }

  private func exitText(_ code: Int) -> String {
    code > 128 && code <= 192 ? "exit code \(code) (signal \(code - 128))" : "exit code \(code)"
  }

  /// The provider confirmed that the instance is gone.
  private mutating func gone(endedAt: Timestamp?, reason: Reason? = nil, message: String? = nil, isSeen: Bool = false) {
    // Never before a moment whose cost was already written or at which the instance was seen.
    let floor = max(job.attempt.launchedAt ?? job.createdAt, job.attempt.seenAt ?? job.createdAt, job.updatedAt)
    let moment = clamp(endedAt ?? now, from: floor)
    let wish = job.wish
    machine.job.attempt.endedAt = moment
    machine.job.attempt.instanceState = .terminated
    machine.job.attempt.absentSince = nil
    if isSeen { machine.job.attempt.seenAt = now }
    if !job.state.isTerminal {
      if let wish = job.wish {
        move(to: .terminated, reason: wish.reason, message: wish.message ?? wish.reason.phrase, at: moment)
      } else {
        let words = message.map { ": \($0)" } ?? ""
        switch reason {
        case .preempted:
          move(to: .failed, reason: .preempted, message: "the provider took the instance back" + words, at: moment)
        case .stoppedOutside:
          move(
            to: .terminated, reason: .stoppedOutside, message: "the instance was ended from outside" + words, at: moment
          )
        case .shutDown:
          move(
            to: .failed, reason: .shutDown, message: "the machine switched itself off without having reported an end",
            at: moment)
        case .capacity, .launchError:
          move(to: .failed, reason: reason, message: message ?? "the provider could not start the instance", at: moment)
        default:
          move(
            to: .failed, reason: .instanceVanished, message: "the instance is gone without having reported an end",
            at: moment)
        }
      }
    }
    forgiveCharge(reason: reason)
    record(.instanceGone, "instance \(job.attempt.instance?.id ?? "?") is gone", reason: nil)
    checkFinalSync(wish: wish)
    closeIfGone()
    recoverIfWanted()
  }

  /// Some providers charge nothing for a spot instance that they take back soon. One that has switched itself off after the
  /// notice is charged: only what the provider says counts.
  private mutating func forgiveCharge(reason: Reason?) {
    guard reason == .preempted, let limit = policy.billing.freeIfPreemptedWithin,
      let launchedAt = job.attempt.launchedAt,
      let endedAt = job.attempt.endedAt, endedAt - launchedAt < limit,
      job.attempt.segments.contains(where: { $0.price > .zero })
    else { return }
    machine.job.attempt.segments = [PriceSegment(from: launchedAt, price: .zero)]
    record(.priceChanged, "taken back within \(DurationText.short(limit)), so it is not charged")
  }

  /// An instance that somebody stopped does not work any more, but may cost; so it is ended.
  private mutating func checkStopped(_ report: Observation.Report) {
    guard report.state == .stopped, job.wish == nil else { return }
    if !job.state.isTerminal {
      let preempted = report.endReason == .preempted
      let words = report.endMessage.map { ": \($0)" } ?? ""
      move(
        to: preempted ? .failed : .terminated, reason: preempted ? .preempted : .stoppedOutside,
        message: "the instance was stopped" + words)
    }
    machine.job.wish = TerminationWish(
      reason: job.reason ?? .stoppedOutside, message: "the instance was stopped", at: now, finalSync: false)
    startTermination()
  }

  private mutating func closeIfGone() {
    guard !job.attempt.isLive, job.state.isTerminal else { return }
    machine.job.wish = nil
    machine.outstanding.terminate = nil
    machine.outstanding.nextTerminateAt = nil
    machine.outstanding.nextPollAt = nil
  }

  private mutating func checkHeartbeat() {
    guard job.state == .launched || job.state == .running, let launchedAt = job.attempt.launchedAt else { return }
    let last = max(job.attempt.heartbeatAt ?? launchedAt, launchedAt)
    // What this computer slept through is no silence of the instance.
    let silence = now - max(last, machine.outstanding.resumedAt ?? last)
    if job.attempt.heartbeatLost {
      if now - last < policy.heartbeatTimeout {
        machine.job.attempt.heartbeatLost = false
        record(.heartbeatBack, "the heartbeat is back")
      } else if silence >= policy.heartbeatGiveUp, hushed(since: last) >= policy.heartbeatGiveUp {
        // Only a later look than the one that missed it comes here: the first after a pause may see an old beacon.
        move(
          to: .failed, reason: .heartbeatLost,
          message: "no heartbeat for \(DurationText.short(silence)); the instance is ended")
        if job.wish == nil { machine.job.wish = TerminationWish(reason: .heartbeatLost, at: now) }
        startTermination()
      }
    } else if silence >= policy.heartbeatTimeout {
      machine.job.attempt.heartbeatLost = true
      record(
        .heartbeatLost, "no heartbeat for \(DurationText.short(silence))", reason: .heartbeatLost,
        key: String(last.rawValue))
    }
  }

  /// How long the instance has said nothing although it could, and would have been heard. One whose addresses have run out
  /// works on in silence: that is told, and no reason to end it. One that spoke well after their end, by whichever clock,
  /// needs none.
  private func hushed(since last: Timestamp) -> Duration {
    var end = now
    if let until = machine.outstanding.channelUntil, last <= until + policy.heartbeatTimeout { end = min(until, now) }
    return end - max(last, machine.outstanding.resumedAt ?? last, machine.outstanding.unheardAt ?? last)
  }

  /// Nobody looked for long although this process was alive: this computer has slept, and with it the instances on it.
  private mutating func noteSleep() {
    guard machine.outstanding.hasHeard, let seenAt = job.attempt.seenAt, job.attempt.unreachableSince == nil else {
      return
    }
    if now - seenAt > max(policy.pollInterval * 4, .seconds(60)) { machine.outstanding.resumedAt = now }
  }

  /// A machine whose calculation is over shuts itself down; if it does not, it is ended.
  private mutating func checkShutdown() {
    guard job.state.isTerminal, job.wish == nil, let endedAt = job.endedAt else { return }
    // A final sync may take long, and as long as it reports itself it may go on.
    let quietSince = job.attempt.phase == .finished ? endedAt : max(endedAt, job.attempt.heartbeatAt ?? endedAt)
    // One that got the notice may wait to be taken away, since that costs nothing.
    let waits = job.reason == .preempted && policy.billing.freeIfPreemptedWithin != nil
    guard now - quietSince >= policy.shutdownGrace + (waits ? BillingRule.longestWait : .zero) else { return }
    let wish = TerminationWish(
      reason: .finished, message: "the machine did not shut itself down", at: now, finalSync: false)
    machine.job.wish = wish
    record(.terminateRequested, wish.message ?? "", reason: .finished)
    startTermination()
  }

  mutating func noteUnreachable(_ message: String) {
    let since = job.attempt.unreachableSince ?? now
    machine.job.attempt.unreachableSince = since
    let silence = now - since
    // Reported once: the poll that crosses the line. The job's state never changes for it.
    if silence >= policy.unreachableAfter, !reportedUnreachable(since) {
      record(
        .providerUnreachable, "\(job.provider) has not answered for \(DurationText.short(silence)): \(message)",
        key: String(since.rawValue))
      machine.job.crossed.append(Self.unreachableKey(since))
    }
  }

  mutating func noteReachable() {
    guard let since = job.attempt.unreachableSince else { return }
    machine.job.attempt.unreachableSince = nil
    if reportedUnreachable(since) {
      machine.job.crossed.removeAll { $0 == Self.unreachableKey(since) }
      record(.providerReachable, "\(job.provider) answers again after \(DurationText.short(now - since))")
    }
  }

  private func reportedUnreachable(_ since: Timestamp) -> Bool { job.crossed.contains(Self.unreachableKey(since)) }

  private static func unreachableKey(_ since: Timestamp) -> String { "u\(since.rawValue)" }

  private mutating func schedulePoll() {
    guard job.isOpen, job.attempt.isLive else {
      machine.outstanding.nextPollAt = nil
      return
    }
    let eager =
      job.wish != nil || job.state == .launched || job.state.isTerminal || job.attempt.absentSince != nil
    let interval: Duration
    if job.attempt.unreachableSince != nil {
      interval = patience()
    } else {
      interval = eager ? min(policy.eagerPollInterval, policy.pollInterval) : policy.pollInterval
    }
    machine.outstanding.nextPollAt = Self.together(now + interval, interval)
  }

  /// A moment that jobs share which are due at about the same time, so that one call asks for all of them: the third of an
  /// interval that has begun. The first pause is shorter by that, all others are whole. Short intervals are kept as they are.
  private static func together(_ moment: Timestamp, _ interval: Duration) -> Timestamp {
    guard interval >= .seconds(10), moment.rawValue > 0 else { return moment }
    let step = interval.milliseconds / 3
    return Timestamp(milliseconds: moment.rawValue / step * step)
  }

  /// How long a provider that does not answer is left alone: a fifth of its silence, at most five minutes.
  func patience() -> Duration {
    let silence = job.attempt.unreachableSince.map { now - $0 } ?? .zero
    return max(policy.pollInterval, min(.milliseconds(silence.milliseconds / 5), .seconds(300)))
  }
}
