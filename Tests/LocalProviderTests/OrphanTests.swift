import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport
import Testing

/// Instances whose folder is gone: their processes live on, cost, and carry their mark.
@Suite struct OrphanTests {
  private func remove(_ ground: Ground, _ reference: InstanceReference) throws {
    let folder = ground.root + "/" + reference.token
    // The script goes on writing, so a folder may be found not empty after all.
    for _ in 0..<20 where FileManager.default.fileExists(atPath: folder) {
      try? FileManager.default.removeItem(atPath: folder)
    }
    try #require(!FileManager.default.fileExists(atPath: folder))
  }

  private func absent(_ ground: Ground, _ reference: InstanceReference) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while await ground.observe(reference) != .absent {
      guard ContinuousClock.now < deadline else {
        throw ProviderContract.Violation(description: "never absent: \(try ground.marked(reference)) live")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  @Test(arguments: [true, false]) func aRemovedFolderHidesNoProcess(_ isRemembered: Bool) async throws {
    let ground = try Ground(grace: .seconds(2))
    let request = ground.request("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    let reference = try await ground.launch(request)
    try await ground.printed(reference, "ready")
    if isRemembered { try await ground.running(reference) }
    try remove(ground, reference)
    #expect(await ground.observe(reference) == .known(Observation.Report(state: .running)))
    guard case .found(let launched) = await ground.provider.find(request) else {
      Issue.record("a living instance was not found")
      return
    }
    #expect(launched.instance == reference.instance)
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    #expect(await ground.observe(reference) == .known(Observation.Report(state: .stopping)))
    try await absent(ground, reference)
    #expect(try ground.marked(reference).isEmpty)
    #expect(await ground.provider.find(request) == .absent)
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
  }

  @Test func aLaterCallKillsWhatIgnoresTERM() async throws {
    let ground = try Ground(grace: .seconds(4))
    let reference = try await ground.launch(
      ground.request("trap '' TERM; echo ready; while :; do sleep 0.05; done"))
    try await ground.printed(reference, "ready")
    try await ground.killScript(reference)
    try remove(ground, reference)
    // Nobody has asked for its end, and the folder may only have been moved.
    for _ in 0..<3 { #expect(await ground.observe(reference) == .known(Observation.Report(state: .running))) }
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    #expect(try !ground.marked(reference).isEmpty)
    try await Task.sleep(for: ground.settings.grace + .milliseconds(100))
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    try await absent(ground, reference)
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func endsWhatLostItsIdentity() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("echo ready; sleep 300"))
    try await ground.printed(reference, "ready")
    try FileManager.default.removeItem(atPath: ground.path(reference, "identity"))
    #expect(await ground.observe(reference) == .known(Observation.Report(state: .running)))
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    try await absent(ground, reference)
    #expect(try ground.marked(reference).isEmpty)
  }

  @Test func aRootThatCanNotBeReadIsUnreachable() async throws {
    let ground = try Ground()
    let request = ground.request("sleep 300")
    let reference = try await ground.launch(request)
    try await ground.running(reference)
    let finished = try await ground.launch(ground.request("exit 3"))
    let end = try await ground.gone(finished)
    try FileManager.default.moveItem(atPath: ground.root, toPath: ground.root + ".moved")
    // There is no root: what lives is known by its mark, and nothing else is.
    #expect(await ground.observe(reference) == .known(Observation.Report(state: .running)))
    #expect(await ground.observe(finished) == .absent)
    // There is something else in its place, which says nothing of the instances.
    try ground.write(ground.root, [])
    for provider in [ground.provider, LocalProvider(settings: ground.settings)] {
      for instance in [reference, finished] {
        guard case .unreachable(let text) = await provider.observe([instance])[instance.token] else {
          Issue.record("an answer was made up for \(instance.token)")
          continue
        }
        #expect(text.contains(ground.root))
      }
      guard case .unreachable = await provider.find(request) else {
        Issue.record("found, or not, without looking")
        continue
      }
      guard case .failed(let text) = await provider.terminate(reference, finalSync: false) else {
        Issue.record("an order was accepted that can not be carried out")
        continue
      }
      #expect(text.contains(ground.root))
    }
    try FileManager.default.removeItem(atPath: ground.root)
    try FileManager.default.moveItem(atPath: ground.root + ".moved", toPath: ground.root)
    #expect(await ground.observe(finished) == .known(end))
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    #expect(try await ground.gone(reference).beacon?.endedBy == "terminated")
  }
}

@Suite struct InheritedEnvironmentTests {
  @Test func keepsWhatCalculationsNeedAndNoSecrets() {
    let kept = [
      "PATH": "/opt/bin", "HOME": "/h", "LC_ALL": "C", "LD_LIBRARY_PATH": "/l", "OMP_NUM_THREADS": "4", "MKLROOT": "/m",
      "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0", "CONDA_PREFIX": "/c",
      "VIRTUAL_ENV": "/v", "MODULEPATH": "/mod", "LMOD_CMD": "/lmod", "SCRATCH": "/s", "TMPDIR": "/t",
    ]
    let dropped = [
      "AWS_SECRET_ACCESS_KEY": "x", "SMTP_PASSWORD": "x", "CONDA_CHANNEL_ALIAS": "https://h/t/token",
      "CONDA_TOKEN": "x", "PYTHONPATH": "/p", "LD_PRELOAD": "/x.so", "BASH_ENV": "/b", "SSH_AUTH_SOCK": "/a",
      "OMPI_COMM_WORLD_RANK": "0",
      "SLURM_JOB_ID": "1", "CLOUDJOBS_DB": "d", "LC": "x", "MYOMP_X": "x",
    ]
    #expect(LocalSettings.environment(from: kept.merging(dropped) { $1 }) == kept)
    #expect(LocalSettings.environment(from: [:]) == ["PATH": "/usr/local/bin:/usr/bin:/bin"])
  }
}
