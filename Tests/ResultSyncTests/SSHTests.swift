import Foundation
import JobModel
import ProviderKit
import Synchronization
import TestSupport
import Testing

@testable import ResultSync

@Suite(
  "Reaching instances by ssh, with a real sshd",
  .enabled(if: Workplace.has("sshd") || FileManager.default.fileExists(atPath: "/usr/sbin/sshd")))
struct SSHTests {
  /// An instance behind a throw-away ssh server.
  private struct Ground {
    let place: Workplace
    let ssh: LoopbackSSH
    var settings: SSHSettings
    var there: SSHPlace

    static func run(_ body: (inout Ground) async throws -> Void) async throws {
      try await Workplace.run { place in
        try FileManager.default.createDirectory(atPath: place.path("inst ance"), withIntermediateDirectories: true)
        try await LoopbackSSH.run(in: place.path("sshd")) { ssh in
          let sockets = "/tmp/cj-\(UUID().uuidString.prefix(8))"
          defer { try? FileManager.default.removeItem(atPath: sockets) }  // only sockets were in it
          var ground = Ground(
            place: place, ssh: ssh,
            settings: SSHSettings(
              identityFile: ssh.identityFile, connectTimeout: .seconds(5), persist: .seconds(20),
              runtimeFolder: sockets,
              stateFolder: place.path("state")),
            there: SSHPlace(
              alias: "a1b2c3d4-1", host: "127.0.0.1", port: ssh.port, directory: place.path("inst ance"),
              hostKey: HostKey(try ssh.hostKey())))
          ground.settings.aliveInterval = .seconds(1)
          try await body(&ground)
        }
      }
    }

    /// The lines and the exit code of a script on the instance.
    func shell(_ script: String, timeout: Duration = .seconds(30)) async throws -> (lines: [String], code: Int32) {
      let lines = Lines()
      let code = try await InstanceAccess.ssh(there, settings).shell(script, timeout: timeout) { lines.add($0) }
      return (lines.all, code)
    }

    func fails(_ script: String = "echo hello") async throws -> SyncError? {
      await #expect(throws: SyncError.self) { try await shell(script) }
    }

    func sshLog() -> String { (try? String(contentsOfFile: ssh.folder + "/log", encoding: .utf8)) ?? "" }
  }

  @Test("A script runs in the instance's folder, byte for byte, and its exit code comes back, also 255")
  func scripts() async throws {
    try await Ground.run { ground in
      let odd = #"a  "b" $HOME 'c' \\ é * ; & | `x`"#
      let answer = try await ground.shell("pwd; cat <<'END'\n\(odd)\nEND\nexit 7")
      #expect(answer.lines == [ground.there.directory, odd] && answer.code == 7)
      for code: Int32 in [0, 1, 127, 255] {
        #expect(try await ground.shell("exit \(code)").code == code)
      }
      #expect(try await ground.shell("cat; echo over").lines == ["over"])
      ground.there.directory += "/none"
      #expect(try await ground.shell("echo no").code == 66)
    }
  }

  @Test(
    "A user who may becomes root for the script, and one who may not is told so", .enabled(if: Workplace.has("sudo")))
  func elevated() async throws {
    try await Ground.run { ground in
      ground.there.elevated = true
      guard geteuid() == 0 else {
        // Whether this user may is the machine's affair.
        if let answer = try? await ground.shell("id -u") { #expect(answer.lines == ["0"]) }
        return
      }
      let answer = try await ground.shell("id -u; echo ${SUDO_UID-none}; pwd")
      #expect(answer.lines == ["0", "0", ground.there.directory])
    }
    let refusal = SSHFailure(said: "sudo: a password is required\n")
    #expect(refusal == .notElevated && refusal.error("h", said: "").code == .refused)
  }

  @Test("Commands share one connection, and make a new one when its master was killed")
  func multiplexing() async throws {
    try await Ground.run { ground in
      for _ in 0..<5 { _ = try await ground.shell("true") }
      func logins() -> Int { ground.sshLog().components(separatedBy: "Accepted publickey").count - 1 }
      #expect(logins() == 1)
      let masters = try await ground.place.program(
        "/usr/bin/pkill", ["-KILL", "-f", "\(ground.settings.runtimeFolder)/"]
      ).outcome()
      #expect(masters.code == 0)
      #expect(try await ground.shell("echo again").lines == ["again"])
      #expect(logins() == 2)
    }
  }

  @Test("An instance with another host key than the published one gets nothing")
  func changedHostKey() async throws {
    try await Ground.run { ground in
      ground.settings.persist = .seconds(1)
      #expect(try await ground.shell("echo hello").lines == ["hello"])
      try await ground.ssh.order("rekey")
      let error = try await ground.fails("touch \(ground.there.directory)/reached")
      #expect(error?.code == .refused && error?.message.contains("another ssh host key") == true, "\(error as Any)")
      #expect(!FileManager.default.fileExists(atPath: ground.there.directory + "/reached"))
      // The instance has published the new one.
      ground.there.hostKey = HostKey(try ground.ssh.hostKey())
      #expect(try await ground.shell("echo hello").lines == ["hello"])
    }
  }

  @Test("Without a published key nothing is sent, or the first one is trusted and kept if that is wanted")
  func acceptNew() async throws {
    try await Ground.run { ground in
      ground.there.hostKey = nil
      ground.settings.persist = .seconds(1)
      let refused = try await ground.fails()
      #expect(refused?.code == .refused && refused?.message.contains("not published") == true)
      ground.settings.hostKeys = .acceptNew
      #expect(try await ground.shell("echo hello").lines == ["hello"])
      try await ground.ssh.order("rekey")
      let changed = try await ground.fails()
      #expect(
        changed?.code == .refused && changed?.message.contains("another ssh host key") == true, "\(changed as Any)")
      // Another instance at the same address has a file of its own.
      ground.there.alias = "e5f6a7b8-1"
      #expect(try await ground.shell("echo hello").lines == ["hello"])
    }
  }

