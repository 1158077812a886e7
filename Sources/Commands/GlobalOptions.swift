package import ArgumentParser

/// Options that every command takes.
package struct GlobalOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The database with the jobs.", valueName: "file"), completion: .file())
  package var db: String?

  @Option(
    name: .long, help: ArgumentHelp("The configuration.", valueName: "file"), completion: .file(extensions: ["json"]))
  package var config: String?

  @Flag(name: .long, help: "Say on standard error what is done.")
  package var debug = false

  package init() {}
}

/// How data is written.
package enum OutputFormat: Sendable { case text, json }

/// For commands that print data.
package struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print JSON (docs/json.md).")
  package var json = false

  package init() {}

  package var format: OutputFormat { json ? .json : .text }
}
