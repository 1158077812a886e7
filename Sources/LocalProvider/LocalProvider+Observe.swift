package import JobModel
package import ProviderKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension LocalProvider {
  package func observe(_ instances: [InstanceReference]) async -> [String: Observation] {
    reapAll()
    // Read once a sweep, and only if an instance has ended.
    var processes: [ProcessTable.Entry]?
    var answers: [String: Observation] = [:]
    answers.reserveCapacity(instances.count)
    for reference in instances {
      do {
        answers[reference.token] = try observe(reference, &processes)
      } catch {
        answers[reference.token] = .unreachable("the instance could not be read: \(error)")
      }
    }
    return answers
  }

  private func observe(
    _ reference: InstanceReference, _ processes: inout [ProcessTable.Entry]?
  ) throws(FileError) -> Observation {
    let token = reference.token
    guard JobID.isPrefix(token) else { return .absent }
    let directory = InstanceDirectory(root: settings.root, token: token)
    guard var memory = try recall(token, directory) else { return observeOrphans(token, &processes) }
    // Asked before the beacon is read: if the script is gone, the beacon that follows is its last.
    let isAlive = isAlive(memory.identity)
    readBeacon(reference, directory, &memory)
    if isAlive {
      if memory.beaconVersion == nil, try !Files.isThere(directory.path) {
        remembered[token] = nil
        return observeOrphans(token, &processes)
      }
      remembered[token] = memory
      let isEnding = Files.exists(directory.file(BootstrapScript.File.terminate)) || memory.beacon?.phase == .finished
      return .known(Observation.Report(state: isEnding ? .stopping : .running, beacon: memory.beacon))
    }
    remembered[token] = nil
    return try observeEnd(reference, directory, memory, &processes)
  }

  /// An instance without a folder: it is absent when no process carries its mark any more.
  private func observeOrphans(_ token: String, _ processes: inout [ProcessTable.Entry]?) -> Observation {
    let table = processes ?? ProcessTable.all()
    processes = table
    let orphans = orphans(token, in: table)
    // Unasked nothing is done to it: its folder may have been moved, or stand in another configuration.
    let isOrdered = ordered[token] != nil
    if isOrdered { endOrphans(orphans, token) }
    return orphans.isEmpty ? .absent : .known(Observation.Report(state: isOrdered ? .stopping : .running))
  }

  /// Who the script of an instance is, from memory or from disk; nil if there is none.
  func recall(_ token: String, _ directory: InstanceDirectory) throws(FileError) -> Remembered? {
    if let known = remembered[token] { return known }
    return try directory.identity().map { Remembered(identity: $0) }
  }

  /// Reads the beacon again if it was replaced.
  func readBeacon(_ reference: InstanceReference, _ directory: InstanceDirectory, _ memory: inout Remembered) {
    do {
      if let bytes = try Files.read(
        directory.file(BootstrapScript.File.beacon), limit: BeaconReader.limit, unless: &memory.beaconVersion)
      {
        memory.beacon = bytes.flatMap { BeaconReader.parse($0, job: reference.job, attempt: reference.attempt) }
      }
    } catch {
      // What is there instead of a beacon is not one.
      memory.beacon = nil
    }
  }

  /// The script is gone. The instance is only gone when nothing that it started is left.
  private func observeEnd(
    _ reference: InstanceReference, _ directory: InstanceDirectory, _ memory: Remembered,
    _ processes: inout [ProcessTable.Entry]?
  ) throws(FileError) -> Observation {
    var memory = memory
    var ended = try directory.ended()
    if ended == nil {
      guard try Files.isThere(directory.path) else { return observeOrphans(reference.token, &processes) }
      let table = processes ?? ProcessTable.all()
      processes = table
      let left = leftovers(reference.token, memory, in: table)
      if !left.isEmpty {
        endLeftovers(left, directory)
        processes = nil
        return .known(Observation.Report(state: .stopping, beacon: memory.beacon))
      }
    }
    memory.beacon = directory.lastWord(reference, memory.beacon)
    if ended == nil {
      let moment = endOfInstance(memory)
      ended = moment
      // The note only keeps the moment; without it, on a full disk, the next look computes it again.
      try? directory.writeEnded(moment)
    }
    let isExpected =
      memory.beacon?.isOver == true || Files.exists(directory.file(BootstrapScript.File.terminate))
    return .known(
      Observation.Report(
        state: .terminated, endedAt: ended, endReason: isExpected ? nil : .stoppedOutside, beacon: memory.beacon))
  }

  /// The script's own word, or the time until which it could have lived without another heartbeat.
  private func endOfInstance(_ memory: Remembered) -> Timestamp {
    let now = now()
    guard let beacon = memory.beacon else { return min(now, memory.identity.at + settings.heartbeatInterval) }
    let last = Timestamp(milliseconds: max(beacon.heartbeatAt, memory.identity.at.rawValue))
    return min(now, beacon.phase == .finished ? last : last + settings.heartbeatInterval)
  }

  func isAlive(_ identity: InstanceDirectory.Identity) -> Bool {
    guard identity.boot == boot, let status = ProcessTable.status(identity.pid) else { return false }
    return status.start == identity.start && status.isAlive
  }

  /// Living processes of an instance whose script is gone: who carries its mark, and who is in its session.
  func leftovers(_ token: String, _ memory: Remembered, in table: [ProcessTable.Entry]) -> [Int32] {
    guard memory.identity.boot == boot else { return [] }
    // A session id can be used again once all its members are gone. Who began after the script was last heard of may
    // belong to such a later session, so without the mark it is left alone.
    let heard = max(memory.identity.at.rawValue, memory.beacon?.heartbeatAt ?? 0)
    let age = now().rawValue - heard - settings.heartbeatInterval.milliseconds - 1000
    let latestStart = ProcessTable.uptimeMilliseconds() - max(0, age)
    let own = getpid()
    return table.compactMap { entry in
      let status = entry.status
      guard status.pid != own else { return nil }
      if entry.token == token { return status.pid }
      guard entry.token == nil, status.session == memory.identity.pid,
        status.start >= memory.identity.start, status.startMilliseconds <= latestStart
      else { return nil }
      return status.pid
    }
  }

  /// Living processes that carry the mark of an instance.
  func orphans(_ token: String, in table: [ProcessTable.Entry]) -> [ProcessTable.Status] {
    let own = getpid()
    return table.filter { $0.token == token && $0.status.pid != own }.map(\.status)
  }

  /// TERM at the first call, KILL at a later one when they had their time.
  func endOrphans(_ orphans: [ProcessTable.Status], _ token: String) {
    guard !orphans.isEmpty else {
      ordered[token] = nil
      return
    }
    guard let since = ordered[token] else {
      ordered[token] = now()
      for orphan in orphans {
        kill(orphan.pid, SIGTERM)
        kill(orphan.pid, SIGCONT)
      }
      return
    }
    // A script among them ends the others by itself, and says so in its folder, if that is elsewhere by now.
    let script = "/\(token)/\(BootstrapScript.File.script)"
    let hasScript = orphans.contains { ProcessTable.hasArgument($0.pid, endingIn: script) }
    guard now() - since > settings.grace + (hasScript ? Self.timeForLastWords : .zero) else { return }
    for orphan in orphans { kill(orphan.pid, SIGKILL) }
  }

  /// What a script needs beside the grace period of its calculation.
  static let timeForLastWords = Duration.seconds(15)

  /// Kills what a dead script left behind, unless its monitor is alive: that ends everything gently and reports it.
  func endLeftovers(_ pids: [Int32], _ directory: InstanceDirectory, force: Bool = false) {
    let script = directory.file(BootstrapScript.File.script)
    if !force, pids.contains(where: { ProcessTable.hasArgument($0, endingIn: script) }) { return }
    for pid in pids { kill(pid, SIGKILL) }
  }
}
