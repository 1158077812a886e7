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
    guard var memory = try recall(token, directory) else { return .absent }
    // Asked before the beacon is read: if the script is gone, the beacon that follows is its last.
    let isAlive = isAlive(memory.identity)
    readBeacon(reference, directory, &memory)
    if isAlive {
      guard memory.beaconVersion != nil || Files.exists(directory.path) else {
        remembered[token] = nil
        return .absent
      }
      remembered[token] = memory
      let isEnding = Files.exists(directory.file(BootstrapScript.File.terminate)) || memory.beacon?.phase == .finished
      return .known(Observation.Report(state: isEnding ? .stopping : .running, beacon: memory.beacon))
    }
    remembered[token] = nil
    return try observeEnd(directory, token, memory, &processes)
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
    _ directory: InstanceDirectory, _ token: String, _ memory: Remembered, _ processes: inout [ProcessTable.Entry]?
  ) throws(FileError) -> Observation {
    let beacon = memory.beacon
    let reason: Reason? =
      beacon?.isOver == true || Files.exists(directory.file(BootstrapScript.File.terminate)) ? nil : .stoppedOutside
    if let ended = try directory.ended() {
      return .known(Observation.Report(state: .terminated, endedAt: ended, endReason: reason, beacon: beacon))
    }
    guard Files.exists(directory.path) else { return .absent }
    let table = processes ?? ProcessTable.all()
    processes = table
    let left = leftovers(token, memory, in: table)
    if !left.isEmpty {
      endLeftovers(left, directory)
      processes = nil
      return .known(Observation.Report(state: .stopping, beacon: beacon))
    }
    let ended = endOfInstance(memory)
    try directory.writeEnded(ended)
    return .known(Observation.Report(state: .terminated, endedAt: ended, endReason: reason, beacon: beacon))
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
        status.start >= memory.identity.start,
        Int64(clamping: status.start) * 1000 / ProcessTable.ticksPerSecond <= latestStart
      else { return nil }
      return status.pid
    }
  }

  /// Kills what a dead script left behind, unless its monitor is alive: that ends everything gently and reports it.
  func endLeftovers(_ pids: [Int32], _ directory: InstanceDirectory, force: Bool = false) {
    let script = directory.file(BootstrapScript.File.script)
    if !force, pids.contains(where: { ProcessTable.hasArgument($0, script) }) { return }
    for pid in pids { kill(pid, SIGKILL) }
  }
}