  @Test("Keys that are not accepted, or that others can read, are named as what they are")
  func keys() async throws {
    try await Ground.run { ground in
      let key = ground.place.path("other")
      try await ground.place.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
      ground.settings.identityFile = key
      let refused = try await ground.fails()
      #expect(refused?.code == .refused && refused?.message.contains("did not accept") == true, "\(refused as Any)")
      ground.settings.identityFile = ground.ssh.identityFile
      #expect(chmod(ground.ssh.identityFile, 0o644) == 0)
      let open = try await ground.fails()
      #expect(open?.code == .refused && open?.message.contains("others can read") == true, "\(open as Any)")
    }
  }

  @Test("What ends a connection is told apart from what a script says with 255")
  func broken() async throws {
    try await Ground.run { ground in
      let killed = try await ground.fails("kill -KILL $$")
      #expect(killed?.code == .unreachable || killed?.code == .broken, "\(killed as Any)")
      let port = ground.there.port
      ground.there.port = 1
      #expect(try await ground.fails()?.code == .unreachable)
      ground.there.port = port
      ground.there.host = "-oProxyCommand=touch /tmp/no"
      #expect(try await ground.fails()?.code == .notSetUp)
      ground.there.host = "::1"
      #expect(try await ground.shell("echo v6").lines == ["v6"])
    }
  }

