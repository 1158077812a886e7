package import ArgumentParser
internal import Foundation
internal import JobModel
internal import JobStore
internal import Monitor

package struct BackupCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the database while it is in use",
    discussion: """
      The copy is verified before it appears under its name.

      Examples:
        cloudjobs backup
        cloudjobs backup /safe/place/jobs.db --force
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions

  @Argument(help: "The copy. (default: cloud_jobs_backup_YYYYMMDD.db beside the database)", completion: .file())
  var target: String?

  @Flag(name: .shortAndLong, help: "Replace the copy if it exists.")
  var force = false

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let target = context.absolute(target ?? Self.standardName(context))
    let store = try await StoreActor.open(context.storeOptions(readOnly: true))
    let report: BackupReport
    do {
      report = try await store.backup(to: target, replacing: force)
    } catch {
      await store.close()
      // No --force helps against writing a database over itself.
      if error.code == .exists, !Self.isSameFile(target, context.databasePath) {
        throw CommandError(.cantCreate, "\(error.message). Name another file, or add --force to replace it")
      }
      throw error
    }
    await store.close()
    let jobs = report.counts["jobs"] ?? 0
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "path": .string(report.path), "jobs": .integer(Int64(jobs)), "bytes": .integer(report.bytes),
          ])))
    case .text:
      context.console.out(report.path)
      context.console.note("\(jobs) jobs, \(StatusReport.grouped(report.bytes)) bytes, verified.")
    }
  }

  private static func isSameFile(_ one: String, _ other: String) -> Bool {
    var first = stat()
    var second = stat()
    guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }

  private static func standardName(_ context: CommandContext) -> String {
    let now = context.clock.now()
    let date = now.iso8601(offset: LocalZone.offset(at: now)).prefix(10).filter { $0 != "-" }
    let path = context.databasePath as NSString
    return (path.deletingPathExtension) + "_backup_\(date).db"
  }
}
