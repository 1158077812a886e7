import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport
import Testing

@Suite struct FullDiskTests {
  /// A disk of its own for the instances of a ground, small enough to be filled.
  struct Disk {
    let path: String

    /// Nil if this user may not mount one.
    init?(at path: String) throws {
      self.path = path
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      guard try Self.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "cloudjobs-test", path) else { return nil }
    }

    func unmount() { _ = try? Self.run("umount", "-l", path) }
    /// Writes until nothing goes any more.
    func fill() throws { _ = try Self.run("sh", "-c", "cat /dev/zero >\"$0/filling\"", path) }
    func empty() throws { try FileManager.default.removeItem(atPath: path + "/filling") }

    private static func run(_ arguments: String...) throws -> Bool {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = arguments
      process.standardError = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      return process.terminationStatus == 0
    }

    static let canBeMade: Bool = {
      let path = NSTemporaryDirectory() + "cloudjobs-mount-\(UInt64.random(in: 0 ... .max))"
      defer { try? FileManager.default.removeItem(atPath: path) }
      guard let disk = try? Disk(at: path) else { return false }
      disk.unmount()
      return true
    }()
  }

  @Test(
    .enabled(if: Disk.canBeMade, "only a user who may mount a tmpfs has a disk to fill"),
    arguments: [("exit 5", 5, nil), ("sleep 300", 143, Reason.maxDuration.rawValue)] as [(String, Int, String?)])
  func losesNoEnd(_ command: String, _ code: Int, _ reason: String?) async throws {
    let ground = try Ground()
    let disk = try #require(try Disk(at: ground.root))
    // The ground removes its folder, which works only when nothing is mounted there.
    defer { withExtendedLifetime(ground) { disk.unmount() } }
    let reference = try await ground.launch(
      ground.request("cat /dev/zero >fill; while echo x >more; do cat /dev/zero >>fill; done; " + command) {
        // To fill a disk takes a busy machine some seconds.
        $0.maxDurationSeconds = reason == nil ? 60 : 4
      })
    // Nobody looks until it is over.
    try await ground.over(reference)
    try disk.fill()
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == code)
    #expect(end.beacon?.endedBy == reason)
    #expect(end.endReason == nil)
    // The note of the end did not fit, and nothing depends on it.
    #expect(!FileManager.default.fileExists(atPath: ground.path(reference, "ended")))
    try disk.empty()
    #expect(await ground.observe(reference) == .known(end))
    #expect(FileManager.default.fileExists(atPath: ground.path(reference, "ended")))
  }

  @Test(.enabled(if: Disk.canBeMade, "only a user who may mount a tmpfs has a disk to fill"))
  func theHeartbeatGoesOnAndTerminateWorks() async throws {
    let ground = try Ground()
    let disk = try #require(try Disk(at: ground.root))
    // The ground removes its folder, which works only when nothing is mounted there.
    defer { withExtendedLifetime(ground) { disk.unmount() } }
    let reference = try await ground.launch(ground.request("echo ready; sleep 300"))
    try await ground.printed(reference, "ready")
    try await ground.running(reference)
    try disk.fill()
    let full = LocalProvider.wallClock().rawValue
    try await ground.until(reference) { ($0.beacon?.heartbeatAt ?? 0) > full + 300 }
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.endedBy == "terminated")
    #expect(end.beacon?.exitCode == 143)
  }

  /// The same without a disk: no beacon can stand where a folder is.
  @Test func theLinkSpeaksForABeaconThatCouldNotBeWritten() async throws {
    let ground = try Ground()
    let replace = "until mkdir ../beacon.json 2>/dev/null; do rm -f ../beacon.json; done; "
    let reference = try await ground.launch(ground.request(replace + "exit 5"))
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == 5)
    #expect(end.beacon?.endedBy == nil)
    #expect(end.endReason == nil)
    let finished = try #require(end.beacon?.finishedAt)
    #expect(end.endedAt == Timestamp(milliseconds: finished))
    #expect(await ground.observe(reference) == .known(end))

    let stopped = try await ground.launch(ground.request(replace + "echo ready; sleep 300"))
    try await ground.printed(stopped, "ready")
    kill(try ground.leader(stopped), SIGTERM)
    let stop = try await ground.gone(stopped)
    #expect(stop.beacon?.exitCode == 143)
    #expect(stop.beacon?.endedBy == Reason.stoppedOutside.rawValue)
  }

  @Test func theLinkSpeaksForAScriptThatWasKilledWithItsMonitor() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("until [ -e go ]; do sleep 0.05; done; exit 6"))
    try await ground.running(reference)
    try await ground.killScript(reference)
    try ground.write(ground.provider.workFolder(of: reference) + "/go", [])
    // Nobody looks before the calculation is over.
    try await ground.over(reference)
    let end = try await ground.gone(reference)
    #expect(end.beacon?.exitCode == 6)
    #expect(end.beacon?.endedBy == nil)
  }
}
