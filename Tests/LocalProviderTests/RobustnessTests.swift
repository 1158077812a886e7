import Foundation
import JobModel
import LocalProvider
import ProviderKit
import TestSupport
import Testing

@Suite struct RobustnessTests {
  @Test func twentyLaunchesAtOnceAreOneInstance() async throws {
    let ground = try Ground()
    let request = ground.request("echo $$ >> ../starts; sleep 300")
    let answers = await withTaskGroup(of: LaunchAnswer.self) { group in
      for index in 0..<20 {
        // Every other caller is a process of its own, as far as the provider can tell.
        let provider = index % 2 == 0 ? ground.provider : LocalProvider(settings: ground.settings)
        group.addTask { await provider.launch(request) }
      }
      return await group.reduce(into: Set<LaunchAnswer>()) { $0.insert($1) }
    }
    #expect(answers.count == 1)
    guard case .launched(let launched) = answers.first else {
      Issue.record("\(answers)")
      return
    }
    let reference = ProviderContract.reference(request, launched)
    try await ground.running(reference)
    #expect(await LocalProvider(settings: ground.settings).find(request) == .found(launched))
    try await ProviderContract.end(request, launched, ground.world)
    #expect(ground.text(ground.path(reference, "starts")).split(separator: "\n").count == 1)
  }

  @Test func aLaunchThatDiedHalfwayIsTakenUp() async throws {
    let ground = try Ground()
    let request = ground.request("true")
    let directory = ground.root + "/" + request.token
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    #expect(await ground.provider.find(request) == .absent)
    for name in ["bootstrap.sh", "job.conf", "inputs", "price", "identity.12345"] {
      try ground.write(directory + "/" + name, Array("broken (".utf8))
    }
    #expect(await ground.provider.find(request) == .absent)
    #expect(try await ground.run(request).report.beacon?.exitCode == 0)
  }

