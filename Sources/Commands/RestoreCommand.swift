package import ArgumentParser
internal import Foundation
internal import JobStore

package struct RestoreCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Put a copy in the place of the database",
    discussion: """
      The copy is checked first, and the replaced database is kept beside it.

      Example:
        cloudjobs restore cloud_jobs_backup_20261123.db
      """)

  @OptionGroup package var global: GlobalOptions

  @Argument(help: "The copy.", completion: .file())
  var source: String

  @Flag(name: .shortAndLong, help: "Restore even though a watcher is entered.")
  var force = false

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global)
    let source = context.absolute(source)
    guard FileManager.default.fileExists(atPath: source) else {
      throw CommandError(
        .noInput, "there is no backup at \(printable(source)). Name a file that `cloudjobs backup` has written")
    }
    let report = try await Restore.run(from: source, to: context.storeOptions(readOnly: false), force: force)
    context.console.out("\(report.counts["jobs"] ?? 0) jobs restored to \(context.databasePath)")
    if let kept = report.replaced { context.console.note("The replaced database is kept as \(kept)") }
  }
}
