import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@Suite(
  "What a machine gets for its copies", .timeLimit(.minutes(2)),
  .enabled(if: Workplace.has("rclone"), "rclone is not installed: Scripts/setup"))
struct CopyPreparationTests {
  private func remote(_ machine: Machine) -> SyncJob {
    SyncJob(job: machine.job, attempt: 1, remote: "back:\(machine.job)")
  }

  private func last(_ machine: Machine) async throws -> Beacon {
    try await machine.switchedOff()
    return try #require(try await machine.beacon())
  }

  @Test("The configuration comes from an object that is deleted when it was read")
  func object() async throws {
    try await Machine.run { machine in
      try await machine.bucket.put("conf", machine.configuration)
      let settings = machine.channel {
        $0.remote = .object(get: machine.bucket.url("conf"), delete: machine.bucket.url("conf"))
      }
      let bootstrap = machine.bootstrap("echo 1 >result") { $0.finalSync = SyncScript.finalCommand }
      try await machine.boot(bootstrap, settings, sync: remote(machine))
      let last = try await last(machine)
      #expect(last.exitCode == 0 && last.sync?.result == .synced && last.message == nil, "\(last)")
      #expect(machine.text("remote/\(machine.job)/result") == "1\n")
      #expect(try await machine.bucket.object("conf") == nil)
      #expect(machine.text(machine.path("rclone.conf")) == machine.configuration)
      let mode =
        try FileManager.default.attributesOfItem(atPath: machine.path("rclone.conf"))[.posixPermissions] as? Int
      #expect(mode == 0o600)
    }
  }

  @Test(
    "The configuration comes from the secrets, with the machine's role",
    arguments: Machine.shells.filter { Workplace.has($0) })
  func secret(_ shell: String) async throws {
    try await Machine.run(shell: shell) { machine in
      let name = #"a/"odd"\name"#
      try await machine.bucket.order("secret", ["id": name, "text": machine.configuration])
      let settings = machine.channel {
        $0.remote = .secret(id: name, endpoint: machine.bucket.secrets, region: "eu-test-2")
        $0.hasRole = true
        $0.metadata = machine.bucket.metadata
      }
      let bootstrap = machine.bootstrap("echo 1 >result") { $0.finalSync = SyncScript.finalCommand }
      try await machine.boot(bootstrap, settings, sync: remote(machine))
      let last = try await last(machine)
      #expect(last.exitCode == 0)
      // What copies needs a find that busybox has not.
      if shell != "busybox" { #expect(last.sync?.result == .synced && last.message == nil, "\(last)") }
      #expect(machine.text(machine.path("rclone.conf")) == machine.configuration)
    }
  }

  @Test("Without it the calculation runs, and the beacon says what is missing")
  func missing() async throws {
    try await Machine.run { machine in
      let settings = machine.channel {
        $0.remote = .object(get: machine.bucket.url("none"), delete: nil)
        $0.remoteTries = 1
      }
      let bootstrap = machine.bootstrap("echo done") { $0.finalSync = SyncScript.finalCommand }
      try await machine.boot(bootstrap, settings, sync: remote(machine))
      let last = try await last(machine)
      #expect(last.exitCode == 0 && last.endedBy == nil && last.sync?.result == .failing, "\(last)")
      #expect(last.message?.contains("could not be fetched (status 404)") == true, "\(last)")
      #expect(machine.text(machine.path("output.log")) == "done\n")
    }
  }

  @Test("A machine without rclone gets it from an archive, which is checked", arguments: [true, false])
  func archive(isRight: Bool) async throws {
    try await Machine.run { machine in
      let program = try await machine.place.tool("which", "rclone").trimmingCharacters(in: .newlines)
      try machine.place.write("rclone-script", "#!/bin/sh\nexec \(program) \"$@\"\n")
      let make = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').write(sys.argv[2], 'rclone-v1-linux/rclone')"
      try await machine.place.tool(
        "python3", "-c", make, machine.place.path("rclone.zip"), machine.place.path("rclone-script"))
      let sum = try await machine.place.tool("sha256sum", machine.place.path("rclone.zip")).prefix(64)
      try await machine.bucket.order("load", ["key": "rclone.zip", "path": machine.place.path("rclone.zip")])
      let names = ["amd64", "arm64"]
      for name in names {
        try await machine.bucket.order("load", ["key": name, "path": machine.place.path("rclone.zip")])
      }
      let settings = machine.channel {
        $0.rcloneArchive = machine.bucket.server.url("/o/{arch}?sig=test")
        for name in names { $0.rcloneSums[name] = isRight ? String(sum) : String(repeating: "0", count: 64) }
      }
      let bootstrap = machine.bootstrap("echo 1 >result") { $0.finalSync = SyncScript.finalCommand }
      try machine.instance(settings, sync: machine.sync(), bootstrap)
      let environment = ["PATH": try machine.searchPath(without: ["rclone"])]
      try machine.startBootstrap(bootstrap, environment: environment)
      try machine.startChannel(environment: environment)
      let last = try await last(machine)
      #expect(last.exitCode == 0)
      #expect(
        last.sync?.result == (isRight ? .synced : .failing), "\(last) \(machine.text(machine.path("install.log")))")
      #expect((last.message?.contains("there is no rclone") == true) == !isRight, "\(last)")
    }
  }

  @Test(
    "Where systemd runs, its unit starts the channel again with the machine, and the scripts are units of their own")
  func units() async throws {
    try await Machine.run { machine in
      for folder in [machine.host.systemd, machine.host.units, machine.place.path("fake")] {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      }
      // What is asked of systemd, by a stand-in that does not start anything.
      for name in ["systemctl", "systemd-run"] {
        try machine.place.write(
          "fake/\(name)", "#!/bin/sh\necho \(name) \"$@\" >>\(quoted(machine.place.path("asked")))\n")
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o755], ofItemAtPath: machine.place.path("fake/\(name)"))
      }
      let environment = ["PATH": machine.place.path("fake") + ":" + Workplace.searchPath]
      try await machine.bucket.put(
        "bundle",
        String(
          decoding: try InstanceBundle(
            machine.bootstrap("true"), channel: machine.channel(), sync: nil, directory: machine.directory,
            host: machine.host
          ).bytes(), as: UTF8.self))
      let outcome = try await machine.load(backstop: .seconds(600), environment: environment).outcome()
      #expect(outcome.code == 0, "\(outcome)")
      let asked = machine.text("asked").split(separator: "\n")
      #expect(
        asked.count == 3 && asked.allSatisfy { $0.hasPrefix("systemd-run --quiet --collect") && !$0.contains("$") })
      #expect(asked[0].contains("--unit=cloudjobs-backstop") && asked[0].contains(machine.path("backstop.sh")))
      #expect(asked[1].contains("--unit=cloudjobs-channel") && asked[1].contains("Restart=on-failure"))
      #expect(asked[2].hasSuffix("/bin/sh \(machine.path("bootstrap.sh")) \(machine.directory)"))
      #expect(machine.text(machine.path("backstop.sh")).hasPrefix("sleep 600\n"))
      try machine.startBootstrap()
      try machine.startChannel(environment: environment)
      try await eventually("the unit is enabled") {
        machine.text("asked").contains("systemctl enable cloudjobs-channel.service")
      }
      let unit = machine.text(machine.host.units + "/cloudjobs-channel.service")
      let start = "ExecStart=/bin/sh \"\(machine.path("channel.sh"))\" \"\(machine.directory)\""
      #expect(unit.contains(start) && unit.contains("WantedBy=multi-user.target"))
    }
  }
}
