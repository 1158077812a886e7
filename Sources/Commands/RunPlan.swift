internal import Configuration
internal import Foundation
internal import JobModel
internal import ProviderKit

/// What `run` is about to do: the job's spec and its budget, with everything checked that can be checked before.
struct RunPlan {
  var spec: JobSpec
  var budget: Budget?
  var provider: ProviderName
  var quote: Quote
  var billing: BillingRule = .perSecond

  /// The command line's wishes, as they were written.
  struct Wishes {
    var directory: String
    var name: String?
    var command: String?
    var environment: [String] = []
    /// The variables of the caller, from which `--env NAME` takes its value.
    var inherited: [String: String] = [:]
    var basisSet: String?
    var executable: String?
    var budget: String?
    var budgetAction: Budget.Action = .alert
    var estimatedRuntime: String?
    var maxDuration: String?
    var idleFor: String?
    var idleCPU = 5
    var gdrivePath: String?
    var tags: [String] = []
  }

  /// Checks the wishes and makes the spec.
  static func spec(_ wishes: Wishes, directory: String, files: FileManager = .default) throws -> JobSpec {
    var isDirectory: ObjCBool = false
    guard files.fileExists(atPath: directory, isDirectory: &isDirectory) else {
      throw CommandError(.noInput, "\(printable(directory)) does not exist; give the folder with the inputs")
    }
    guard isDirectory.boolValue else {
      throw CommandError(.noInput, "\(printable(directory)) is a file; give the folder with the inputs")
    }
    guard files.isReadableFile(atPath: directory) else {
      throw CommandError(.notPermitted, "\(printable(directory)) can't be read; check its permissions")
    }
    let name = wishes.name ?? (directory as NSString).lastPathComponent
    guard !name.isEmpty, name.count <= 200, printable(name) == name else {
      throw CommandError(
        .usage, "'\(printable(name))' can't be a job's name: use 1 to 200 printable characters (--name)")
    }
    if let executable = wishes.executable, executable.allSatisfy(\.isWhitespace) || executable.utf8.contains(0) {
      throw CommandError(.usage, "--executable is empty; name the program, or leave it out")
    }
    return JobSpec(
      name: name, directory: directory, command: try command(wishes, directory, files),
      environment: try environment(wishes),
      basisSet: wishes.basisSet, executable: wishes.executable,
      estimatedRuntimeSeconds: try seconds(wishes.estimatedRuntime, "--estimated-runtime"),
      maxDurationSeconds: try seconds(wishes.maxDuration, "--max-duration"),
      idle: try seconds(wishes.idleFor, "--idle-for").map { IdleRule(cpuPercent: wishes.idleCPU, seconds: $0) },
      gdrivePath: wishes.gdrivePath, tags: try pairs(wishes.tags, option: "--tag") { !$0.isEmpty })
  }

  static func budget(_ wishes: Wishes, percents: [Int]) throws -> Budget? {
    guard let text = wishes.budget else { return nil }
    guard let limit = Money(text), limit > .zero else {
      throw CommandError(.usage, "--budget takes dollars above zero, such as 5 or 2.50, not '\(printable(text))'")
    }
    return Budget(limit: limit, action: wishes.budgetAction, percents: percents)
  }

  /// The command that was given, or what the folder offers.
  private static func command(_ wishes: Wishes, _ directory: String, _ files: FileManager) throws -> String {
    if let command = wishes.command {
      guard !command.allSatisfy(\.isWhitespace), !command.utf8.contains(0) else {
        throw CommandError(.usage, "--command is empty; give the shell command that runs the calculation")
      }
      return command
    }
    if files.fileExists(atPath: directory + "/run.sh") { return "sh ./run.sh" }
    if let executable = wishes.executable {
      let inFolder = files.fileExists(atPath: directory + "/" + executable)
      return inFolder ? "./" + quoted(executable) : quoted(executable)
    }
    throw CommandError(
      .usage,
      "nothing to run in \(printable(directory)): give --command 'COMMAND', --executable PROGRAM, or put a run.sh in the folder"
    )
  }

  private static func seconds(_ text: String?, _ option: String) throws -> Int64? {
    guard let text else { return nil }
    guard let duration = DurationText.parse(text), duration >= .seconds(1) else {
      throw CommandError(.usage, "\(option) takes a duration such as 90s, 45m or 2h30m, not '\(printable(text))'")
    }
    return duration.components.seconds
  }

  /// The variables of `--env`. A name alone takes the value that it has here, so that a secret need not stand among the
  /// arguments, which every process of the machine can read.
  private static func environment(_ wishes: Wishes) throws -> [String: String] {
    let texts = try wishes.environment.map { text in
      guard !text.utf8.contains(UInt8(ascii: "=")), BootstrapJob.isVariableName(text) else { return text }
      guard let value = wishes.inherited[text] else {
        throw CommandError(.usage, "--env \(text): the variable is not set here; set it, or write \(text)=VALUE")
      }
      return text + "=" + value
    }
    return try pairs(texts, option: "--env", keys: BootstrapJob.isVariableName)
  }