  @Test func anotherProviderSeesTheSame() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("sleep 300"))
    try await ground.running(reference)
    let other = LocalProvider(settings: ground.settings)
    guard case .known(let report) = await other.observe([reference])[reference.token] else {
      Issue.record("unknown to another process")
      return
    }
    #expect(report.state == .running)
    #expect(await other.terminate(reference, finalSync: true) == .accepted)
    #expect(try await ground.gone(reference).beacon?.endedBy == "terminated")
  }

  @Test func aForeignProcessWithThePidIsNotTheInstance() async throws {
    let ground = try Ground()
    let request = ground.request("true")
    let reference = try await ground.launch(request)
    _ = try await ground.gone(reference)
    let stranger = Process()
    stranger.executableURL = URL(fileURLWithPath: "/bin/sleep")
    stranger.arguments = ["60"]
    // It must not hold the output of the tests open if they end early.
    stranger.standardOutput = FileHandle.nullDevice
    stranger.standardError = FileHandle.nullDevice
    try stranger.run()
    defer { kill(stranger.processIdentifier, SIGKILL) }
    let boot = ground.text("/proc/sys/kernel/random/boot_id").split(separator: "\n")[0]
    // The same pid, another start time: the number was used again.
    try ground.write(
      ground.path(reference, "identity"), Array("\(stranger.processIdentifier) 1 \(boot) 1000\n".utf8))
    try FileManager.default.removeItem(atPath: ground.path(reference, "ended"))
    let provider = LocalProvider(settings: ground.settings)
    #expect(await provider.terminate(reference, finalSync: false) == .accepted)
    guard case .known(let report) = await provider.observe([reference])[reference.token] else {
      Issue.record("not known")
      return
    }
    #expect(report.state == .terminated)
    #expect(stranger.isRunning)
    // Pid and start time fit, but it is another run of the machine.
    let stat = ground.text("/proc/\(stranger.processIdentifier)/stat").split(separator: " ")
    try ground.write(
      ground.path(reference, "identity"), Array("\(stranger.processIdentifier) \(stat[21]) other 1000\n".utf8))
    #expect(await LocalProvider(settings: ground.settings).terminate(reference, finalSync: false) == .accepted)
    #expect(stranger.isRunning)
  }

  @Test func aRemovedDirectoryIsAbsent() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("true"))
    _ = try await ground.gone(reference)
    try FileManager.default.removeItem(atPath: ground.root + "/" + reference.token)
    #expect(await ground.observe(reference) == .absent)
  }

  @Test(arguments: ["", "..", "../x", "a/b", "a b", "\0"])
  func aHostileTokenIsNoPath(_ token: String) async throws {
    let ground = try Ground()
    var request = ground.request("true")
    request.token = token
    #expect(await ground.provider.find(request) == .absent)
    guard case .refused = await ground.provider.launch(request) else {
      Issue.record("launched \(token)")
      return
    }
    let reference = InstanceReference(
      job: request.job, attempt: 1, token: token, instance: Instance(id: "i", type: "t", region: "r"))
    #expect(await ground.observe(reference) == .absent)
    #expect(await ground.provider.terminate(reference, finalSync: false) == .accepted)
  }

  @Test(arguments: [1000]) func mutatedBeaconsAreHarmless(_ count: Int) async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("exit 3"))
    let end = try await ground.gone(reference)
    let path = ground.path(reference, "beacon.json")
    let original = Array(ground.text(path).utf8)
    var generator = SeededGenerator(seed: 20_261_123)
    let fragments = ["[", "{", "\"", "1e999", "null", ":", ",", "-", "\u{0}", "\\u", "9999999999999999999999", "true"]
    for _ in 0..<count {
      var bytes = original
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let position = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0 where position < bytes.count: bytes[position] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.insert(contentsOf: (fragments.randomElement(using: &generator) ?? "").utf8, at: position)
        case 2: bytes.removeSubrange(position..<min(bytes.count, position + 9))
        case 3: bytes.insert(contentsOf: [UInt8](repeating: UInt8(ascii: "["), count: 2000), at: position)
        default: bytes += bytes.prefix(position)
        }
      }
      try ground.write(path, bytes)
      guard case .known(let report) = await ground.observe(reference) else {
        Issue.record("\(String(decoding: bytes, as: UTF8.self))")
        continue
      }
      #expect(report.state == .terminated)
      #expect(report.endedAt == end.endedAt)
      if let beacon = report.beacon { #expect(beacon.job == reference.job.rawValue) }
    }
    for bytes in [[], [UInt8](repeating: 91, count: 60_000), [UInt8](repeating: 0, count: 10_000_000)] {
      try ground.write(path, bytes)
      guard case .known(let report) = await ground.observe(reference) else {
        Issue.record("not known")
        continue
      }
      // The link beside it still says how the calculation ended.
      #expect(report.beacon?.exitCode == 3)
    }
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(await ground.observe(reference) != .absent)
  }

  @Test func aSweepOfAThousandInstancesIsFast() async throws {
    let ground = try Ground()
    let boot = ground.text("/proc/sys/kernel/random/boot_id").split(separator: "\n")[0]
    let own = ProcessInfo.processInfo.processIdentifier
    let start = ground.text("/proc/self/stat").split(separator: ")").last!.split(separator: " ")[19]
    var references: [InstanceReference] = []
    for _ in 0..<1000 {
      let request = ground.request("true")
      let directory = ground.root + "/" + request.token
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      try ground.write(directory + "/identity", Array("\(own) \(start) \(boot) 1000\n".utf8))
      let beacon = "{\"version\":1,\"job\":\"\(request.job)\",\"attempt\":1,\"phase\":\"running\",\"heartbeatAt\":1000}"
      try ground.write(directory + "/beacon.json", Array(beacon.utf8))
      references.append(
        InstanceReference(
          job: request.job, attempt: 1, token: request.token, instance: Instance(id: "i", type: "t", region: "r")))
    }
    let clock = ContinuousClock()
    var answers: [String: Observation] = [:]
    let first = await clock.measure { answers = await ground.provider.observe(references) }
    let second = await clock.measure { answers = await ground.provider.observe(references) }
    #expect(answers.count == 1000)
    for answer in answers.values {
      guard case .known(let report) = answer else {
        Issue.record("\(answer)")
        continue
      }
      #expect(report.state == .running && report.beacon?.heartbeatAt == 1000)
    }
    print("sweep of 1000: first \(first), then \(second)")
    // Far above what it takes, so that a busy machine does not matter.
    #expect(second < .seconds(1))
  }

  @Test func leavesNoZombie() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("true"))
    let leader = try ground.leader(reference)
    _ = try await ground.gone(reference)
    #expect(!FileManager.default.fileExists(atPath: "/proc/\(leader)"))
  }

  @Test func everythingIsPrivate() async throws {
    let ground = try Ground()
    let reference = try await ground.launch(ground.request("echo x; echo y > result"))
    _ = try await ground.gone(reference)
    for name in ["", "job.conf", "beacon.json", "output.log", "work/result", "bootstrap.log", "identity", "ended"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: ground.path(reference, name))
      let mode = try #require(attributes[.posixPermissions] as? Int)
      #expect(mode & 0o077 == 0, "\(name)")
    }
  }
}
