import Foundation
import TestSupport
import Testing

@Suite(
  "Results of instances behind ssh",
  .enabled(if: Workplace.has("sshd") || FileManager.default.fileExists(atPath: "/usr/sbin/sshd")))
struct SSHResultsTests {
  /// A workplace whose instances are reached through a throw-away ssh server.
  private static func run(
    interval: String, _ body: (Workplace, LoopbackSSH) async throws -> Void
  ) async throws {
    try await Workplace.run { place in
      try await LoopbackSSH.run(in: place.path("sshd")) { ssh in
        try place.write("config.json", config(ssh, interval: interval))
        try await body(place, ssh)
      }
    }
  }

  private static func config(_ ssh: LoopbackSSH, interval: String, more: String = "") -> String {
    Workplace.config(
      #""sync": {"remote": "./results", "interval": "\#(interval)"}"#,
      #""ssh": {"identity_file": "sshd/key", "persist": "20s"\#(more)}"#
    ).replacing(
      #""grace": "1s""#,
      with: """
        "grace": "1s", "ssh_host": "127.0.0.1", "ssh_port": \(ssh.port), "ssh_host_key": "sshd/host_key.pub"
        """)
  }

  private static func logins(_ ssh: LoopbackSSH) throws -> Int {
    try String(contentsOfFile: ssh.folder + "/log", encoding: .utf8).components(separatedBy: "Accepted publickey").count
      - 1
  }

  @Test("They are copied, planned and compared over one connection, whose host key the instance has published")
  func copied() async throws {
    try await Self.run(interval: "1h") { place, ssh in
      try place.calculation("endless", "echo first >part1; echo x >a.tmp; while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      try await eventually("the calculation has begun") {
        FileManager.default.fileExists(atPath: place.path("cloud_jobs.local/\(id)-1/work/a.tmp"))
      }
      let plan = try await place.object("resync", id, "--dry-run")
      #expect(plan["result"] as? String == "planned")
      #expect((plan["excluded"] as? [[String: Any]])?.contains { $0["path"] as? String == "a.tmp" } == true, "\(plan)")
      #expect(!FileManager.default.fileExists(atPath: place.path("results")))
      let copied = try await place.cloudjobs("resync", id, "--check-space")
      #expect(copied.code == 0 && copied.output.contains("Synced:") && copied.errors.contains("to copy"), "\(copied)")
      #expect(try Self.logins(ssh) == 1)
      let deep = try await place.object("verify", id, "--deep")
      #expect((deep["deep"] as? [String: Any])?["different"] as? [String] == [], "\(deep)")
      try await place.tool(
        "sh", "-c", "echo second >cloud_jobs.local/\(id)-1/work/part1; echo n >cloud_jobs.local/\(id)-1/work/part2")
      let later = try await place.cloudjobs("verify", id, "--deep")
      #expect(later.code == 0 && later.output.contains("Written since the last copy: 1 (part1)"), "\(later)")
      #expect(later.output.contains("Not copied yet: 1 (part2)"))
      // The same time, another content: a disk that lies.
      #expect(try await place.cloudjobs("resync", id).code == 0)
      try await place.tool(
        "sh", "-c",
        "cd cloud_jobs.local/\(id)-1/work && touch -r part1 ../t && touch -d '1 hour ago' ../t && echo spoilt >part1 && touch -r ../t part1"
      )
      let spoilt = try await place.cloudjobs("verify", id, "--deep")
      #expect(spoilt.code == 65 && spoilt.output.contains("Different: 1 (part1)"), "\(spoilt)")
      #expect(try Self.logins(ssh) == 1)
    }
  }

  @Test("Another machine at the same address is not spoken to")
  func impostor() async throws {
    try await Self.run(interval: "1h") { place, ssh in
      try place.calculation("endless", "echo first >part1; while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      let watcher = try await place.watch()
      try await place.reaches(id, "running")
      watcher.signal(SIGTERM)
      _ = try await watcher.outcome()
      // What answers there now has another key, while the instance still publishes the one that it had.
      try await place.tool("cp", "sshd/host_key.pub", "published.pub")
      try await ssh.order("rekey")
      try place.write(
        "config.json",
        Self.config(ssh, interval: "1h").replacing("sshd/host_key.pub", with: "published.pub"))
      let refused = try await place.cloudjobs("resync", id)
      #expect(refused.code == 77 && refused.errors.contains("another ssh host key"), "\(refused)")
      #expect(!FileManager.default.fileExists(atPath: place.path("results/\(id)/part1")))
      // On this machine there is another way.
      #expect(try await place.cloudjobs("resync", id, "--method", "local").code == 0)
      #expect(FileManager.default.fileExists(atPath: place.path("results/\(id)/part1")))
    }
  }

  @Test("The watcher asks for a copy when the instance has missed its time")
  func watched() async throws {
    try await Self.run(interval: "1h") { place, ssh in
      try place.calculation("endless", "echo first >part1; while :; do sleep 0.2; done")
      let id = try await place.job("endless")
      try place.write("config.json", Self.config(ssh, interval: "1s"))
      let watcher = try await place.watch()
      try await eventually("the watcher has had a copy made") {
        FileManager.default.fileExists(atPath: place.path("results/\(id)/part1"))
      }
      try await eventually("it knows of it") {
        let status = try await place.object("status", id, "--offline", "--detailed")
        return status["last_sync_at"] is String && (status["syncs"] as? [Any])?.isEmpty == false
      }
      #expect(try Self.logins(ssh) >= 1)
      watcher.signal(SIGTERM)
      _ = try await watcher.outcome()
    }
  }
}
