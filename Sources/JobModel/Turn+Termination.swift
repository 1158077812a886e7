/// Termination: the wish is committed before the call, and stays open until the provider confirms the end.
extension Turn {
  mutating func request(_ wish: TerminationWish) {
    guard job.isOpen else { return }
    if wish.isForgotten == true {
      forget(wish)
      return
    }
    if var open = job.wish {
      // A second wish changes nothing but makes haste: no more waiting for a final sync, and ask again now.
      if !wish.finalSync, open.finalSync {
        open.finalSync = false
        machine.job.wish = open
      }
      if machine.outstanding.terminate == nil { startTermination() }
      return
    }
    machine.job.wish = wish
    record(.terminateRequested, wish.message ?? wish.reason.phrase, reason: wish.reason)
    if job.attempt.instance != nil {
      startTermination()
    } else if machine.outstanding.nextLaunchAt != nil {
      // Its last launch was refused, so nothing runs.
      machine.outstanding.nextLaunchAt = nil
      move(to: .terminated, reason: wish.reason, message: wish.message ?? "ended before it was launched again")
      machine.job.wish = nil
    } else if machine.outstanding.launchSince == nil, machine.outstanding.find == nil {
      startFind()
    }
  }

  /// Closes the job on a person's word, for instances that no provider here can be asked for.
  private mutating func forget(_ wish: TerminationWish) {
    record(
      .terminateRequested, "closed without asking \(job.provider): \(wish.message ?? "no reason given")",
      reason: wish.reason)
    if job.attempt.isLive {
      machine.job.attempt.endedAt = clamp(now, from: job.updatedAt)
      machine.job.attempt.instanceState = .terminated
    }
    if !job.state.isTerminal { move(to: .terminated, reason: wish.reason, message: wish.message ?? "closed by hand") }
    machine.job.wish = nil
    machine.outstanding = .init(sequence: machine.outstanding.sequence)
  }

  mutating func startTermination() {
    guard job.attempt.isLive, var wish = job.wish else { return }
    wish.tries += 1
    machine.job.wish = wish
    let sequence = nextSequence()
    machine.outstanding.terminate = .init(sequence: sequence, since: now)
    machine.outstanding.nextTerminateAt = nil
    // The instance keeps this limit by itself; one that does not is not waited for.
    let isInTime = now - wish.at < policy.finalSyncLimit + .seconds(60)
    decision.effects.append(.terminate(sequence: sequence, finalSync: wish.finalSync && isInTime))
  }

  mutating func terminateAnswered(_ sequence: Int, error: String?) {
    guard machine.outstanding.terminate?.sequence == sequence else { return }
    machine.outstanding.terminate = nil
    guard let wish = job.wish, job.attempt.isLive else { return }
    if let error {
      record(.terminateFailed, error)
    } else if wish.tries == 1 {
      record(.terminateSent, "the provider took the order to end the instance")
    }
    // Until it is confirmed the order is given again, less and less often.
    let doublings = min(max(wish.tries - 1, 0), 10)
    let pause = min(policy.terminateRetry * (1 << doublings), policy.terminateRetryCap)
    machine.outstanding.nextTerminateAt = now + pause
    machine.outstanding.nextPollAt = min(
      machine.outstanding.nextPollAt ?? now + policy.eagerPollInterval, now + policy.eagerPollInterval)
  }
}
