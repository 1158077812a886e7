package import ArgumentParser
internal import JobModel
internal import JobStore
internal import ProviderKit
internal import ResultSync

package struct StatusCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show one job, and what its provider says now",
    discussion: """
      Examples:
        cloudjobs status a1b2
        cloudjobs status a1b2 --detailed
        cloudjobs status a1b2 --offline --json
      """)

  @OptionGroup package var global: GlobalOptions
  @OptionGroup package var output: OutputOptions
  @OptionGroup package var argument: JobArgument

  @Flag(name: .shortAndLong, help: "Show also its history and where its files are.")
  var detailed = false

  @Flag(help: "Ask no provider; show what the database knows.")
  var offline = false

  package init() {}

  package func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let store = try await context.openForReading()
    let job = try await context.resolve(argument.job, in: store)
    let report = try await StatusReport.make(job, store, context, offline: offline, detailed: detailed)
    await store.close()
    switch context.format {
    case .json: context.console.out(JSONText.pretty(report.document))
    case .text: context.console.out(report.text(context.console).joined(separator: "\n"))
    }
    if let evidence = report.results?.evidence, report.results?.state == .damaged, let manifest = evidence.manifest,
      let verdict = evidence.verdict
    {
      try await ResultsDamage.tell(job, manifest, verdict, context)
    }
  }
}
