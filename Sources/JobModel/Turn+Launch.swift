/// Launching: the intent is on disk before the provider is called, and a call without an answer is looked for by its token.
extension Turn {
  mutating func startLaunch() {
    machine.outstanding.launchSince = now
    machine.outstanding.nextFindAt = nil
    machine.outstanding.nextLaunchAt = nil
    // What is absent before this call says nothing of what it launches.
    machine.job.attempt.absentSince = nil
    decision.effects.append(.launch)
  }

  mutating func startFind() {
    let sequence = nextSequence()
    machine.outstanding.find = .init(sequence: sequence, since: now)
    machine.outstanding.nextFindAt = nil
    decision.effects.append(.find(sequence: sequence))
  }

  mutating func launchAnswered(_ attempt: Int, _ answer: LaunchAnswer) {
    if attempt == job.attempt.number { machine.outstanding.launchSince = nil }
    switch answer {
    case .launched(let launched):
      named(attempt, launched)
    case .refused(let reason, let message):
      guard attempt == job.attempt.number, job.attempt.instance == nil else { return }
      machine.outstanding.find = nil
      machine.outstanding.nextFindAt = nil
      if let wish = job.wish {
        move(to: .terminated, reason: wish.reason, message: wish.message ?? "ended before it was launched")
        machine.job.wish = nil
      } else if !waitForRoom(reason, message) {
        move(to: .failed, reason: reason, message: message)
      }
    case .unknown(let message):
      guard attempt == job.attempt.number, job.attempt.instance == nil, !job.state.isTerminal else { return }
      noteUnreachable(message)
      machine.outstanding.launchTrouble = message
      machine.outstanding.nextFindAt = now + policy.eagerPollInterval
    }
  }

  /// A job that was taken back waits for room, which may come any time: nobody is there to start it again. False if it is
  /// not to wait, or has waited long enough.
  private mutating func waitForRoom(_ reason: Reason, _ message: String) -> Bool {
    guard reason == .capacity, job.attempt.number > 1, job.spec.recovery != nil,
      now - job.attempt.requestedAt < policy.capacityPatience
    else { return false }
    launchLater()
    machine.job.attempt.absentSince = nil
    noteReachable()
    machine.job.message = "waits for room for attempt \(job.attempt.number): \(message)"
    if !job.waitsForRoom {
      machine.job.crossed.append(Job.roomKey)
      record(
        .launchDelayed,
        "there is no room for attempt \(job.attempt.number), which is tried again for "
          + "\(DurationText.short(policy.capacityPatience)): \(message)", reason: .capacity, key: "room")
    }
    return true
  }

  /// Less and less often.
  private mutating func launchLater() {
    let refused = machine.outstanding.refusedLaunches ?? 0
    machine.outstanding.refusedLaunches = refused + 1
    let pause = min(policy.capacityRetry * (1 << min(refused, 10)), policy.capacityRetryCap)
    machine.outstanding.nextLaunchAt = now + pause
  }

  /// The provider named an instance. It is never forgotten, whatever has become of the job meanwhile.
  mutating func named(_ attempt: Int, _ launched: Launched) {
    guard attempt == job.attempt.number else {
      record(.strayInstance, "instance \(launched.instance.id) of attempt \(attempt) appeared late and is ended")
      decision.effects.append(.discard(attempt: attempt, launched.instance))
      return
    }
    machine.outstanding.launchSince = nil
    machine.outstanding.find = nil
    machine.outstanding.nextFindAt = nil
    machine.outstanding.nextLaunchAt = nil
    machine.outstanding.refusedLaunches = nil
    machine.outstanding.launchTrouble = nil
    machine.job.crossed.removeAll { $0 == Job.roomKey }
    machine.outstanding.hasHeard = true
    noteReachable()
    machine.job.attempt.absentSince = nil
    if let known = job.attempt.instance {
      if known.id != launched.instance.id {
        record(.strayInstance, "a second instance \(launched.instance.id) for the same token is ended")
        decision.effects.append(.discard(attempt: attempt, launched.instance))
      }
      return
    }
    machine.job.attempt.instance = launched.instance
    machine.job.attempt.instanceState = .pending
    machine.job.attempt.launchedAt = clamp(launched.at, from: job.attempt.requestedAt)
    machine.job.attempt.segments = [
      PriceSegment(from: job.attempt.launchedAt ?? now, price: launched.price)
    ]
    let instance = launched.instance
    let text = "instance \(instance.id) (\(instance.type) in \(instance.region)) at \(launched.price.formatted)"
    if move(to: .launched, message: text) {
      // As it should be.
    } else if !job.state.isTerminal {
      // A repaired database knew the state, but not the instance.
      record(.launched, text)
    } else {
      // The job ended before its instance was known: the instance has to go too.
      record(.strayInstance, "instance \(instance.id) appeared after the job had ended, and is terminated")
      if job.wish == nil {
        machine.job.wish = TerminationWish(reason: job.reason ?? .finished, at: now, finalSync: false)
      }
    }
    machine.outstanding.nextPollAt = now + policy.eagerPollInterval
    if job.wish != nil { startTermination() }
  }

