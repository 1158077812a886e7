import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

@Suite("Commands as channels")
struct CommandTests {
  private func notifier(_ words: [String], timeout: Duration = .seconds(120)) throws -> CommandNotifier {
    var environment = ProcessInfo.processInfo.environment
    environment["CLOUDJOBS_TEST_MARK"] = "m"
    return try CommandNotifier(
      name: "own", settings: CommandSettings(words: words, environment: environment, timeout: timeout))
  }

  private func shell(_ script: String, timeout: Duration = .seconds(120)) throws -> CommandNotifier {
    try notifier(["sh", "-c", script], timeout: timeout)
  }

  @Test(
    "the exit code decides",
    arguments: [
      ("exit 0", "delivered"), ("exit 75", "retry"), ("exit 1", "permanent"), ("exit 64", "permanent"),
      ("exit 127", "permanent"), ("kill -9 $$", "retry"), ("echo went wrong >&2; exit 3", "permanent"),
    ])
  func codes(_ script: String, _ expected: String) async throws {
    let (word, text) = word(try await shell(script).deliver(Samples.message))
    #expect(word == expected, "\(text)")
    if script.contains("went wrong") { #expect(text == "exit code 3: went wrong") }
  }

  @Test("the program gets the alert as one line of JSON, and the message's id")
  func input() async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }  // a left-over in the temporary directory is no failure
    let notifier = try notifier([
      "sh", "-c", #"cat >"$1"; echo "$CLOUDJOBS_MESSAGE_ID $CLOUDJOBS_TEST_MARK" >>"$1""#, "sh", file.path,
    ])
    guard case .delivered = await notifier.deliver(Samples.message(Samples.hostile)) else {
      Issue.record("not delivered")
      return
    }
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 2)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
    #expect((json["data"] as? [String: Any])?["title"] as? String == Samples.hostile.title)
    #expect(lines[1] == "msg_k3v9x2ab-1-job_failed-x m")
  }

  @Test("a program that does not read its input does not end us")
  func unread() async throws {
    var message = Samples.message
    message.alert.facts = (0..<60).map { .init("Fact \($0)", String(repeating: "x", count: 250)) }
    for _ in 0..<20 {
      #expect(try await word(shell("exec 0<&-; exit 0").deliver(message)).word == "delivered")
      #expect(try await word(notifier(["true"]).deliver(message)).word == "delivered")
    }
  }

  @Test("a program that takes too long is killed with what it started", .timeLimit(.minutes(5)))
  func timeLimit() async throws {
    // It sleeps for months: whoever waited for it would not come back.
    let mark = "8\(Int.random(in: 100_000...999_999))"
    let (word, text) = word(
      try await shell("sleep \(mark) & sleep \(mark)", timeout: .milliseconds(400)).deliver(Samples.message))
    #expect(word == "retry" && text.contains("still running"), "\(text)")
    try await eventually("nothing of it is left") { running("sleep\0\(mark)\0").isEmpty }
  }

  @Test("what a program leaves running is not waited for", .timeLimit(.minutes(5)))
  func leftRunning() async throws {
    let mark = "9\(Int.random(in: 100_000...999_999))"
    defer { for process in running("sleep\0\(mark)\0") { kill(process, SIGKILL) } }
    #expect(try await word(shell("sleep \(mark) & exit 0").deliver(Samples.message)).word == "delivered")
    try await eventually("it runs on") { !running("sleep\0\(mark)\0").isEmpty }
  }

  private func running(_ commandLine: String) -> [Int32] {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { Int32($0) }.filter {
      FileManager.default.contents(atPath: "/proc/\($0)/cmdline") == Data(commandLine.utf8)
    }
  }

  @Test("what a program says is one bounded line")
  func said() async throws {
    let (word, text) = word(
      try await shell(#"head -c 5000000 /dev/zero | tr '\0' x >&2; printf '\033[31m\n' >&2; exit 1"#).deliver(
        Samples.message))
    #expect(word == "permanent")
    #expect(text.utf8.count <= 400 && !text.contains("\n"))
  }

  @Test("a program that is not there makes the channel unusable, and needs no shell")
  func missing() async throws {
    for words in [["cloudjobs-no-such-program"], ["/nonexistent/program"], ["/etc/passwd"]] {
      #expect(try await word(notifier(words).deliver(Samples.message)).word == "unusable")
    }
    // An argument is never a program's text.
    #expect(
      word(try await notifier(["/bin/true", "; exit 3", "$(exit 3)"]).deliver(Samples.message)).word == "delivered")
    for words in [[], [""], ["a", "b\0c"]] as [[String]] {
      #expect(throws: NotifierSettingsError.self) { try notifier(words) }
    }
  }
}
