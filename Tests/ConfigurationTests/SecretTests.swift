import Foundation
import Testing

@testable import Configuration

@Suite struct SecretTests {
  let environment = ["PATH": "/usr/bin:/bin", "TOKEN": "s3cret", "EMPTY": "", "LINES": "a\nb\n"]

  func resolve(_ reference: SecretReference) async throws -> String {
    try await reference.resolve(environment: environment)
  }

  func failure(_ reference: SecretReference, timeout: Duration = .seconds(10)) async -> SecretError? {
    do {
      _ = try await reference.resolve(environment: environment, timeout: timeout)
      return nil
    } catch { return error as? SecretError }
  }

  @Test func comesFromTheEnvironment() async throws {
    #expect(try await resolve(.environment("TOKEN")) == "s3cret")
    #expect(try await resolve(.environment("LINES")) == "a\nb")
    #expect(
      await failure(.environment("NOPE"))?.description
        == "environment variable NOPE: is not set; set it for this command and for the watcher")
    #expect(await failure(.environment("EMPTY"))?.code == .empty)
  }

  @Test(.timeLimit(.minutes(1))) func comesFromAFile() async throws {
    let workspace = try Workspace()
    let good = try workspace.file("good", "s3cret\r\n")
    #expect(try await resolve(.file(good)) == "s3cret")
    #expect(try await SecretReference.file("~/good").resolve(environment: ["HOME": workspace.path]) == "s3cret")
    let empty = try workspace.file("empty", "\n")
    let large = try workspace.file("large", String(repeating: "a", count: SecretReference.maximumBytes + 1))
    let pipe = "\(workspace.path)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(await failure(.file(empty))?.code == .empty)
    #expect(await failure(.file(large))?.code == .tooLong)
    #expect(await failure(.file("\(workspace.path)/none"))?.code == .missing)
    #expect(await failure(.file(workspace.path))?.code == .unreadable)
    #expect(await failure(.file(pipe))?.code == .unreadable)
  }

  @Test func comesFromACommand() async throws {
    #expect(try await resolve(.command(["printf", "%s\\n", "s3cret"])) == "s3cret")
    #expect(try await resolve(.command(["/bin/sh", "-c", "echo $TOKEN"])) == "s3cret")
    let failed = await failure(.command(["/bin/sh", "-c", "echo s3cret; echo s3cret >&2; exit 3"]))
    #expect(failed?.code == .failed && failed?.description.contains("s3cret") == false)
    #expect(await failure(.command(["no-such-program-here"]))?.code == .missing)
    #expect(await failure(.command(["true"]))?.code == .empty)
    #expect(await failure(.command(["head", "-c", "100000", "/dev/zero"]))?.code == .tooLong)
  }

  /// The time-out ends a command and what it waits for.
  @Test(.timeLimit(.minutes(1))) func endsACommandThatHangs() async throws {
    let workspace = try Workspace()
    let pidFile = "\(workspace.path)/pid"
    let script = "sleep 300 & echo $! > \(pidFile); wait"
    let failed = await failure(.command(["/bin/sh", "-c", script]), timeout: .milliseconds(700))
    #expect(failed?.code == .timedOut)
    let child = try #require(Int32(String(contentsOfFile: pidFile, encoding: .utf8).trimmed))
    // The signal was sent; the kernel may take a moment to carry it out.
    let patience = ContinuousClock.now + .seconds(20)
    while Self.runs(child), ContinuousClock.now < patience { try await Task.sleep(for: .milliseconds(10)) }
    #expect(!Self.runs(child), "the child still runs")
  }

  /// An agent that a password manager starts, as gpg does, stays alive and delays nothing.
  @Test(.timeLimit(.minutes(1))) func leavesAnAgentAlone() async throws {
    let workspace = try Workspace()
    let pidFile = "\(workspace.path)/pid"
    let began = ContinuousClock.now
    let script = "sleep 60 & echo $! > \(pidFile); echo s3cret"
    let secret = try await SecretReference.command(["/bin/sh", "-c", script])
      .resolve(environment: environment, timeout: .seconds(50))
    let child = try #require(Int32(String(contentsOfFile: pidFile, encoding: .utf8).trimmed))
    #expect(secret == "s3cret")
    #expect(ContinuousClock.now - began < .seconds(30))
    #expect(Self.runs(child))
    kill(child, SIGKILL)
  }

  /// A process that was killed, but not yet reaped, does not run any more.
  private static func runs(_ process: Int32) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
    return status.split(separator: " ")[2] != "Z"
  }

  @Test func tellsWhatIsWrongBeforehand() throws {
    let workspace = try Workspace()
    let open = try workspace.file("open", "s3cret", mode: 0o644)
    let closed = try workspace.file("closed", "s3cret")
    #expect(SecretReference.environment("TOKEN").problem(environment: environment) == nil)
    #expect(
      SecretReference.environment("NOPE").problem(environment: environment) == "environment variable NOPE is not set")
    #expect(SecretReference.file(closed).problem(environment: environment) == nil)
    let warning = SecretReference.file("~/open").problem(environment: ["HOME": workspace.path])
    #expect(warning == "file ~/open can be read by others; run: chmod 600 ~/open")
    #expect(SecretReference.file(open).problem(environment: environment) != nil)
    let missing = SecretReference.file("\(workspace.path)/none").problem(environment: environment)
    #expect(missing?.hasSuffix("does not exist") == true)
    let settings = try parse(
      #"{"notifiers":{"m":{"type":"email","host":"h","from":"a@b","to":"c@d","username":"u","password":{"env":"NOPE"}}}}"#
    )
    #expect(
      settings.secretProblems(environment: environment).map(\.description) == [
        "notifiers.m.password: environment variable NOPE is not set"
      ])
  }
}
