import Foundation

@testable import Configuration

/// A private folder that goes away with the test.
struct Workspace: ~Copyable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-config-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
    let file = "\(path)/\(name)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    return file
  }
}

/// The top of the source tree.
let sourceRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

func parse(
  _ text: String, environment: [String: String] = [:], flags: [Settings.Flag] = []
) throws(ConfigurationError) -> Settings {
  try Settings.parse(Array(text.utf8), file: "config.json", environment: environment, flags: flags)
}

/// The lines of the error that `text` makes; empty if it is accepted.
func complaints(_ text: String, environment: [String: String] = [:], flags: [Settings.Flag] = []) -> [String] {
  do {
    _ = try parse(text, environment: environment, flags: flags)
    return []
  } catch {
    return error.description.split(separator: "\n").map(String.init)
  }
}
