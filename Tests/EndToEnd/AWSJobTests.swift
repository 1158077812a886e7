import Foundation
import TestSupport
import Testing

/// The folder of an image that Scripts/machine-image made: instances are machines with systemd and cloud-init, in QEMU.
private let machineFolder = ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_MACHINE"]

/// Jobs on the stand-in for AWS, with instances that really boot behind it: the bootstrap script, sshd and rclone run there.
@Suite(
  "Jobs on AWS",
  .enabled(
    if: LoopbackAWS.isInstalled && LoopbackS3.isInstalled, "Scripts/setup --test installs what stands in for AWS"),
  .timeLimit(.minutes(machineFolder == nil ? 4 : 30)))
struct AWSJobTests {
  /// An AWS, a bucket for the jobs, and one that stands for Google Drive, in one workplace.
  private struct Cloud {
    let place: Workplace
    let aws: LoopbackAWS
    let results: LoopbackS3
    let inputs: LoopbackS3
    let environment: [String: String]

    func cloudjobs(_ arguments: String..., input: String? = nil) async throws -> Workplace.Outcome {
      try await place.cloudjobs(arguments, input: input, environment: environment)
    }

    func watch() async throws -> RunningProgram { try await place.watch("--plain", environment: environment) }

    /// Starts a job and gives its id.
    func run(_ folder: String, _ arguments: String...) async throws -> String {
      let outcome = try await place.cloudjobs(
        ["run", folder, "--s3-bucket", "my-bucket"] + arguments, environment: environment)
      guard outcome.code == 0 else { throw Unexpected("\(outcome)") }
      return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func status(_ job: String) async throws -> [String: Any] {
      let outcome = try await cloudjobs("status", job, "--json")
      return try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any] ?? [:]
    }

    func reaches(_ job: String, _ state: String) async throws {
      try await eventually("job \(job) is \(state)") { try await status(job)["status"] as? String == state }
    }

    func result(_ job: String, _ name: String) -> String? {
      FileManager.default.contents(atPath: "\(results.folder)/results/\(job)/\(name)")
        .map { String(decoding: $0, as: UTF8.self) }
    }

    func isGone() async throws -> Bool { try await aws.state().instances.allSatisfy { $0.state == "terminated" } }
  }

