package import ArgumentParser
internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore
internal import Transport

package struct DoctorCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check this machine, the configuration and the database",
    discussion: """
      AWS is looked at when it is used: when config.json names a bucket, instance types or a key pair of it, or when the
      database has jobs there. Nothing is launched; in the bucket an object is written and removed.

      Examples:
        cloudjobs doctor
        cloudjobs doctor --provider aws
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Option(help: "Look at this provider whether or not it is used: local or aws.", completion: .list(["local", "aws"]))
  var provider: String?

  package init() {}

  package func validate() throws {
    guard let provider, !["local", "aws"].contains(provider.lowercased()) else { return }
    throw ValidationError("--provider takes local or aws, not '\(printable(provider))'")
  }

  package func run() async throws {
    let findings = try await Doctor.examine(global, provider: provider.map { ProviderName(matching: $0) })
    let console = Console.standard(environment: ProcessInfo.processInfo.environment)
    switch output.format {
    case .json:
      console.out(
        JSONText.pretty(
          .array(
            findings.map {
              .object([
                "check": .string($0.check), "result": .string($0.result.rawValue), "message": .string($0.message),
                "remedy": .optional($0.remedy),
              ])
            })))
    case .text:
      for finding in findings {
        let mark =
          switch finding.result {
          case .good: console.colored("✓", .green)
          case .warning: console.colored("!", .yellow)
          case .bad: console.colored("✗", .red)
          }
        console.out("\(mark) \(finding.check): \(printable(finding.message))")
        if let remedy = finding.remedy { console.out("    \(printable(remedy))") }
      }
    }
    if findings.contains(where: { $0.result == .bad }) {
      throw CommandError(.configuration, "something is missing; see the lines marked ✗")
    }
  }
}

/// One thing that was looked at, and what to do if it is not right.
struct Finding: Sendable, Equatable {
  enum Result: String, Sendable {
    case good = "ok"
    case warning
    case bad = "error"
  }

  var check: String
  var result: Result
  var message: String
  var remedy: String?
}

enum Doctor {
  /// - Parameter provider: is looked at even if nothing uses it.
  static func examine(_ options: GlobalOptions, provider: ProviderName? = nil) async throws -> [Finding] {
    var findings = [programs(environment: ProcessInfo.processInfo.environment)].flatMap(\.self)
    let context: CommandContext
    do {
      context = try CommandContext.make(options)
      findings.append(
        Finding(check: "configuration", result: .good, message: context.settings.file ?? "defaults (no config.json)"))
    } catch {
      let failure = CommandError(error)
      findings.append(
        Finding(
          check: "configuration", result: .bad, message: failure.message,
          remedy: "Correct it and run: cloudjobs config check"))
      return findings
    }
    for problem in context.settings.secretProblems(environment: context.environment) {
      findings.append(
        Finding(
          check: "secret", result: .warning, message: "\(problem)",
          remedy: "Alerts through this channel wait until it is there"))
    }
    if context.settings.notifiers.isEmpty {
      findings.append(
        Finding(
          check: "alerts", result: .warning, message: "no notifiers are configured, so nobody is told when a job fails",
          remedy: "Add one to config.json (docs/configuration.md), then run: cloudjobs notify test"))
    } else {
      findings.append(
        Finding(
          check: "alerts", result: .good,
          message: context.settings.notifiers.map { "\($0.name) (\($0.type))" }.joined(separator: ", ")))
    }
    findings.append(library(isNeeded: !context.settings.notifiers.isEmpty))
    findings.append(instances(in: context.localDirectory))
    findings += try await Doctor.results(context)
    findings += await Doctor.ssh(context)
    findings += await database(context)
    findings += await Doctor.aws(context, isAskedFor: provider == .aws)
    return findings
  }

  /// libcurl carries the alerts. It is loaded at the first one, which is late to learn that it is missing.
  private static func library(isNeeded: Bool) -> Finding {
    do {
      return Finding(check: "libcurl", result: .good, message: try Curl.examine())
    } catch {
      return Finding(
        check: "libcurl", result: isNeeded ? .bad : .warning, message: error.message, remedy: error.remedy)
    }
  }

  /// Whether instances can be made: in their folder, or in the one in which that will be made.
  static func instances(in folder: String) -> Finding {
    var place = folder
    while access(place, F_OK) != 0, place != "/" { place = LexicalPath.folder(of: place) }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder), isFolder.boolValue,
      access(place, W_OK | X_OK) == 0
    else {
      return Finding(
        check: "instances", result: .bad,
        message: isFolder.boolValue ? "\(place) can't be written" : "\(place) is not a folder",
        remedy: "Instances are made in \(folder): put that right, or name another folder as local.directory")
    }
    return Finding(
      check: "instances", result: .good,
      message: place == folder ? folder : "\(folder) will be made by the first job")
  }

  private static func database(_ context: CommandContext) async -> [Finding] {
    do {
      let store = try await context.openForLook()
      let watcher = try await context.liveWatcher(store)
      let open = try await store.jobs(JobQuery(openOnly: true))
      await store.close()
      var findings = [
        Finding(check: "database", result: .good, message: "\(context.databasePath), \(open.count) open jobs")
      ]
      if let watcher {
        findings.append(
          Finding(check: "watcher", result: .good, message: "process \(watcher.pid) on \(watcher.host)"))
      } else {
        findings.append(
          Finding(
            check: "watcher", result: open.isEmpty ? .good : .warning, message: "none is running",
            remedy: open.isEmpty ? nil : "Start it: cloudjobs watch"))
      }
      return findings
    } catch {
      return [refused(error, context)]
    }
  }

  /// What it means that the database could not be opened for a look.
  private static func refused(_ error: any Error, _ context: CommandContext) -> Finding {
    let refusal = error as? StoreError
    switch refusal?.code {
    case .notFound:
      return Finding(
        check: "database", result: .good, message: "\(context.databasePath) will be made by the first job")
    case .needsMigration:
      return Finding(
        check: "database", result: .warning, message: refusal?.message ?? "", remedy: refusal?.remedy)
    default:
      return Finding(
        check: "database", result: .bad, message: CommandError(error).message, remedy: "Run: cloudjobs check")
    }
  }

  /// Programs that the bootstrap script needs on this machine.
  private static func programs(environment: [String: String]) -> [Finding] {
    let needed: [(name: String, why: String, remedy: String, result: Finding.Result)] = [
      ("sh", "runs the calculations", "Install a POSIX shell: apt install dash", .bad),
      ("awk", "finds the processes of an instance", "apt install mawk", .bad),
      ("grep", "finds the processes of an instance", "apt install grep", .bad),
      ("find", "finds the results", "apt install findutils", .bad),
      ("flock", "lets only one copy of results run", "apt install util-linux", .bad),
      ("setsid", "starts copies of results apart", "apt install util-linux", .bad),
      ("tar", "packs small results", "apt install tar", .warning),
      ("curl", "fetches inputs from the web", "apt install curl", .warning),
    ]
    var findings = needed.map { program in
      let found = find(program.name, environment)
      return Finding(
        check: program.name, result: found == nil ? program.result : .good,
        message: found ?? "not found; it \(program.why)", remedy: found == nil ? program.remedy : nil)
    }
    let missing = coreutils.filter { find($0, environment) == nil }
    findings.append(
      Finding(
        check: "coreutils", result: missing.isEmpty ? .good : .bad,
        message: missing.isEmpty
          ? coreutils.joined(separator: ", ")
          : "not found: \(missing.joined(separator: ", ")); the calculations are prepared and ended with them",
        remedy: missing.isEmpty ? nil : "apt install coreutils"))
    return findings
  }

  /// What bootstrap.sh and sync.sh call of them.
  private static let coreutils = [
    "chmod", "comm", "cp", "cut", "date", "env", "head", "ln", "ls", "mkdir", "mv", "rm", "sleep", "sort", "stat",
    "tail",
    "timeout", "touch", "tr",
  ]

  static func find(_ name: String, _ environment: [String: String]) -> String? {
    let paths = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
    return paths.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