  private static func pairs(
    _ texts: [String], option: String, keys isGood: (String) -> Bool
  ) throws -> [String: String] {
    var result: [String: String] = [:]
    for text in texts {
      // By bytes: a value may begin with a mark that would belong to the sign as a character.
      guard let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) else {
        throw CommandError(.usage, "\(option) takes NAME=VALUE, not '\(printable(text))'")
      }
      let key = String(text[..<equals])
      guard isGood(key) else { throw CommandError(.usage, "\(option): '\(printable(key))' is not a name") }
      let value = String(text[text.utf8.index(after: equals)...])
      guard !value.utf8.contains(0) else {
        throw CommandError(.usage, "\(option) \(key): the value has a NUL character")
      }
      result[key] = value
    }
    return result
  }

  // MARK: Showing

  /// The plan as lines for people.
  var text: [String] {
    var lines = [
      "Name: \(printable(spec.name))", "Inputs: \(printable(spec.directory))", "Command: \(printable(spec.command))",
      "Provider: \(provider)", "Instance: \(printable(quote.text))",
    ]
    lines += alternatives
    if let bucket = spec.s3Bucket { lines.append("Inputs go through: s3://\(printable(bucket))") }
    if let recovery = spec.recovery {
      lines.append("Instances, if they are taken back: \(recovery.maxAttempts), in \(recovery.zones.rawValue) zones")
    }
    // Values may be secrets; their names are enough to see that they are there.
    if !spec.environment.isEmpty {
      lines.append("Environment: \(spec.environment.keys.sorted().joined(separator: ", "))")
    }
    if let basis = spec.basisSet { lines.append("Basis set: \(printable(basis))") }
    if let executable = spec.executable { lines.append("Executable: \(printable(executable))") }
    if let path = spec.gdrivePath { lines.append("Google Drive: \(printable(path))") }
    if !spec.tags.isEmpty {
      let tags = spec.tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
      lines.append("Tags: \(printable(tags))")
    }
    if let seconds = spec.estimatedRuntimeSeconds, let cost = estimatedCost {
      lines.append("Estimated runtime: \(DurationText.short(.seconds(seconds))), about \(cost.formatted(decimals: 4))")
    }
    if let seconds = spec.maxDurationSeconds {
      lines.append("Ends itself after: \(DurationText.short(.seconds(seconds)))")
    }
    if let idle = spec.idle {
      lines.append(
        "Ends itself when idle: under \(idle.cpuPercent) % CPU for \(DurationText.short(.seconds(idle.seconds)))")
    }
    if let budget {
      let alerts = budget.percents.map { "\($0) %" }.joined(separator: ", ")
      lines.append("Budget: \(budget.limit.formatted()), alerts at \(alerts), then \(budget.action.rawValue)")
    }
    return lines
  }

  /// More offers than this are counted, not listed.
  private static let shownAlternatives = 5

  /// The next few offers, and how many there are beside.
  private var alternatives: [String] {
    guard !quote.alternatives.isEmpty else { return [] }
    var lines = ["If that can't be had, in this order:"]
    lines += quote.alternatives.prefix(Self.shownAlternatives).map { "  " + printable($0.text) }
    let left = quote.alternatives.dropFirst(Self.shownAlternatives)
    if let dearest = left.map(\.price).max() { lines.append("  and \(left.count) more, at most \(dearest.formatted)") }
    return lines
  }

  /// What the estimated runtime is billed with: the arithmetic by which a launch over the budget is refused.
  private var estimatedCost: Money? {
    spec.estimatedRuntimeSeconds.map { seconds in
      quote.price.cost(seconds: billing.billedSeconds(elapsed: .seconds(seconds)))
    }
  }

  var document: JSONValue {
    var document: [String: JSONValue] = [
      "name": .string(spec.name), "directory": .string(spec.directory), "command": .string(spec.command),
      "provider": .string(provider.rawValue), "instance_type": .string(quote.instanceType),
      "region": .string(quote.region), "price_per_hour": .number(quote.price.dollars),
      "environment": .array(spec.environment.keys.sorted().map(JSONValue.string)),
      "basis_set": .optional(spec.basisSet), "executable": .optional(spec.executable),
      "gdrive_path": .optional(spec.gdrivePath), "tags": .object(spec.tags.mapValues(JSONValue.string)),
      "dry_run": .bool(true),
    ]
    document["zone"] = .optional(quote.zone)
    document["alternatives"] = .array(
      quote.alternatives.map { offer in
        .object([
          "instance_type": .string(offer.instanceType), "region": .string(offer.region),
          "zone": .optional(offer.zone), "price_per_hour": .number(offer.price.dollars),
        ])
      })
    document["s3_bucket"] = .optional(spec.s3Bucket)
    document["max_attempts"] = .integer(Int64(spec.recovery?.maxAttempts ?? 1))
    document["estimated_runtime_seconds"] = spec.estimatedRuntimeSeconds.map(JSONValue.integer) ?? .null
    document["estimated_cost"] = estimatedCost.map(JSONValue.money) ?? .null
    document["max_duration_seconds"] = spec.maxDurationSeconds.map(JSONValue.integer) ?? .null
    document["idle_for_seconds"] = spec.idle.map { .integer($0.seconds) } ?? .null
    document["idle_cpu_percent"] = spec.idle.map { .integer(Int64($0.cpuPercent)) } ?? .null
    document["budget_limit"] = budget.map { .money($0.limit) } ?? .null
    document["budget_action"] = .optional(budget?.action.rawValue)
    document["budget_percents"] = .array((budget?.percents ?? []).map { .integer(Int64($0)) })
    return .object(document)
  }
}