  private func run(_ body: (Cloud) async throws -> Void) async throws {
    let config = #"""
      {
        "aws": {"region": "us-east-1", "instance_types": ["c5.large"], "key_name": "k"},
        "sync": {"remote": "gdrive", "gdrive_path": "results", "interval": "2s"},
        "ssh": {"identity_file": "key"},
        "watch": {"poll_interval": "0.5s", "eager_poll_interval": "0.2s", "absence_confirmation": "1s", "lease_ttl": "5s"}
      }
      """#
    try await Workplace.run(config: config) { place in
      try await LoopbackServer.aws { aws in
        try await LoopbackServer.s3(in: place.path("s3"), buckets: ["my-bucket"]) { inputs in
          try await LoopbackServer.s3(in: place.path("drive"), buckets: ["results"]) { results in
            let ports = [inputs, results].map { String($0.server.port) }.joined(separator: ", ")
            let machine = machineFolder.map { #", "machine": "\#($0)""# } ?? ""
            let answer = try await aws.control("boot", #"{"enabled": true, "reach": [\#(ports)]\#(machine)}"#)
            // Said once, and not a failure: only root can boot instances, and not on every machine.
            if let why = (try JSONSerialization.jsonObject(with: answer) as? [String: Any])?["unsupported"] as? String {
              print("instances can't boot here: \(why)")
              return
            }
            try place.write(
              "rclone.conf",
              """
              [other]
              type = local

              [gdrive]
              type = s3
              provider = Other
              access_key_id = \(LoopbackS3.keyID)
              secret_access_key = \(LoopbackS3.secret)
              endpoint = \(results.endpoint)
              region = us-east-1

              """)
            try await place.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place.path("key"))
            let key = String(decoding: try place.bytes("key.pub"), as: UTF8.self)
            try await aws.control("key-pair", #"{"name": "k", "public": "\#(key.trimmingCharacters(in: .newlines))"}"#)
            var environment = aws.environment
            environment["AWS_ENDPOINT_URL_S3"] = inputs.endpoint
            environment["RCLONE_CONFIG"] = place.path("rclone.conf")
            try await body(
              Cloud(place: place, aws: aws, results: results, inputs: inputs, environment: environment))
          }
        }
      }
    }
  }

  @Test("The workflow of the Python tool, command by command, with its lines")
  func workflow() async throws {
    try await run { cloud in
      try cloud.place.calculation(
        "my_calculation", "cat input.dat >results.txt; while sleep 0.2; do date >>calculation.log; done")
      try cloud.place.write("my_calculation/input.dat", "forty-two\n")
      // 1. Submit job
      let job = try await cloud.run("my_calculation")
      let watcher = try await cloud.watch()
      try await cloud.reaches(job, "running")
      // 2. Monitor progress
      let list = try await cloud.cloudjobs("list", "--status", "running")
      #expect(list.output.contains("Job ID       | Status      | Provider | Instance"))
      let row = list.output.split(separator: "\n").first { $0.hasPrefix(job) } ?? ""
      #expect(row.contains("| running     | AWS      | c5.large        | us-east-1 "), "\(list)")
      // 4. Manual resync, by ssh, as the user of the image who becomes root
      let resync = try await cloud.cloudjobs("resync", job)
      #expect(resync.code == 0 && resync.output.contains("Synced:"), "\(resync)")
      // 3. Check detailed status
      let status = try await cloud.cloudjobs("status", job, "--detailed")
      for line in [
        "JOB STATUS: \(job)", "Status: RUNNING", "Provider: AWS", "Instance: c5.large in us-east-1", "INSTANCE STATUS:",
        "State: running", "Public IP: ", "INPUT FILES (S3):", "Files: 2", "Total size: ",
        "RESULTS (Google Drive):",
        "Synced files: ", "  results.txt",
      ] { #expect(status.output.contains(line), "\(line) in \(status)") }
      // 5. Terminate
      let terminate = try await cloud.place.cloudjobs(
        ["terminate", job, "--force", "--reason", "Cost optimization"], environment: cloud.environment)
      for line in [
        "Job \(job): running", "Provider: AWS", "Instance ID: i-", "Estimated cost so far: $",
        "Attempting final sync before termination...", "✓ Final sync completed", "Terminating AWS instance...",
        "✓ Instance termination initiated", "Also cancelled spot instance request",
        "Job \(job) marked as terminated in database",
      ] { #expect(terminate.output.contains(line), "\(line) in \(terminate)") }
      #expect(try await cloud.isGone())
      #expect(cloud.result(job, "results.txt") == "forty-two\n")
      let requests = try await cloud.aws.state().regions.values.flatMap(\.requests)
      #expect(requests.count == 1 && requests.allSatisfy { !["open", "active"].contains($0.state) }, "\(requests)")
      // 6. Review
      let summary = try await cloud.cloudjobs("list", "--summary")
      #expect(summary.output.contains("Total jobs: 1") && summary.output.contains("AWS"), "\(summary)")
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
      #expect(!"\(list)\(status)\(terminate)\(watcher.errors)".contains(LoopbackAWS.secret))
      let database = try cloud.place.bytes("cloud_jobs.db")
      #expect(database.range(of: Data(LoopbackAWS.secret.utf8)) == nil)
    }
  }

  @Test("A job that ends well brings its results home, and its instance switches itself off, watched or not")
  func completed() async throws {
    try await run { cloud in
      try cloud.place.calculation("calc", "mkdir -p out; echo done >'out/a file'; ./tool >tool.txt")
      try cloud.place.write("calc/tool", "#!/bin/sh\necho \"$BASIS_SET\"\n")
      try await cloud.place.tool("chmod", "755", cloud.place.path("calc/tool"))
      let job = try await cloud.run("calc", "--basis-set", "cc-pVDZ")
      // Nobody watches: the instance ends by itself all the same.
      try await eventually("the instance is gone") { try await cloud.isGone() }
      #expect(cloud.result(job, "out/a file") == "done\n" && cloud.result(job, "tool.txt") == "cc-pVDZ\n")
      let watch = try await cloud.cloudjobs("watch", "--until-idle", "--plain")
      #expect(watch.code == 0, "\(watch)")
      #expect(try await cloud.status(job)["status"] as? String == "completed")
      let verify = try await cloud.cloudjobs("verify", job)
      #expect(verify.code == 0, "\(verify)")
      // Keys to the results are read once, and gone; those of other remotes never left this machine.
      let attempts = try FileManager.default.contentsOfDirectory(
        atPath: "\(cloud.inputs.folder)/my-bucket/\(job)/attempts")
      #expect(!attempts.contains("1.rclone"))
      let instance = try #require(try await cloud.aws.state().instances.first)
      let userData = try #require(instance.userData.flatMap { Data(base64Encoded: $0) })
      #expect(userData.count < 16_384 && userData.range(of: Data(LoopbackS3.secret.utf8)) == nil)
    }
  }

  @Test("A database that was lost is rebuilt from tags and bucket, and an older copy of it finds its orphans")
  func lostDatabase() async throws {
    try await run { cloud in
      try cloud.place.calculation("short", "echo done >done.txt")
      try cloud.place.calculation("endless", "while sleep 0.2; do date >>log; done")
      let short = try await cloud.run("short", "--name", "größer", "--budget", "5")
      #expect(try await cloud.cloudjobs("watch", "--until-idle", "--plain").code == 0)
      #expect(try await cloud.cloudjobs("backup", "old.db").code == 0)
      let endless = try await cloud.run("endless")
      // An older copy knows nothing of the second job; its name tells that the instance is its own.
      let old = ["--db", "old.db"]
      let report = try await cloud.place.cloudjobs(["reconcile", "--dry-run"] + old, environment: cloud.environment)
      #expect(report.code == 0 && report.output.contains("orphan: this database has no such job"), "\(report)")
      let instance = try #require(try await cloud.aws.state().instances.first { $0.state != "terminated" }).id
      let adopted = try await cloud.place.cloudjobs(
        ["reconcile", "--adopt", instance] + old, environment: cloud.environment)
      #expect(adopted.code == 0, "\(adopted)")
      let listed = try await cloud.place.cloudjobs(["list"] + old, environment: cloud.environment)
      #expect(listed.output.contains(endless), "\(listed)")
      // A new database knows nothing at all, and the instance is a stranger's.
      let new = ["--db", "new.db"]
      let rebuilt = try await cloud.place.cloudjobs(
        ["import", "--from-tags", "--s3-bucket", "my-bucket"] + new, environment: cloud.environment)
      #expect(rebuilt.code == 0 && rebuilt.output.contains("2 jobs imported, 0 were here already"), "\(rebuilt)")
      let again = try await cloud.place.cloudjobs(
        ["import", "--from-tags", "--s3-bucket", "my-bucket"] + new, environment: cloud.environment)
      #expect(again.output.contains("0 jobs imported, 2 were here already"), "\(again)")
      let table = try await cloud.place.cloudjobs(["list", "--detailed"] + new, environment: cloud.environment)
      #expect(
        table.output.contains("\(short)     | completed   | AWS") && table.output.contains("Name: größer"), "\(table)")
      #expect(table.output.contains("Budget: $5.00"), "\(table)")
      // What was rebuilt is looked after as before.
      let ended = try await cloud.place.cloudjobs(
        ["terminate", endless, "--force"] + new, environment: cloud.environment)
      #expect(ended.code == 0, "\(ended)")
      #expect(try await cloud.isGone())
      let clean = try await cloud.place.cloudjobs(["reconcile"] + new, environment: cloud.environment)
      #expect(clean.output.contains("No instance with the program's tags runs"), "\(clean)")
    }
  }

  @Test("What nothing needs is found, and ended on a person's word, by reconcile, or by the watcher, which tells")
  func leaked() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      try await run { cloud in
        try cloud.place.calculation("calc", "true")
        let job = try await cloud.run("calc")
        #expect(try await cloud.cloudjobs("watch", "--until-idle", "--plain").code == 0)
        func leak(attempt: Int = 1) async throws {
          try await cloud.aws.control(
            "bulk",
            #"{"count": 1, "type": "c5.large", "zone": "us-east-1a", "spot": true, "tags": {"cloudjobs:job": "\#(job)", "cloudjobs:token": "\#(job)-\#(attempt)", "cloudjobs:bucket": "my-bucket"}}"#
          )
        }
        try await leak()
        let asked = try await cloud.cloudjobs("terminate", "--all-leaked")
        #expect(asked.code == 64 && asked.errors.contains("--force"), "\(asked)")
        let ended = try await cloud.cloudjobs("terminate", "--all-leaked", "--force")
        #expect(ended.code == 0 && ended.output.contains("leaked: ") && ended.output.contains("✓"), "\(ended)")
        try await eventually("it is gone") { try await cloud.isGone() }
        #expect(
          try await cloud.cloudjobs("terminate", "--all-leaked", "--force").errors.contains("No instance is leaked"))
        try await leak()
        let reconciled = try await cloud.cloudjobs("reconcile")
        #expect(reconciled.code == 0 && reconciled.output.contains("leaked: "), "\(reconciled)")
        try await eventually("it is gone") { try await cloud.isGone() }
        // One of an attempt that this database does not know is nobody's to end, and can't be taken over either.
        try await leak(attempt: 2)
        let orphan = try #require(
          try await cloud.aws.state().instances.first { $0.tags["cloudjobs:token"] == "\(job)-2" }
        ).id
        let seen = try await cloud.cloudjobs("reconcile")
        #expect(seen.code == 0 && seen.output.contains("orphan: "), "\(seen)")
        let adopted = try await cloud.cloudjobs("reconcile", "--adopt", orphan)
        #expect(
          adopted.code == 64 && adopted.errors.contains("is in this database already, which is older")
            && adopted.errors.contains("cloudjobs reconcile --terminate \(orphan)"), "\(adopted)")
        #expect(try await cloud.cloudjobs("reconcile", "--terminate", orphan).code == 0)
        try await eventually("it is gone") { try await cloud.isGone() }
        // The watcher looks at its start, ends it by itself, and says so.
        try await leak()
        let config = String(decoding: try cloud.place.bytes("config.json"), as: UTF8.self)
        let told =
          #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true}}, "aws""#
        try cloud.place.write("config.json", config.replacingOccurrences(of: #""aws""#, with: told))
        let watcher = try await cloud.watch()
        try await eventually("it is ended") { try await cloud.isGone() }
        try await eventually("it is told") { try hook.toldAlerts().contains("instance_leaked firing") }
        watcher.signal(SIGTERM)
        #expect(try await watcher.outcome().code == 0)
      }
    }
  }

  @Test("A price that rises while a job runs is followed by the job, and told")
  func priceRise() async throws {
    try await LoopbackServer.run("http_receiver") { hook in
      try await run { cloud in
        let config = String(decoding: try cloud.place.bytes("config.json"), as: UTF8.self)
        let told =
          #""notifiers": {"hook": {"type": "webhook", "url": "\#(hook.url("/ok"))", "allow_private": true}}, "aws""#
        try cloud.place.write("config.json", config.replacingOccurrences(of: #""aws""#, with: told))
        try cloud.place.calculation("calc", "while sleep 0.2; do :; done")
        func price(_ records: String) async throws {
          for zone in "abcdef" {
            try await cloud.aws.control(
              "prices", #"{"zone": "us-east-1\#(zone)", "type": "c5.large", "records": [\#(records)]}"#)
          }
        }
        try await price("[86400, 0.02]")
        let job = try await cloud.run("calc")
        #expect(try await cloud.status(job)["price_per_hour"] as? Double == 0.02)
        // In two seconds, and so after the launch; the watcher looks later than that.
        try await price("[86400, 0.02], [-2, 72]")
        let watcher = try await cloud.watch()
        try await eventually("the new price holds") {
          try await cloud.status(job)["price_per_hour"] as? Double == 72
        }
        try await eventually("it is told") { try hook.toldAlerts().contains { $0.hasPrefix("price_rise") } }
        let history = try await cloud.cloudjobs("history", job)
        #expect(history.output.contains("the price has risen from $0.0200/h to $72.0000/h"), "\(history)")
        try await eventually("status shows that it was told") {
          let shown = try await cloud.cloudjobs("status", job, "--detailed").output
          return shown.split(separator: "\n").contains {
            $0.contains("  price_rise, ") && $0.hasSuffix("(hook: delivered)")
          }
        }
        _ = try await cloud.cloudjobs("terminate", job, "--force")
        watcher.signal(SIGTERM)
        #expect(try await watcher.outcome().code == 0)
      }
    }
  }

  @Test("A preempted job saves what it has, and goes on from there on another instance")
  func preempted() async throws {
    try await run { cloud in
      try cloud.place.calculation(
        "calc",
        """
        if [ -e state ]; then echo "from $(cat state)" >>from.log; exit 0; fi
        echo "from 0" >>from.log; i=0
        while :; do i=$((i+1)); echo $i >state; sleep 0.3; done
        """)
      let watcher = try await cloud.watch()
      let job = try await cloud.run("calc", "--max-attempts", "2")
      try await cloud.reaches(job, "running")
      try await eventually("something is to be saved") { try await cloud.status(job)["last_sync_at"] is String }
      let first = try #require(try await cloud.aws.state().instances.first)
      // EC2 gives two minutes. The instance waits for its end: what EC2 ends in the first hour is not charged.
      try await cloud.aws.control(
        "interrupt", #"{"instance": "\#(first.id)", "seconds": \#(machineFolder == nil ? 10 : 120)}"#)
      try await cloud.reaches(job, "completed")
      try await eventually("both are gone") { try await cloud.isGone() }
      let state = try await cloud.aws.state()
      #expect(state.instances.count == 2)
      let lines = (cloud.result(job, "from.log") ?? "").split(separator: "\n")
      #expect(lines.count == 2 && lines.first == "from 0" && lines.last != "from 0", "\(lines)")
      let history = try await cloud.cloudjobs("history", job)
      #expect(history.output.contains("preempted") && history.output.contains("attempt 2"), "\(history)")
      // Namespaces are as old as this machine; what is older than an hour does not wait for EC2, and is charged.
      let hasWaited = state.instances.first { $0.id == first.id }?.reason == "Server.SpotInstanceTermination"
      #expect(history.output.contains("so it is not charged") == hasWaited, "\(history)")
      if machineFolder != nil { #expect(hasWaited) }
      watcher.signal(SIGTERM)
      _ = try await watcher.outcome()
    }
  }
}

private struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
