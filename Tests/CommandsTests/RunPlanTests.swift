import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@testable import Commands

@Suite("What run is about to do")
final class RunPlanTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "cloudjobs-plan-\(UUID().uuidString)/calc"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: (folder as NSString).deletingLastPathComponent) }

  private func wishes(_ change: (inout RunPlan.Wishes) -> Void = { _ in }) -> RunPlan.Wishes {
    var wishes = RunPlan.Wishes(directory: folder, command: "true")
    change(&wishes)
    return wishes
  }

  private func refusal(_ wishes: RunPlan.Wishes, directory: String? = nil) -> CommandError? {
    do {
      _ = try RunPlan.spec(wishes, directory: directory ?? folder)
      _ = try RunPlan.budget(wishes, percents: Budget.defaultPercents)
      return nil
    } catch {
      return error as? CommandError
    }
  }

  private func write(_ name: String) throws {
    try Data("exit 0\n".utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
  }

  // MARK: Folders

  @Test("a folder that is missing, or a file, is named")
  func folders() throws {
    let missing = refusal(wishes(), directory: folder + "/miss\u{1B}ing")
    #expect(missing?.code == .noInput)
    #expect(missing?.message == "\(folder)/miss\u{FFFD}ing does not exist; give the folder with the inputs")
    try write("file")
    let file = refusal(wishes(), directory: folder + "/file")
    #expect(file?.code == .noInput)
    #expect(file?.message == "\(folder)/file is a file; give the folder with the inputs")
  }

  @Test("the job is called as its folder, or as the user says")
  func names() throws {
    #expect(try RunPlan.spec(wishes(), directory: folder).name == "calc")
    #expect(try RunPlan.spec(wishes { $0.name = "Wasser 水" }, directory: folder).name == "Wasser 水")
    for name in ["", "a\nb", "\u{1B}[2J", "nul\u{0}", String(repeating: "x", count: 201)] {
      #expect(refusal(wishes { $0.name = name })?.code == .usage, "\(name.debugDescription)")
    }
  }

  // MARK: Commands

  @Test("nothing to run is refused with every remedy")
  func nothing() {
    let error = refusal(wishes { $0.command = nil })
    #expect(error?.code == .usage)
    for remedy in ["--command", "--executable", "run.sh"] { #expect(error?.message.contains(remedy) == true) }
  }

  @Test("run.sh is what runs when nothing else is said")
  func script() throws {
    try write("run.sh")
    #expect(try RunPlan.spec(wishes { $0.command = nil }, directory: folder).command == "sh ./run.sh")
    #expect(
      try RunPlan.spec(
        wishes {
          $0.command = nil
          $0.executable = "shci"
        }, directory: folder
      ).command == "sh ./run.sh")
    #expect(try RunPlan.spec(wishes { $0.command = "make" }, directory: folder).command == "make")
  }

  @Test("an empty command is refused", arguments: ["", " ", "\t\n", "echo \u{0}"])
  func emptyCommand(_ command: String) {
    #expect(refusal(wishes { $0.command = command })?.code == .usage)
  }

  @Test("an empty executable is refused")
  func emptyExecutable() {
    #expect(
      refusal(
        wishes {
          $0.command = nil
          $0.executable = ""
        })?.code == .usage)
  }

  @Test(
    "a program of the folder runs under its own name, and nothing else does",
    arguments: [
      "solve", "a b", "it's", "''", "\"", "$(touch pwned)", "`touch pwned`", "; touch pwned", "&& touch pwned", "| cat",
      "-n", "--help", "*", "?", "~", "#x", "a\nb", "\\", "\\'", "$HOME", "!!", "größer 水 🧪", "a=b", ">out", "{a,b}",
    ])
  func executables(_ name: String) throws {
    // A program that says where it runs.
    try FileManager.default.createSymbolicLink(atPath: folder + "/" + name, withDestinationPath: "/bin/pwd")
    let spec = try RunPlan.spec(
      wishes {
        $0.command = nil
        $0.executable = name
      }, directory: folder)
    #expect(try shell(spec.command).hasSuffix("/calc\n"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
  }

  @Test("a program that is not in the folder is looked for in PATH, under its own name only")
  func programs() throws {
    #expect(
      try RunPlan.spec(
        wishes {
          $0.command = nil
          $0.executable = "/usr/bin/env"
        }, directory: folder
      ).command == "'/usr/bin/env'")
    let spec = try RunPlan.spec(
      wishes {
        $0.command = nil
        $0.executable = "no such; touch pwned"
      }, directory: folder)
    #expect(try shell(spec.command) == "")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
  }

  /// What `sh -c command` writes in the folder.
  private func shell(_ command: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.allPieces()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  // MARK: Environment and tags

  @Test("variables are taken with whatever stands behind the first equals sign")
  func environment() throws {
    let spec = try RunPlan.spec(
      wishes {
        $0.environment = ["A=1", "_B2=x=y", "C=", "D=a b\nc", "A=2"]
        $0.tags = ["team=qc", "größe=1"]
      }, directory: folder)
    #expect(spec.environment == ["A": "2", "_B2": "x=y", "C": "", "D": "a b\nc"])
    #expect(spec.tags == ["team": "qc", "größe": "1"])
  }

  @Test("a bad variable is refused and named", arguments: ["A", "=x", "1A=x", "A B=x", "A-B=x", "Ä=x", "A=\u{0}", ""])
  func badEnvironment(_ text: String) {
    let error = refusal(wishes { $0.environment = ["GOOD=1", text] })
    #expect(error?.code == .usage)
    #expect(error?.message.contains("--env") == true)
    #expect(error?.message.isHarmless == true)
  }

  @Test("a bad variable's value is not repeated, since it may be a secret")
  func secretValue() {
    let error = refusal(wishes { $0.environment = ["1TOKEN=hunter2"] })
    #expect(error?.code == .usage)
    #expect(error?.message.contains("hunter2") == false)
  }

  @Test("a name alone takes the value that the variable has here, so that a secret need not be written")
  func inherited() throws {
    let spec = try RunPlan.spec(
      wishes {
        $0.environment = ["TOKEN", "EMPTY", "A=1"]
        $0.inherited = ["TOKEN": "hunter2=\u{301}", "EMPTY": "", "OTHER": "x"]
      }, directory: folder)
    #expect(spec.environment == ["TOKEN": "hunter2=\u{301}", "EMPTY": "", "A": "1"])
    let error = refusal(
      wishes {
        $0.environment = ["TOKEN"]
        $0.inherited = ["OTHER": "hunter2"]
      })
    #expect(error?.code == .usage)
    #expect(error?.message == "--env TOKEN: the variable is not set here; set it, or write TOKEN=VALUE")
  }

  @Test("a bad tag is refused", arguments: ["team", "=x"])
  func badTag(_ text: String) {
    #expect(refusal(wishes { $0.tags = [text] })?.code == .usage)
  }

  // MARK: Durations and money

  @Test(
    "durations are read",
    arguments: [("90s", 90), ("45m", 2700), ("2h30m", 9000), ("1d", 86_400), ("120", 120), ("1.5h", 5400)])
  func durations(_ text: String, _ seconds: Int64) throws {
    let spec = try RunPlan.spec(
      wishes {
        $0.estimatedRuntime = text
        $0.maxDuration = text
        $0.idleFor = text
        $0.idleCPU = 7
      }, directory: folder)
    #expect(spec.estimatedRuntimeSeconds == seconds)
    #expect(spec.maxDurationSeconds == seconds)
    #expect(spec.idle == IdleRule(cpuPercent: 7, seconds: seconds))
  }

  @Test(
    "a bad duration is refused, and the option is named",
    arguments: ["", "0", "0.5s", "-5m", "soon", "1h30", "5 parsecs", "1e9d", "nan", "inf", "５m", "1.2.3s"])
  func badDurations(_ text: String) {
    for (option, change) in [
      ("--estimated-runtime", { $0.estimatedRuntime = text }), ("--max-duration", { $0.maxDuration = text }),
      ("--idle-for", { $0.idleFor = text }),
    ] as [(String, (inout RunPlan.Wishes) -> Void)] {
      let error = refusal(wishes(change))
      #expect(error?.code == .usage, "\(option) \(text)")
      #expect(error?.message.contains(option) == true)
    }
  }

  @Test(
    "a budget is dollars above zero",
    arguments: [("5", 5_000_000), ("2.50", 2_500_000), ("$1", 1_000_000), ("0.000001", 1)])
  func budgets(_ text: String, _ microdollars: Int64) throws {
    let budget = try RunPlan.budget(
      wishes {
        $0.budget = text
        $0.budgetAction = .terminate
      }, percents: [90])
    #expect(budget == Budget(limit: Money(microdollars: microdollars), action: .terminate, percents: [90, 100]))
  }

  @Test(
    "a bad budget is refused",
    arguments: ["", "0", "0.00", "-1", "five", "1e3", "1,50", "0.0000001", "99999999999999999999", "5 €", "nan"])
  func badBudgets(_ text: String) {
    let error = refusal(wishes { $0.budget = text })
    #expect(error?.code == .usage)
    #expect(error?.message.contains("--budget") == true)
  }

  @Test("no budget is no budget")
  func noBudget() throws {
    #expect(try RunPlan.budget(wishes(), percents: [50]) == nil)
  }

  // MARK: Showing

  @Test("is shown without the values of variables")
  func shown() throws {
    let wishes = wishes {
      $0.environment = ["TOKEN=hunter2", "A=1"]
      $0.basisSet = "cc-pVDZ\u{1B}[2J"
      $0.budget = "5"
      $0.estimatedRuntime = "2h"
      $0.maxDuration = "3h"
      $0.idleFor = "10m"
      $0.gdrivePath = "gdrive:out"
      $0.tags = ["team=qc", "b=\u{1B}"]
    }
    let plan = RunPlan(
      spec: try RunPlan.spec(wishes, directory: folder),
      budget: try RunPlan.budget(wishes, percents: Budget.defaultPercents),
      provider: .local, quote: Quote(instanceType: "local", region: "localhost", price: HourlyPrice("0.36")!))
    #expect(
      plan.text == [
        "Name: calc", "Inputs: \(folder)", "Command: true", "Provider: local",
        "Instance: local in localhost at $0.3600/h", "Environment: A, TOKEN", "Basis set: cc-pVDZ\u{FFFD}[2J",
        "Google Drive: gdrive:out", "Tags: b=\u{FFFD}, team=qc", "Estimated runtime: 2h, about $0.7200",
        "Ends itself after: 3h",
        "Ends itself when idle: under 5 % CPU for 10m",
        "Budget: $5.00, alerts at 50 %, 80 %, 100 %, then alert",
      ])
    let json = JSONText.line(plan.document)
    #expect(!json.contains("hunter2"))
    #expect(plan.document["estimated_cost"]?.double == 0.72)
    #expect(plan.document["environment"]?.array == [.string("A"), .string("TOKEN")])
    #expect(plan.document["tags"]?["team"]?.string == "qc")
    #expect(plan.document["idle_for_seconds"] == .integer(600))
    #expect(plan.document["idle_cpu_percent"] == .integer(5))
    #expect(plan.document["budget_percents"]?.array == [.integer(50), .integer(80), .integer(100)])
  }

  private func plan(alternatives count: Int) throws -> RunPlan {
    let others = (0..<count).map { index in
      Quote(
        instanceType: index == 0 ? "c5\u{1B}" : "c5.large", region: "us-east-1", zone: index == 1 ? nil : "us-east-1f",
        price: HourlyPrice(microdollars: 40_000 - Int64(index) * 1000))
    }
    return RunPlan(
      spec: try RunPlan.spec(wishes(), directory: folder), provider: .aws,
      quote: Quote(
        instanceType: "c5.large", region: "us-east-1", zone: "us-east-1a", price: HourlyPrice("0.03")!,
        alternatives: others))
  }

  @Test(
    "the offers that come next are listed in their order, at most five of them",
    arguments: [
      (0, []), (1, [0]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 3, 4]), (11, [0, 1, 2, 3, 4]),
    ] as [(Int, [Int])])
  func alternatives(_ count: Int, _ shown: [Int]) throws {
    let plan = try plan(alternatives: count)
    let lines = [
      "  c5\u{FFFD} in us-east-1f at $0.0400/h", "  c5.large in us-east-1 at $0.0390/h",
      "  c5.large in us-east-1f at $0.0380/h", "  c5.large in us-east-1f at $0.0370/h",
      "  c5.large in us-east-1f at $0.0360/h",
    ]
    var expected = ["Instance: c5.large in us-east-1a at $0.0300/h"]
    if count > 0 { expected.append("If that can't be had, in this order:") }
    expected += shown.map { lines[$0] }
    if count == 6 { expected.append("  and 1 more, at most $0.0350/h") }
    if count == 11 { expected.append("  and 6 more, at most $0.0350/h") }
    let text = plan.text
    let first = try #require(text.firstIndex { $0.hasPrefix("Instance:") })
    #expect(Array(text[first...]) == expected)
    // Programs get all of them.
    #expect(plan.document["zone"]?.string == "us-east-1a")
    let others = try #require(plan.document["alternatives"]?.array)
    #expect(others.count == count)
    #expect(others.map { $0["price_per_hour"]?.double } == (0..<count).map { Double(40 - $0) / 1000 })
    if count > 1 { #expect(others[1]["zone"] == .null && others[1]["region"]?.string == "us-east-1") }
  }

  @Test("the estimate is billed as the provider bills")
  func estimate() throws {
    let wishes = wishes { $0.estimatedRuntime = "90s" }
    let plan = RunPlan(
      spec: try RunPlan.spec(wishes, directory: folder), provider: .local,
      quote: Quote(instanceType: "local", region: "localhost", price: HourlyPrice("36")!),
      billing: BillingRule(increment: 3600, minimum: 0))
    #expect(plan.document["estimated_cost"]?.double == 36)
    #expect(plan.text.contains("Estimated runtime: 1m 30s, about $36.0000"))
    #expect(plan.document["tags"] == .object([:]))
    #expect(plan.document["idle_for_seconds"] == .null)
    #expect(plan.document["budget_percents"]?.array?.isEmpty == true)
  }
}
