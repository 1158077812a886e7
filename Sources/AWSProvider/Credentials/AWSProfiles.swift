/// What the two files of AWS's tools say, as a value.
package struct AWSProfiles: Sendable, Hashable {
  package typealias Keys = [String: String]

  /// Of both files; where both say something of a profile, the credentials file wins.
  package private(set) var merged: [String: Keys] = [:]
  /// Of the configuration file alone.
  private(set) var config: [String: Keys] = [:]
  /// Of the credentials file alone.
  private(set) var credentials: [String: Keys] = [:]
  /// The `services` sections of the configuration file: by section and by service.
  private var services: [String: [String: Keys]] = [:]

  package init() {}

  /// Reads the texts of both files; nil stands for a file that is not there.
  ///
  /// - Throws: `AWSError.Code.configuration` if one of them is no such file.
  package init(config: String?, credentials: String?) throws(AWSError) {
    for (name, values) in try Self.sections(config, "configuration") {
      let words = ShellWords.split(name) ?? []
      if name == "default" {
        self.config[name] = Self.texts(values)
      } else if name.hasPrefix("profile"), words.count == 2 {
        self.config[words[1]] = Self.texts(values)
      } else if name.hasPrefix("services"), words.count == 2 {
        services[words[1]] = values.compactMapValues(\.table)
      }
    }
    for (name, values) in try Self.sections(credentials, "credentials") { self.credentials[name] = Self.texts(values) }
    merged = self.config.merging(self.credentials) { $0.merging($1) { $1 } }
  }

  private static func sections(_ text: String?, _ kind: String) throws(AWSError) -> [(String, [String: INIFile.Value])]
  {
    guard let text else { return [] }
    do throws(INIFile.Failure) {
      return try INIFile(text).sections.map { ($0.name, $0.values) }
    } catch {
      let place = error.line > 0 ? "line \(error.line) of AWS's \(kind) file" : "AWS's \(kind) file"
      throw AWSError(
        .configuration, "\(place) can't be read: \(error.reason)", remedy: "`aws configure list` reads the same file.")
    }
  }

  private static func texts(_ values: [String: INIFile.Value]) -> Keys { values.compactMapValues(\.text) }

  // MARK: - Choosing

  /// Which profile holds: the one that was asked for, or the environment's, or `default`.
  ///
  /// - Throws: `AWSError.Code.configuration` if one is named that is nowhere: to go on with another one would use an
  ///   account that was not meant.
  package func chosen(explicit: String?, environment: [String: String]) throws(AWSError) -> (name: String, keys: Keys) {
    let named = explicit ?? Self.set(environment["AWS_DEFAULT_PROFILE"]) ?? Self.set(environment["AWS_PROFILE"])
    guard let named else { return ("default", merged["default"] ?? [:]) }
    guard let keys = merged[named] else {
      throw AWSError(
        .configuration, "There is no profile \(named) in AWS's configuration and credentials files",
        remedy: "`aws configure list-profiles` shows which there are; the profile is named by "
          + (explicit != nil ? "cloudjobs' configuration." : "AWS_PROFILE or AWS_DEFAULT_PROFILE."))
    }
    return (named, keys)
  }

  /// The `services` section that a profile names.
  package func services(of keys: Keys) -> [String: Keys] { keys["services"].flatMap { services[$0] } ?? [:] }

  /// The region: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's. Nil if none of them says one.
  package static func region(environment: [String: String], profile: Keys) -> String? {
    set(environment["AWS_REGION"]) ?? set(environment["AWS_DEFAULT_REGION"]) ?? set(profile["region"])
  }

  private static func set(_ text: String?) -> String? { text?.isEmpty == false ? text : nil }

  // MARK: - Where the files are

  /// `AWS_CONFIG_FILE`, or `~/.aws/config`.
  package static func configPath(_ environment: [String: String]) -> String {
    path(environment["AWS_CONFIG_FILE"], "config", environment)
  }

  /// `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`.
  package static func credentialsPath(_ environment: [String: String]) -> String {
    path(environment["AWS_SHARED_CREDENTIALS_FILE"], "credentials", environment)
  }

  private static func path(_ named: String?, _ name: String, _ environment: [String: String]) -> String {
    let path = set(named) ?? "~/.aws/\(name)"
    guard path.hasPrefix("~/"), let home = set(environment["HOME"]) else { return path }
    return home + path.dropFirst(1)
  }
}
