import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport
import Testing

@Suite struct EndTests {
  @Test func terminatesWhatIgnoresTERM() async throws {
    let ground = try Ground(grace: .milliseconds(300))
    let reference = try await ground.launch(
      ground.request(
        "trap '' TERM INT HUP; echo ready; setsid sh -c 'trap \"\" TERM; echo daemon; sleep 300' & sleep 301"))
    try await ground.printed(reference, "ready")
    try await ground.printed(reference, "daemon")
    #expect(await ground.provider.terminate(reference, finalSync: true) == .accepted)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.exitCode == 137)
    #expect(end.endReason == nil)
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func givesTheCalculationTimeToSave() async throws {
    let ground = try Ground(grace: .seconds(5))
    let reference = try await ground.launch(
      ground.request("trap 'sleep 0.3; echo saved; exit 9' TERM; echo ready; while :; do sleep 0.05; done"))
    try await ground.printed(reference, "ready")
    #expect(await ground.provider.terminate(reference, finalSync: true) == .accepted)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.exitCode == 9)
    #expect(ground.output(reference).contains("saved"))
  }

  @Test func terminatesBeforeTheScriptBegins() async throws {
    let ground = try Ground()
    let request = ground.request("echo never")
    try FileManager.default.createDirectory(
      atPath: ground.root + "/" + request.token, withIntermediateDirectories: true)
    try ground.write(ground.root + "/" + request.token + "/terminate", [])
    let reference = try await ground.launch(request)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.startedAt == nil)
    #expect(ground.output(reference) == "")
  }