  @Test("A host that freezes is given up in time, and so is one that never answers", .timeLimit(.minutes(5)))
  func frozen() async throws {
    try await Ground.run { ground in
      _ = try await ground.shell("true")
      try await ground.ssh.order("freeze")
      let began = ContinuousClock.now
      let error = try await ground.fails()
      #expect(error?.code == .broken || error?.code == .unreachable, "\(error as Any)")
      #expect(ContinuousClock.now - began < .seconds(15))
      try await ground.ssh.order("thaw")
      #expect(try await ground.shell("echo back").lines == ["back"])
      let late = await #expect(throws: SyncError.self) {
        try await ground.shell("sleep 60", timeout: .milliseconds(500))
      }
      #expect(late?.code == .timedOut)
    }
  }

  @Test("Jump hosts come from the user's own configuration")
  func jumpHost() async throws {
    try await Ground.run { ground in
      try ground.place.write(
        "ssh_config",
        """
        Host 127.0.0.2
          ProxyJump jump
        Host jump
          HostName 127.0.0.1
          Port \(ground.ssh.port)
          IdentityFile \(ground.ssh.identityFile)
          UserKnownHostsFile /dev/null
          StrictHostKeyChecking no
          LogLevel ERROR
        Match host *
          ForwardAgent yes
          RequestTTY force
          RemoteCommand echo hijacked
          StrictHostKeyChecking no
        """)
      ground.settings.configFile = ground.place.path("ssh_config")
      // The server listens on 127.0.0.1 only, so a second one stands behind the jump host.
      ground.there.host = "127.0.0.1"
      #expect(try await ground.shell("echo through").lines == ["through"])
      let command = SSHCommand(place: ground.there, settings: ground.settings, knownHosts: "/x")
      #expect(command.arguments.starts(with: ["-F", ground.place.path("ssh_config")]))
      var behind = ground
      behind.there.host = "localhost"
      try ground.place.write(
        "ssh_config",
        try String(contentsOfFile: ground.place.path("ssh_config"), encoding: .utf8)
          .replacing("Host 127.0.0.2", with: "Host localhost"))
      #expect(try await behind.shell("echo jumped").lines == ["jumped"])
      #expect(ground.sshLog().components(separatedBy: "Accepted publickey").count - 1 >= 3)
    }
  }

  @Test("A copy that was asked for by ssh goes on when the connection is gone, and is followed by the next one")
  func outlivesConnection() async throws {
    try await Ground.run { ground in
      let directory = ground.there.directory
      try FileManager.default.createDirectory(atPath: directory + "/work", withIntermediateDirectories: true)
      try Data(SyncScript.text).write(to: URL(fileURLWithPath: directory + "/sync.sh"))
      try Data(String(repeating: "x", count: 200_000).utf8).write(to: URL(fileURLWithPath: directory + "/work/big"))
      let rclone = ground.place.path("slow-rclone")
      try ground.place.write(
        "slow-rclone", "#!/bin/sh\ncase \" $* \" in *\" copy \"*) sleep 2 ;; esac\nexec rclone \"$@\"\n")
      #expect(chmod(rclone, 0o755) == 0)
      let job = SyncJob(
        job: try #require(JobID("a1b2c3d4")), attempt: 1, rclone: rclone, remote: ground.place.path("remote/a1b2c3d4"))
      try job.configuration(directory: directory).write(
        toFile: directory + "/sync.conf", atomically: true, encoding: .utf8)
      let access = InstanceAccess.ssh(ground.there, ground.settings)
      let started = Lines()
      let broken = Task {
        try await SyncRun(access, isDryRun: false).follow { if case .plan = $0 { started.add("plan") } }
      }
      try await eventually("the copy is under way") { !started.all.isEmpty }
      try await ground.ssh.order("drop")
      let error = await #expect(throws: SyncError.self) { try await broken.value }
      #expect(error?.code == .broken, "\(error as Any)")
      let outcome = try await SyncRun(access, isDryRun: false).follow { _ in }
      #expect(outcome.code == 0 && outcome.hasJoined && outcome.report?.result == .synced, "\(outcome)")
      let copied = try Data(contentsOf: URL(fileURLWithPath: ground.place.path("remote/a1b2c3d4/big")))
      #expect(copied.count == 200_000)
      // Started and left to itself.
      try Data("more".utf8).write(to: URL(fileURLWithPath: directory + "/work/more"))
      try await SyncRun.start(access)
      try await eventually("the copy that was left to itself is done") {
        FileManager.default.fileExists(atPath: ground.place.path("remote/a1b2c3d4/more"))
      }
    }
  }

  @Test(
    "What ssh says becomes a reason",
    arguments: [
      ("user@h: Permission denied (publickey).", SSHFailure.refusedKey),
      ("Received disconnect: Too many authentication failures", .refusedKey),
      ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", .changedHostKey),
      (
        "Host key for a-1 has changed and you have requested strict checking.\nHost key verification failed.",
        .changedHostKey
      ),
      (
        "No ED25519 host key is known for a-1 and you have requested strict checking.\nHost key verification failed.",
        .unknownHostKey
      ),
      (
        "Permissions 0644 for 'k' are too open.\nLoad key \"k\": bad permissions\nPermission denied (publickey).",
        .openKeyFile
      ),
      ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", .unreachable),
      ("ssh: Could not resolve hostname x: Name or service not known", .unreachable),
      ("Timeout, server 10.0.0.1 not responding.", .broken),
      ("client_loop: send disconnect: Broken pipe", .broken),
      (
        "/home/u/.ssh/config: line 3: Bad configuration option: nope\n/home/u/.ssh/config: terminating, 1 bad configuration options",
        .badConfiguration
      ),
      ("", .other),
    ])
  func reasons(said: String, failure: SSHFailure) {
    #expect(SSHFailure(said: said) == failure)
    let error = failure.error("me@there", said: said)
    #expect(error.message.contains("me@there") || failure == .badConfiguration || failure == .openKeyFile)
    #expect(!error.remedy.isEmpty)
  }
}

private final class Lines: Sendable {
  private let list = Mutex<[String]>([])
  var all: [String] { list.withLock { $0 } }
  func add(_ line: String) { list.withLock { $0.append(line) } }
}
