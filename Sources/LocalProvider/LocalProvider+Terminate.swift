import JobModel
package import ProviderKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension LocalProvider {
  /// Leaves the order on disk and wakes the script, which carries it out by itself: TERM, the grace period, KILL.
  /// So the caller may be gone a moment later. A call that comes when the script had its time kills everything.
  package func terminate(_ reference: InstanceReference, finalSync: Bool) async -> TerminateAnswer {
    guard JobID.isPrefix(reference.token) else { return .accepted }
    let directory = InstanceDirectory(root: settings.root, token: reference.token)
    reapAll()
    do {
      guard try Files.isThere(directory.path) else {
        endOrphans(orphans(reference.token, in: ProcessTable.all()), reference.token)
        return .accepted
      }
    } catch {
      return .failed("the folder of the instance can not be reached: \(error)")
    }
    let orderFile = directory.file(BootstrapScript.File.terminate)
    let orderedAt = Files.modified(orderFile)
    var answer = TerminateAnswer.accepted
    do {
      // In this order: who sees the one also sees the other.
      if !finalSync { try Files.write(directory.file(BootstrapScript.File.noFinalSync), []) }
      // Empty, because a full disk has room for that.
      if orderedAt == nil { try Files.write(orderFile, []) }
    } catch {
      // A full disk keeps no instance alive: the signal below ends it all the same.
      answer = .failed("the order to end could not be written: \(error)")
    }
    do {
      guard var memory = try recall(reference.token, directory) else {
        // The script has yet to begin and will see the order then, or its identity was removed.
        if orderedAt != nil { endOrphans(orphans(reference.token, in: ProcessTable.all()), reference.token) }
        return answer
      }
      readBeacon(reference, directory, &memory)
      let patience = (settings.grace + Self.timeForLastWords).milliseconds
      let hadItsTime = orderedAt.map { now().rawValue - $0 > patience } ?? false
      end(directory, reference.token, memory, force: hadItsTime)
      return answer
    } catch {
      return .failed("the instance could not be read: \(error)")
    }
  }

  private func end(_ directory: InstanceDirectory, _ token: String, _ memory: Remembered, force: Bool) {
    let isAlive = isAlive(memory.identity)
    if isAlive, !force {
      kill(memory.identity.pid, SIGTERM)
      // One that was stopped (SIGSTOP) would never see it.
      kill(memory.identity.pid, SIGCONT)
      return
    }
    var pids = leftovers(token, memory, in: ProcessTable.all())
    if isAlive { pids.append(memory.identity.pid) }
    endLeftovers(pids, directory, force: force)
  }
}