  /// A job whose first minute is over its budget is ended before anything is staged.
  @Test func anEndBeforeTheStagingLeavesFoldersForTheLastCopy() async throws {
    let ground = try Ground()
    let request = ground.request("echo never")
    try FileManager.default.createDirectory(
      atPath: ground.root + "/" + request.token, withIntermediateDirectories: true)
    try ground.write(ground.root + "/" + request.token + "/terminate", [])
    let reference = try await ground.start(request) {
      $0.finalSync = "cd work && mkdir ../sync && : >../sync/last-good.json"
    }
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.message == "ended on request", "\(String(describing: end.beacon))")
  }

  @Test func wakesAndEndsAStoppedScript() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("sleep 300"))
    try await ground.running(reference)
    kill(try ground.leader(reference), SIGSTOP)
    #expect(await ground.provider.terminate(reference, finalSync: true) == .accepted)
    #expect(try await ground.gone(reference).beacon?.endedBy == "terminated")
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
  func reportsASignalFromOutside(_ signal: Int32) async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("sleep 300"))
    try await ground.running(reference)
    kill(try ground.leader(reference), signal)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "stopped_outside")
    #expect(end.beacon?.exitCode == 143)
    #expect(end.beacon?.message?.isEmpty == false)
    #expect(try ground.marked(reference).isEmpty)
  }

  // A `wait` that a signal interrupts returns the signal, and forgets the code of a child that ended at the same time.
  @Test(arguments: ["/bin/sh", "/bin/bash"]) func aSignalToAllLosesNoExitCode(_ shell: String) async throws {
    for (command, code) in [("sleep 300", 143), ("trap 'exit 9' TERM; while :; do sleep 0.02; done", 9)] {
      for _ in 0..<4 {
        let ground = try Ground()
        let reference = try await ground.start(ground.request("echo ready; " + command), shell: shell)
        try await ground.printed(reference, "ready")
        try await ground.running(reference)
        kill(-(try ground.leader(reference)), SIGTERM)
        let end = try await ground.gone(reference)
        #expect(end.beacon?.exitCode == code, "\(command)")
        #expect(end.beacon?.endedBy == "stopped_outside")
        #expect(end.beacon?.phase == .finished)
      }
    }
  }

  @Test(arguments: ["/bin/sh", "/bin/bash"]) func reportsACalculationThatIsKilled(_ shell: String) async throws {
    let ground = try Ground()
    let reference = try await ground.start(ground.request("echo $$; sleep 300"), shell: shell)
    try await ground.printed(reference, "\n")
    let pid = try #require(Int32(ground.output(reference).dropLast()))
    kill(pid, SIGKILL)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == 137)
    #expect(end.beacon?.endedBy == nil)
  }

  @Test(arguments: ["/bin/sh", "/bin/bash"]) func reportsWhatEndsAtOnce(_ shell: String) async throws {
    for _ in 0..<10 {
      let ground = try Ground()
      let reference = try await ground.start(ground.request("sleep 0; exit 3"), shell: shell)
      let end = try await ground.gone(reference)
      #expect(end.beacon?.exitCode == 3)
      #expect(end.beacon?.endedBy == nil)
    }
  }

  // `: >stop` would end dash there and then, and with it the report.
  @Test func aSignalThatCanNotBeNotedStillEnds() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(
      ground.request("ln -s /nonexistent/folder ../stop; echo ready; sleep 300"))
    try await ground.printed(reference, "ready")
    try await ground.running(reference)
    kill(try ground.leader(reference), SIGTERM)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == 143)
    #expect(end.beacon?.message?.contains("SIGTERM") == true)
  }

  @Test func aLastSyncThatIsCalledOffIsOverAtOnce() async throws {
    let ground = try Ground(grace: .seconds(20))
    let reference = try await ground.start(ground.request("exit 4")) { $0.finalSync = "echo begun; sleep 300" }
    try await ground.found(ground.path(reference, "sync.log"), "begun")
    let clock = ContinuousClock()
    let begun = clock.now
    try ground.write(ground.path(reference, "no-final-sync"), [])
    let end = try await ground.gone(reference)
    #expect(clock.now - begun < .seconds(10))
    #expect(end.beacon?.exitCode == 4)
    #expect(end.beacon?.message == "the last sync was not finished")
  }

  @Test func endsWhatAKilledScriptLeft() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("setsid sleep 300 & sleep 301"))
    try await ground.running(reference)
    kill(try ground.leader(reference), SIGKILL)
    let end = try await ground.gone(reference)
    #expect(end.endReason == .stoppedOutside || end.beacon?.endedBy == "stopped_outside")
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func theMonitorEndsWhatAKilledScriptLeftWhenNobodyWatches() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("setsid sleep 300 & sleep 301"))
    try await ground.monitored(reference)
    kill(try ground.leader(reference), SIGKILL)
    let deadline = ContinuousClock.now + .seconds(60)
    while try !ground.marked(reference).isEmpty, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(try ground.marked(reference).isEmpty)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "stopped_outside")
    #expect(end.beacon?.phase == .finished)
  }

  @Test func endsWhatAWholeKilledGroupLeft() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("setsid sleep 300 & sleep 0.1; echo ready; sleep 301"))
    try await ground.printed(reference, "ready")
    // The script, its monitor and the calculation share a process group.
    kill(-(try ground.leader(reference)), SIGKILL)
    let end = try await ground.gone(reference)
    #expect(end.endReason == .stoppedOutside)
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func endsAtTheLastMoment() async throws {
    let ground = try Ground()
    let request = ground.request("trap 'exit 3' TERM; while :; do sleep 0.02; done") { $0.maxDurationSeconds = 1 }
    let reference = try await ground.launch(request)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == Reason.maxDuration.rawValue)
    #expect(end.beacon?.message == "the maximum duration of 1s was reached")
    let (last, finished) = (try #require(end.beacon?.lastMoment), try #require(end.beacon?.finishedAt))
    #expect(finished >= last)
  }

  @Test func endsWhenTheBudgetIsUsed() async throws {
    // 36 dollars an hour are one cent a second; a billing minimum would hide the rest.
    let ground = try Ground()
    let budget = Budget(limit: Money("1.61")!, action: .terminate)
    let request = ground.request("sleep 300", budget: budget, spent: Money("0.61")!)
    let limits = InstanceLimits(
      request, price: ground.settings.price, billing: BillingRule(increment: 1, minimum: 1))
    #expect(limits.budget == .seconds(100))
    let short = ground.request("sleep 300", budget: budget, spent: Money("1.61")!)
    let end = try await ground.run(short).report
    #expect(end.beacon?.endedBy == Reason.budget.rawValue)
    #expect(end.beacon?.message?.contains("$1.61") == true)
  }

  @Test func endsWhenIdle() async throws {
    let ground = try Ground()
    let request = ground.request("sleep 300") { $0.idle = IdleRule(cpuPercent: 20, seconds: 1) }
    let end = try await ground.run(request).report
    #expect(end.beacon?.endedBy == Reason.idle.rawValue)
    #expect(end.beacon?.message?.contains("20 %") == true)
  }

  @Test func aBusyCalculationIsNotIdle() async throws {
    let ground = try Ground()
    let request = ground.request("timeout 60 sh -c 'while :; do :; done'") {
      $0.idle = IdleRule(cpuPercent: 2, seconds: 1)
    }
    let reference = try await ground.launch(request)
    try await ground.until(reference) { report in
      guard let beacon = report.beacon, let started = beacon.startedAt else { return false }
      #expect(beacon.endedBy == nil)
      return beacon.heartbeatAt > started + 2000 && (beacon.cpuPercent ?? 0) > 2
    }
    #expect(await ground.provider.terminate(reference, finalSync: true) == .accepted)
    #expect(try await ground.gone(reference).beacon?.endedBy == "terminated")
  }

  @Test func endsOnThePreemptionNotice() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("sleep 300"))
    try await ground.running(reference)
    try ground.write(ground.path(reference, "interrupt"), Array("spot notice: \"terminate\" at 12:00\n".utf8))
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == Reason.preempted.rawValue)
    #expect(end.beacon?.message == "spot notice: 'terminate' at 12:00")
  }

  @Test func endsWhileInputsAreStaged() async throws {
    let ground = try Ground()
    // Enough files that the order comes while they are copied.
    for folder in 0..<40 {
      let path = ground.inputs + "/\(folder)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for file in 0..<50 { try ground.write(path + "/\(file)", []) }
    }
    let reference = try await ground.launch(ground.request("sleep 300"))
    #expect(await ground.provider.terminate(reference, finalSync: true) == .accepted)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.isOver == true)
  }

  @Test func theHeartbeatGoesOn() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("sleep 300"))
    try await ground.running(reference)
    var beats: Set<Int64> = []
    try await ground.until(reference) {
      if let beat = $0.beacon?.heartbeatAt {
        #expect(beat >= beats.max() ?? 0)
        beats.insert(beat)
      }
      return beats.count >= 4
    }
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    _ = try await ground.gone(reference)
  }
}
