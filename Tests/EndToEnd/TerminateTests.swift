import Foundation
import TestSupport
import Testing

@Suite("terminate")
struct TerminateTests {
  private static let endless = "while :; do sleep 0.2; done"

  @Test("ends a job by itself when nobody watches, and leaves nothing behind")
  func alone() async throws {
    try await Workplace.run { place in
      // Children, and one that wants to stay.
      try place.calculation("endless", "trap '' TERM; (trap '' TERM; \(Self.endless)) & \(Self.endless)")
      let id = try await place.job("endless")
      let ended = try await place.cloudjobs("terminate", id, "--force", "--reason", "Cost optimization")
      #expect(ended.code == 0, "\(ended)")
      let lines = ended.output.split(separator: "\n").map(String.init)
      #expect(lines.first == "Job \(id): launched" || lines.first == "Job \(id): running")
      for line in [
        "Provider: local", "Instance: local in localhost", "Instance ID: local-\(id)-1",
        "Estimated cost so far: $1.5000", "Terminating local instance...",
        "✓ Instance termination initiated",
        "Job \(id) marked as terminated in database",
      ] { #expect(lines.contains(line), "\(line) in \(ended)") }
      #expect(place.strays().isEmpty)
      let status = try await place.cloudjobs("status", id)
      #expect(status.output.contains("Reason: terminated on request (Cost optimization)"))
      let again = try await place.cloudjobs("terminate", id, "--force")
      #expect(again.code == 0)
      #expect(again.errors.contains("nothing to terminate"))
    }
  }

  @Test("leaves the work to a watcher that holds the job, and follows it")
  func watched() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let watcher = try await place.watch()
      try await place.reaches(id, "running")
      let ended = try await place.cloudjobs("terminate", id, "--force", "--no-final-sync")
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.output.contains("Job \(id) marked as terminated in database"))
      #expect(!ended.output.contains("final sync"))
      #expect(watcher.errors.contains("event=terminated"))
      #expect(watcher.isRunning)
      #expect(place.strays().isEmpty)
      watcher.signal(SIGTERM)
      #expect(try await watcher.outcome().code == 0)
    }
  }

  @Test("never asks without a terminal, whatever stands on standard input")
  func withoutTerminal() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let refused = try await place.cloudjobs("terminate", id, input: "y\ny\n")
      #expect(refused.code == 64)
      #expect(refused.errors.contains("--force"))
      #expect(!(refused.output + refused.errors).contains("y/N"))
      #expect(try await place.object("status", id)["termination"] is NSNull)
      #expect(!place.strays().isEmpty)
    }
  }

  @Test("ends several jobs at once, and passes over those that have ended")
  func several() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      try place.calculation("short", "true")
      let first = try await place.job("endless")
      let second = try await place.job("endless")
      let third = try await place.job("short", "--wait")
      let ended = try await place.cloudjobs("terminate", first, third, second, String(first.prefix(7)), "--force")
      #expect(ended.code == 0, "\(ended)")
      #expect(ended.errors.contains("Job \(third) is completed and its instance is gone"))
      for id in [first, second] {
        #expect(ended.output.components(separatedBy: "Job \(id) marked as terminated").count == 2)
      }
      #expect(place.strays().isEmpty)
      #expect(try await place.objects("list", "--status", "terminated").count == 2)
    }
  }

  @Test("ends nothing when one of the jobs is unknown")
  func unknown() async throws {
    try await Workplace.run { place in
      try place.calculation("endless", Self.endless)
      let id = try await place.job("endless")
      let refused = try await place.cloudjobs("terminate", id, "nosuchjob", "--force")
      #expect(refused.code == 66)
      #expect(refused.errors.contains("nosuchjob"))
      let notAnID = try await place.cloudjobs("terminate", id, "no such job", "--force")
      #expect(notAnID.code == 64)
      #expect(try await place.object("status", id)["termination"] is NSNull)
    }
  }

  @Test("refuses a job on a cloud that this version can't reach, unless somebody vouches for its end")
  func unreachableProvider() async throws {
    try await Workplace.run { place in
      try await Legacy.make(place, "cloud_jobs.db", running: true)
      let refused = try await place.cloudjobs("terminate", "abcd0003", "--force")
      #expect(refused.code == 69, "\(refused)")
      #expect(refused.errors.contains("GCP") && refused.errors.contains("--forget"))
      #expect(try await place.object("status", "abcd0003")["termination"] is NSNull)
      let forgotten = try await place.cloudjobs("terminate", "abcd0003", "--force", "--forget", "--reason", "by hand")
      #expect(forgotten.code == 0, "\(forgotten)")
      let job = try await place.object("status", "abcd0003")
      #expect(job["status"] as? String == "terminated")
      #expect(job["open"] as? Bool == false)
      #expect(try await place.cloudjobs("watch", "--until-idle").code == 0)
    }
  }
}
