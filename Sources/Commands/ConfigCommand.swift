package import ArgumentParser
internal import Configuration
internal import JobModel

package struct ConfigCommand: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Check config.json, or print its schema",
    discussion: """
      Examples:
        cloudjobs config check
        cloudjobs config schema > config.schema.json
      """, subcommands: [ConfigCheck.self, ConfigSchema.self])

  package init() {}
}

struct ConfigCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Name every mistake, and show what is in force and why",
    discussion: """
      Example:
        cloudjobs config check --config other.json
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let context = try CommandContext.make(global, format: output.format)
    let settings = context.settings
    let warnings =
      settings.warnings + settings.withoutEffect + settings.secretProblems(environment: context.environment)
    switch context.format {
    case .json:
      context.console.out(
        JSONText.pretty(
          .object([
            "file": .optional(settings.file),
            "warnings": .array(warnings.map { .string("\($0)") }),
            "values": .array(
              settings.values.map {
                .object(["path": .string($0.path), "value": .string($0.text), "source": .string("\($0.source)")])
              }),
          ])))
    case .text:
      for value in settings.values { context.console.out("\(value.path) = \(value.text)  (\(value.source))") }
      for warning in warnings { context.console.note("warning: \(warning)") }
      context.console.note("\(settings.file ?? "No config.json; the defaults hold"): no mistakes.")
    }
  }
}

struct ConfigSchema: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of config.json",
    discussion: """
      Example:
        cloudjobs config schema > config.schema.json
      """)

  @OptionGroup var global: GlobalOptions

  func run() async throws {
    Console.standard(environment: [:]).out(ConfigurationSchema.jsonSchema())
  }
}
