import ArgumentParser
import Testing

@testable import Commands

/// Every command that can be called, with the words that call it.
struct Leaf: Sendable, CustomTestStringConvertible {
  var words: [String]
  var type: any ParsableCommand.Type

  var testDescription: String { words.joined(separator: " ") }
  var configuration: CommandConfiguration { type.configuration }
  var help: String { CloudJobs.helpMessage(for: type, columns: 120) }

  static let all: [Leaf] = below(CloudJobs.self, [])

  private static func below(_ type: any ParsableCommand.Type, _ words: [String]) -> [Leaf] {
    let configuration = type.configuration
    let children = configuration.subcommands + configuration.groupedSubcommands.flatMap(\.subcommands)
    guard !children.isEmpty else { return [Leaf(words: words, type: type)] }
    var seen: Set<String> = []
    return children.filter { seen.insert($0._commandName).inserted }.flatMap { below($0, words + [$0._commandName]) }
  }
}

@Suite("The tree of commands")
struct CommandTreeTests {
  @Test("has every command")
  func complete() {
    #expect(
      Leaf.all.map(\.testDescription).sorted() == [
        "backup", "check", "cleanup", "config check", "config schema", "doctor", "history", "import", "list", "logs",
        "notify ack", "notify explain", "notify firing", "notify list", "notify log", "notify queue", "notify resend",
        "notify silence",
        "notify silences",
        "notify test", "notify unsilence", "prices", "reconcile", "restore", "resync", "run", "status", "terminate",
        "verify",
        "watch",
      ])
  }

  @Test("each has a line that says what it does, and an example", arguments: Leaf.all)
  func described(_ leaf: Leaf) throws {
    let abstract = leaf.configuration.abstract
    #expect(!abstract.isEmpty && !abstract.hasSuffix("."))
    #expect(abstract.count <= 80 && !abstract.contains("\n"))
    #expect(abstract.first?.isUppercase == true)
    #expect(leaf.configuration.discussion.contains("Example"))
    #expect(leaf.configuration.discussion.contains("cloudjobs " + leaf.words.joined(separator: " ")))
  }

  @Test("each shows its help", arguments: Leaf.all)
  func help(_ leaf: Leaf) throws {
    do {
      var command = try CloudJobs.parseAsRoot(leaf.words + ["--help"])
      try command.run()
      Issue.record("--help is not taken")
    } catch {
      #expect(CloudJobs.exitCode(for: error) == .success)
      #expect(CloudJobs.fullMessage(for: error).contains("USAGE: cloudjobs \(leaf.words.joined(separator: " "))"))
    }
  }

  @Test("each takes --db and --config", arguments: Leaf.all)
  func files(_ leaf: Leaf) {
    #expect(leaf.help.contains("--db <file>"))
    #expect(leaf.help.contains("--config <file>"))
  }

  @Test("each that prints data prints it as JSON", arguments: Leaf.all)
  func json(_ leaf: Leaf) {
    // These act and say so, copy a log, or print JSON anyway.
    let others: Set = [
      "config schema", "logs", "notify ack", "notify resend", "notify unsilence", "restore", "terminate", "watch",
    ]
    #expect(leaf.help.contains("--json") == !others.contains(leaf.testDescription))
  }

  @Test("every option and argument is explained", arguments: Leaf.all)
  func explained(_ leaf: Leaf) {
    for line in leaf.help.split(separator: "\n") where line.hasPrefix("  -") || line.hasPrefix("  <") {
      // The explanation stands in its column, or on the next line when the option is long.
      let words = line.split(separator: "  ", maxSplits: 1, omittingEmptySubsequences: true)
      #expect(words.count == 2 || line.count > 24, "\(line)")
    }
  }

  @Test(
    "what can't be meant is refused as wrong usage",
    arguments: [
      ["list", "--limit", "-1"], ["list", "--limit", "x"], ["list", "--status", "asleep"], ["list", "--dry-run"],
      ["list", "extra"], ["status"], ["history"], ["logs", "a", "--tail", "-1"], ["terminate"], ["run"],
      ["run", "d", "--idle-cpu", "0"], ["run", "d", "--budget-action", "explode"], ["watch", "--once", "--until-idle"],
      ["watch", "--log-format", "xml"], ["terminate", "a", "--timeout", "soon"], ["cleanup"], ["cleanup", "x"],
      ["restore"], ["import"], ["notify", "list", "--state", "lost"], ["nonsense"],
      ["notify", "list", "--limit", "-1"], ["run", "d", "--idle-cpu", "5"], ["run", "d", "--budget-action", "alert"],
      ["list", "--cleanup", "30", "--status", "failed"], ["list", "--cleanup", "30", "--provider", "AWS"],
      ["list", "--cleanup", "30", "--name", "x"], ["list", "--cleanup", "30", "--since", "7d"],
      ["list", "--cleanup", "30", "--limit", "5"], ["list", "--cleanup", "30", "--summary", "--dry-run"],
    ])
  func usage(_ words: [String]) {
    do {
      _ = try CloudJobs.parseAsRoot(words)
      Issue.record("\(words) is taken")
    } catch {
      #expect(CloudJobs.exitCode(for: error) == .validationFailure)
    }
  }

  @Test("exit codes are those of sysexits(3)")
  func codes() {
    #expect(
      CommandError.Code.allCases.map(\.rawValue) == [1, 64, 65, 66, 69, 70, 73, 74, 75, 77, 78])
    #expect(CommandError(CancellationError()).code == .tryAgain)
  }
}
