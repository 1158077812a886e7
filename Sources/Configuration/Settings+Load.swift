extension Settings {
  /// A value from the command line: `--db PATH` is `Flag(path: "store.path", text: PATH, name: "--db")`.
  package struct Flag: Sendable, Hashable {
    package var path: String
    package var text: String
    package var name: String

    package init(path: String, text: String, name: String) {
      self.path = path
      self.text = text
      self.name = name
    }
  }

  /// The file that is read when none is named.
  package static let standardFile = "config.json"
  /// Variables that are not made from a path.
  package static let variables: Set<String> = [
    "CLOUDJOBS_CONFIG", "CLOUDJOBS_DB", "CLOUDJOBS_DEBUG", "CLOUDJOBS_LOG_LEVEL",
  ]
  /// Variables that others read: the set-up script, the tests, and the calculation itself.
  static let foreignPrefixes = ["CLOUDJOBS_SETUP_", "CLOUDJOBS_TEST_", "CLOUDJOBS_JOB_", "CLOUDJOBS_DEMO_"]

  /// Reads the configuration: flag over environment over file over default.
  ///
  /// - Parameters:
  ///   - path: the file of `--config`; without it `CLOUDJOBS_CONFIG`, then config.json in `directory`, which need not exist.
  ///   - environment: the variables of the process.
  ///   - flags: values from the command line.
  ///   - directory: where config.json is looked for.
  ///   - knownVariables: further `CLOUDJOBS_` variables that mean something to the caller.
  /// - Throws: `ConfigurationError` with every mistake of all sources.
  package static func load(
    path: String? = nil, environment: [String: String], flags: [Flag] = [], directory: String = ".",
    knownVariables: Set<String> = []
  ) throws(ConfigurationError) -> Settings {
    let named = path ?? environment["CLOUDJOBS_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    let file = named ?? (directory == "." ? standardFile : "\(directory)/\(standardFile)")
    switch FileText.read(file, limit: JSONReader.maximumBytes) {
    case .success(let bytes):
      return try parse(bytes, file: file, environment: environment, flags: flags, knownVariables: knownVariables)
    case .failure(.missing):
      guard named != nil else {
        return try settings(.object([]), file: nil, environment, flags, knownVariables)
      }
      let origin = path == nil ? " (named by CLOUDJOBS_CONFIG)" : ""
      throw failure(.missing, file, "does not exist\(origin); without one, the defaults hold")
    case .failure(.tooLarge):
      throw failure(
        .unreadable, file, "is larger than \(JSONReader.maximumBytes) bytes, which is more than any configuration")
    case .failure(.unreadable(let why)): throw failure(.unreadable, file, why)
    }
  }

  /// As `load`, for a text that is already here.
  package static func parse(
    _ bytes: [UInt8], file: String, environment: [String: String] = [:], flags: [Flag] = [],
    knownVariables: Set<String> = []
  ) throws(ConfigurationError) -> Settings {
    let document: JSONNode
    do {
      document = try JSONReader.read(bytes)
    } catch {
      throw ConfigurationError(
        code: .syntax, file: file, mistakes: [Mistake(path: "", message: error.message, position: error.position)])
    }
    return try settings(document, file: file, environment, flags, knownVariables)
  }

  /// What holds when nothing is configured.
  package static func standard() throws(ConfigurationError) -> Settings {
    try settings(.object([]), file: nil, [:], [], [])
  }

  private static func settings(
    _ document: JSONNode, file: String?, _ environment: [String: String], _ flags: [Flag], _ known: Set<String>
  ) throws(ConfigurationError) -> Settings {
    var check = SchemaCheck()
    check.check(document, ConfigurationSchema.root, "")
    var layers = Layers(document: document, file: file)
    layers.apply(environment: environment, knownVariables: known, check: &check)
    layers.apply(flags: flags, check: &check)
    CrossCheck(layers: layers).run(&check)
    guard check.mistakes.isEmpty else {
      throw ConfigurationError(code: .invalid, file: file, mistakes: check.mistakes.sorted)
    }
    var builder = SettingsBuilder(layers: layers)
    let settings = builder.build(warnings: check.warnings.sorted)
    guard builder.mistakes.isEmpty else {
      throw ConfigurationError(code: .invalid, file: file, mistakes: builder.mistakes.sorted)
    }
    return settings
  }

  private static func failure(_ code: ConfigurationError.Code, _ file: String, _ message: String) -> ConfigurationError
  {
    ConfigurationError(code: code, file: file, mistakes: [Mistake(path: "", message: message)])
  }
}
