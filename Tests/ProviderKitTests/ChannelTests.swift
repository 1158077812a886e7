import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite("Talking with a machine through objects", .timeLimit(.minutes(3)))
struct ChannelTests {
  @Test(
    "A machine boots, stages, calculates, says so, and switches itself off",
    arguments: Machine.shells.filter { Workplace.has($0) })
  func whole(_ shell: String) async throws {
    try await Machine.run(shell: shell) { machine in
      try await machine.bucket.order("fill", ["prefix": "in", "count": 40, "size": 100])
      let inputs = (0..<40).map {
        BootstrapJob.Input(url: machine.bucket.url("in\($0)"), path: "data \($0 % 3)/f\($0)", mode: 0o640, size: 100)
      }
      try await machine.boot(
        machine.bootstrap("find . -type f | wc -l; sleep 2; exit 3", inputs: inputs), machine.channel())
      // Slow, so that requests can be seen under way.
      try await machine.bucket.order("delay", ["seconds": 0.2])
      try await machine.published("the calculation runs") {
        #expect(machine.exposed().isEmpty)
        return $0.phase == .running && $0.startedAt != nil
      }
      #expect(!machine.isOff)
      try await eventually("the calculation is over", deadline: .seconds(30)) {
        #expect(machine.exposed().isEmpty)
        return machine.text(machine.path("beacon.json")).contains("\"exitCode\":3")
      }
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.phase == .finished && last.exitCode == 3 && last.channelUntil == 5000)
      #expect(last.heartbeatAt > 1_600_000_000_000)
      #expect(machine.text(machine.path("output.log")).trimmingCharacters(in: .whitespacesAndNewlines) == "40")
      #expect(machine.text("off") == "off\n")
      #expect(machine.text(machine.host.cron + "/cloudjobs").contains("@reboot root"))
      let puts = try machine.bucket.server.records().filter { $0["method"] as? String == "PUT" }
      #expect(puts.allSatisfy { $0["status"] as? Int == 200 } && puts.count >= 4)
    }
  }

  @Test("A beacon is published in a form that changes only when something worth reading has")
  func stable() async throws {
    try await Machine.run { machine in
      let settings = machine.channel { $0.heartbeatInterval = .seconds(60) }
      try machine.instance(settings)
      func write(_ more: String, phase: String = "running", heartbeat: Int) throws {
        let text =
          #"{"version":1,"job":"\#(machine.job)","attempt":1,"phase":"\#(phase)","heartbeatAt":\#(heartbeat)\#(more)}"#
        try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: machine.path("beacon.json")), options: .atomic)
      }
      func count() async throws -> Int { try await machine.bucket.state().counts["PUT beacon"] ?? 0 }
      try write(#","cpuPercent":317,"progressAt":1795635651267"#, heartbeat: 11)
      try machine.startBootstrap()
      try machine.startChannel()
      try await eventually("the first beacon is there") { try await count() == 1 }
      let first = try #require(try await machine.bucket.object("beacon")).text
      #expect(
        first
          == #"{"version":1,"job":"\#(machine.job)","attempt":1,"phase":"running","heartbeatAt":0,"cpuPercent":100,"progressAt":1795635000000,"channelUntil":5000}"#
      )
      // Nothing that is worth reading.
      try write(#","cpuPercent":88,"progressAt":1795635651999"#, heartbeat: 12)
      try write(#","cpuPercent":99,"progressAt":1795635652000"#, heartbeat: 13)
      // The calculation is idle: within moments.
      try write(#","cpuPercent":3,"progressAt":1795635652000"#, heartbeat: 14)
      try await eventually("the second beacon is there") { try await count() == 2 }
      #expect(try await machine.beacon()?.cpuPercent == 3)
      let report = #","message":"a, \"b\"","sync":{"version":1,"job":"\#(machine.job)","attempt":1,"result":"synced"}"#
      try write(report.replacingOccurrences(of: #"\""#, with: "'"), phase: "finishing", heartbeat: 15)
      try await eventually("the third beacon is there") { try await count() == 3 }
      let third = try #require(try await machine.bucket.object("beacon")).text
      #expect(third.contains(#""message":"a, 'b'","channelUntil":5000,"sync":{"version":1"#), "\(third)")
    }
  }

  @Test("A heartbeat is published when it is time for one, and when there was one")
  func heartbeats() async throws {
    try await Machine.run { machine in
      try await machine.boot(machine.bootstrap("sleep 60"), machine.channel())
      func count() async throws -> Int { try await machine.bucket.state().counts["PUT beacon"] ?? 0 }
      try await machine.published("the calculation runs") { $0.phase == .running }
      let before = try await count()
      try await eventually("three heartbeats") { try await count() >= before + 3 }
      // A script that is stopped has no heartbeat, and so nobody has one for it.
      let shells = try machine.shells("bootstrap.sh")
      for shell in shells { kill(shell, SIGSTOP) }
      func looks() async throws -> Int { try await machine.bucket.state().counts["GET control"] ?? 0 }
      // What was written before may still go; afterwards orders are read, once a second, and nothing is published.
      let start = try await looks()
      try await eventually("some seconds have passed") { try await looks() >= start + 2 }
      let silent = try await count()
      try await eventually("some more seconds have passed") { try await looks() >= start + 5 }
      #expect(try await count() == silent)
      for shell in shells { kill(shell, SIGCONT) }
      try await eventually("a heartbeat again") { try await count() > silent }
    }
  }

  @Test("The end is ordered through the bucket", arguments: [true, false])
  func terminate(finalSync: Bool) async throws {
    try await Machine.run { machine in
      let copied = machine.place.path("copied")
      let bootstrap = machine.bootstrap("trap 'echo told; exit 9' TERM; sleep 60 & wait") {
        $0.finalSync = "touch " + quoted(copied)
      }
      try await machine.boot(bootstrap, machine.channel())
      try await machine.published("the calculation runs") { $0.phase == .running }
      try await machine.bucket.put("control", ControlOrder(terminate: true, finalSync: finalSync).text())
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.phase == .finished && last.endedBy == "terminated" && last.exitCode == 9)
      #expect(machine.exists("copied") == finalSync)
      #expect(machine.text(machine.path("output.log")) == "told\n")
    }
  }

  @Test("New addresses replace the old ones, and until when they hold is told")
  func renewed() async throws {
    try await Machine.run { machine in
      try await machine.boot(machine.bootstrap("sleep 60"), machine.channel())
      try await machine.published("the calculation runs") { $0.phase == .running && $0.channelUntil == 5000 }
      let order = ControlOrder(
        beaconURL: machine.bucket.url("beacon", "new"), controlURL: machine.bucket.url("control", "new"),
        until: Timestamp(milliseconds: 9000))
      try await machine.bucket.put("control", "beacon-url https://h/a b\nunknown\nuntil x\n" + order.text())
      try await machine.published("the new time") { $0.channelUntil == 9000 }
      try await machine.bucket.order("revoke", ["name": "test"])
      try await machine.bucket.put("control", ControlOrder(terminate: true).text())
      try await machine.switchedOff()
      #expect(try await machine.beacon()?.endedBy == "terminated")
      // A channel that is started anew has them still.
      #expect(machine.text(machine.path("channel.urls")).contains("sig=new"))
    }
  }

  @Test("When an address is refused the machine signs by itself, if it has a role", arguments: [403, 400])
  func role(status: Int) async throws {
    try await Machine.run { machine in
      try await machine.bucket.order("revoke", ["name": "test", "status": status])
      let settings = machine.channel {
        $0.hasRole = true
        $0.metadata = machine.bucket.metadata
      }
      try machine.instance(settings)
      try machine.startBootstrap(machine.bootstrap("sleep 60"))
      try machine.startChannel()
      try await machine.published("the calculation runs") { $0.phase == .running }
      try await machine.bucket.put("control", ControlOrder(terminate: true).text())
      try await machine.switchedOff()
      #expect(try await machine.beacon()?.endedBy == "terminated")
    }
  }

  @Test("The notice that the machine is taken away becomes the last copy, and is told")
  func interruption() async throws {
    try await Machine.run { machine in
      let bootstrap = machine.bootstrap("sleep 60") { $0.finalSync = "touch saved" }
      let settings = machine.channel {
        $0.notices = .ec2
        $0.metadata = machine.bucket.metadata
      }
      try await machine.boot(bootstrap, settings)
      try await machine.published("the calculation runs") { $0.phase == .running }
      let rebalance = [
        "path": "meta-data/events/recommendations/rebalance", "text": #"{"noticeTime":"2026-01-01T00:00:00Z"}"#,
      ]
      try await machine.bucket.order("metadata", rebalance)
      try await eventually("the recommendation is noted") { machine.exists(machine.path("rebalance")) }
      #expect(!machine.exists(machine.path("interrupt")))
      let notice = #"{"action": "terminate", "time": "2026-11-25T08:22:00Z"}"#
      try await machine.bucket.order("metadata", ["path": "meta-data/spot/instance-action", "text": notice])
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.endedBy == "preempted" && last.message?.contains("2026-11-25T08:22:00Z") == true, "\(last)")
      #expect(machine.exists(machine.path("saved")))
    }
  }

  @Test("What costs nothing when it is taken away waits for that, unless somebody wants its end, or nobody comes")
  func taking() async throws {
    try await Machine.run { machine in
      let settings = machine.channel {
        $0.notices = .ec2
        $0.metadata = machine.bucket.metadata
        $0.freeIfTaken = .seconds(1_000_000_000)
        $0.takingLimit = .seconds(600)
      }
      try await machine.boot(machine.bootstrap("sleep 60"), settings)
      try await machine.published("the calculation runs") { $0.phase == .running }
      let notice = #"{"action": "terminate", "time": "2026-11-25T08:22:00Z"}"#
      try await machine.bucket.order("metadata", ["path": "meta-data/spot/instance-action", "text": notice])
      try await machine.published("it has saved everything") { $0.phase == .finished }
      try await eventually("it waits") { machine.text("instance/channel.log").contains("waits to be taken away") }
      #expect(!machine.isOff)
      try await machine.bucket.put("control", ControlOrder(terminate: true).text())
      try await machine.switchedOff()
      #expect(try await machine.beacon()?.endedBy == "preempted")
    }
    try await Machine.run { machine in
      let settings = machine.channel {
        $0.freeIfTaken = .seconds(1_000_000_000)
        $0.takingLimit = .seconds(1)
      }
      try await machine.boot(machine.bootstrap("sleep 60"), settings)
      try await machine.published("the calculation runs") { $0.phase == .running }
      try machine.place.write("instance/interrupt", "the notice")
      try await machine.switchedOff()
      #expect(machine.text("instance/channel.log").contains("waits to be taken away"))
    }
  }

  @Test("A machine whose script was killed copies the results, says so, and goes off")
  func killed() async throws {
    try await Machine.run { machine in
      try machine.withRclone()
      try await machine.boot(machine.bootstrap("echo 1 >result; sleep 60"), machine.channel(), sync: machine.sync())
      try await machine.published("the calculation runs") { $0.phase == .running }
      try await eventually("a result is there") { machine.exists(machine.path("work/result")) }
      try await machine.killBootstrap()
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.phase == .finished && last.endedBy == "stopped_outside", "\(last)")
      #expect(last.message == "the bootstrap script was killed" && last.sync?.result == .synced)
      #expect(machine.text("remote/\(machine.job)/result") == "1\n")
      #expect(try machine.marked().isEmpty)
    }
  }

  @Test("After the machine was started again the results are copied, the loss is told, and it goes off")
  func rebooted() async throws {
    try await Machine.run { machine in
      try machine.withRclone()
      try machine.instance(machine.channel(), sync: machine.sync())
      try FileManager.default.createDirectory(atPath: machine.path("work"), withIntermediateDirectories: true)
      try machine.place.write("instance/work/result", "half")
      try machine.place.write("instance/identity", "1 2 another-boot 3\n")
      try machine.place.write(
        "instance/beacon.json",
        #"{"version":1,"job":"\#(machine.job)","attempt":1,"phase":"running","heartbeatAt":7,"startedAt":5,"cpuPercent":90}"#
          + "\n")
      try machine.startChannel()
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(
        last.phase == .finished && last.endedBy == "stopped_outside" && last.startedAt == 5 && last.cpuPercent == nil)
      #expect(last.message?.contains("started again") == true && last.sync?.result == .synced)
      #expect(machine.text("remote/\(machine.job)/result") == "half")
    }
  }

  @Test("A script that never starts, and one that never ends, do not keep the machine")
  func overdue() async throws {
    try await Machine.run { machine in
      let bootstrap = machine.bootstrap("sleep 60") {
        $0.finalSync = "sleep 300"
        $0.finalSyncLimit = .seconds(300)
      }
      try await machine.boot(bootstrap, machine.channel { $0.endLimit = .seconds(3) })
      try await machine.published("the calculation runs") { $0.phase == .running }
      try await machine.bucket.put("control", ControlOrder(terminate: true).text())
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.phase == .finished && last.endedBy == "terminated" && last.message != nil, "\(last)")
    }
  }

  @Test("The last beacon is tried again, and a channel that was killed goes on where it was")
  func stubborn() async throws {
    try await Machine.run { machine in
      try await machine.boot(machine.bootstrap("sleep 3"), machine.channel())
      try await machine.published("the calculation runs") { $0.phase == .running }
      kill(try machine.pid("channel.pid"), SIGKILL)
      try await machine.bucket.order("fail", ["key": "beacon", "status": 500, "times": 4])
      try machine.startChannel()
      // A second one beside it has nothing to do.
      #expect(try await machine.run([machine.path("channel.sh"), machine.directory]).outcome().code == 0)
      try await machine.switchedOff()
      #expect(try await machine.beacon()?.exitCode == 0)
      #expect(machine.text("off") == "off\n")
    }
  }

  @Test("While the machine stops, the channel waits for the last beacon; after it nothing waits for the channel")
  func stopping() async throws {
    try await Machine.run { machine in
      try await machine.boot(machine.bootstrap("sleep 60"), machine.channel { $0.powerOffPause = .seconds(600) })
      try await machine.published("the calculation runs") { $0.phase == .running }
      let channel = try machine.pid("channel.pid")
      // As the init system does it: all scripts at once.
      for process in [channel, try machine.pid("identity")] { kill(process, SIGTERM) }
      try await machine.switchedOff()
      let last = try #require(try await machine.beacon())
      #expect(last.phase == .finished && last.endedBy == "stopped_outside", "\(last)")
      kill(channel, SIGTERM)
      try await eventually("the channel is gone", deadline: .seconds(10)) { kill(channel, 0) != 0 }
    }
  }
}