  mutating func notFound(_ sequence: Int) {
    guard machine.outstanding.find?.sequence == sequence else { return }
    machine.outstanding.find = nil
    noteReachable()
    guard job.attempt.instance == nil, job.isOpen else { return }
    if job.state.isTerminal {
      machine.job.wish = nil
      return
    }
    let since = job.attempt.absentSince ?? now
    machine.job.attempt.absentSince = since
    let confirmed = now - since >= policy.absenceConfirmation
    if let wish = job.wish {
      if confirmed {
        move(to: .terminated, reason: wish.reason, message: wish.message ?? "ended before it was launched")
        machine.job.wish = nil
      } else {
        machine.outstanding.nextFindAt = now + policy.eagerPollInterval
      }
    } else if job.waitsForRoom, now - job.attempt.requestedAt < policy.capacityPatience {
      // Whoever has just come tries at once.
      if machine.outstanding.refusedLaunches == nil {
        machine.outstanding.refusedLaunches = 0
        startLaunch()
      } else {
        launchLater()
      }
    } else if now - job.attempt.requestedAt < policy.launchTimeout {
      // The token makes this safe: if the first call comes through after all, both name the same instance.
      startLaunch()
    } else if confirmed {
      move(
        to: .failed, reason: .launchLost,
        message: "no instance appeared within \(DurationText.short(policy.launchTimeout)) of the launch"
          + (machine.outstanding.launchTrouble.map { ": \($0)" } ?? ""))
    } else {
      machine.outstanding.nextFindAt = now + policy.eagerPollInterval
    }
  }

  mutating func findFailed(_ sequence: Int, _ message: String) {
    guard machine.outstanding.find?.sequence == sequence else { return }
    machine.outstanding.find = nil
    guard job.attempt.instance == nil, job.isOpen else { return }
    noteUnreachable(message)
    machine.outstanding.nextFindAt = now + patience()
  }

  /// A job whose instance was taken back goes on in a new attempt, if its spec says so.
  mutating func recoverIfWanted() {
    guard job.state == .failed, let reason = job.reason, [.preempted, .capacity].contains(reason), job.wish == nil,
      let rule = job.spec.recovery, job.attempt.number < rule.maxAttempts
    else { return }
    if let budget = job.budget, job.cost(at: now, rule: policy.billing) >= budget.limit { return }
    retry()
  }

  mutating func retry() {
    guard job.state == .failed, !job.attempt.isLive, job.wish == nil else { return }
    let spent = job.attempt.cost(at: now, rule: policy.billing)
    let number = job.attempt.number + 1
    guard move(to: .launching, message: "attempt \(number)") else { return }
    machine.job.earlierCost += spent
    machine.job.attempt = Attempt(job: job.id, number: number, requestedAt: now)
    machine.job.crossed.removeAll { $0.hasPrefix("sync_") || ["idle", "stuck", Job.roomKey].contains($0) }
    machine.job.startedAt = nil
    machine.job.endedAt = nil
    machine.outstanding = .init(sequence: machine.outstanding.sequence)
    startLaunch()
  }
}
