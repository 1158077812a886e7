import Foundation
import JobModel
import TestSupport
import Testing

@testable import Configuration

/// config.json and docs/configuration.md as they lie in the tree.
@Suite struct TopLevelFileTests {
  let file = sourceRoot.appendingPathComponent("config.json")

  func page() throws -> String {
    try String(contentsOf: sourceRoot.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
  }

  @Test func configPassesItsCheckWithoutAWarning() throws {
    let settings = try Settings.load(path: file.path, environment: [:])
    #expect(settings.warnings.isEmpty && settings.notifiers.isEmpty)
    #expect(settings.store.path == "cloud_jobs.db")
    #expect(settings.local.pricePerHour.formatted == "$0.3600/h")
  }

  @Test func docsHoldEveryKey() throws {
    let reference = ConfigurationSchema.reference()
    if let target = ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_WRITE_REFERENCE"] {
      try reference.write(toFile: target, atomically: true, encoding: .utf8)
    }
    let page = try page()
    let start = try #require(page.range(of: "<!-- reference: begin -->\n")).upperBound
    let stop = try #require(page.range(of: "<!-- reference: end -->")).lowerBound
    let same = String(page[start..<stop]) == reference
    #expect(same, "docs/configuration.md is behind the schema; run: make docs")
    let variants = ConfigurationSchema.notifiers.flatMap { $0.fields.fields.map { "notifiers.NAME.\($0.key)" } }
    for path in ConfigurationSchema.root.leaves.map(\.path) + variants {
      let found = reference.contains("| `\(path)` |")
      #expect(found, "\(path)")
    }
  }

  /// Each JSON example of the page is a whole configuration.
  @Test func examplesOfTheDocsPass() throws {
    let examples = try page().components(separatedBy: "```json\n").dropFirst()
      .compactMap { $0.components(separatedBy: "```").first }
    #expect(examples.count >= 2)
    for example in examples { #expect(complaints(example) == [], "\(example)") }
  }

  @Test func jsonSchemaNamesEveryKey() throws {
    let text = ConfigurationSchema.jsonSchema()
    if let target = ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_WRITE_SCHEMA"] {
      try text.write(toFile: target, atomically: true, encoding: .utf8)
    }
    let schema = try JSONReader.read(text)
    #expect(schema["$schema"]?.string == "https://json-schema.org/draft/2020-12/schema")
    for (path, field) in ConfigurationSchema.root.leaves {
      var node: JSONNode? = schema
      for key in path.split(separator: ".") { node = node?["properties"]?[String(key)] }
      #expect(node?["description"]?.string == field.meaning, "\(path)")
      #expect(node?["default"]?.text() == field.standard?.text(), "\(path)")
    }
    #expect(schema["properties"]?["store"]?["additionalProperties"]?.text() == "false")
    let variants = schema["properties"]?["notifiers"]?["additionalProperties"]?["oneOf"]?.items ?? []
    #expect(
      variants.compactMap { $0["properties"]?["type"]?["const"]?.string } == ConfigurationSchema.notifiers.map(\.type))
    #expect(variants.count == 13)
  }

  /// Hostile input: accepted, or refused with a message that says where; never a crash or a hang.
  @Test(.timeLimit(.minutes(2))) func survivesAThousandMutations() throws {
    let workspace = try Workspace()
    let original = try Array(Data(contentsOf: file))
    let donor = try Array(page().utf8)
    let path = "\(workspace.path)/config.json"
    var accepted = 0
    for seed in 0..<1000 {
      var random = SeededGenerator(seed: UInt64(seed))
      let bytes = Data(Self.mutated(original, donor: donor, &random))
      try bytes.write(to: URL(fileURLWithPath: path))
      do {
        let settings = try Settings.load(path: path, environment: [:])
        accepted += 1
        #expect(settings.supervision.pollInterval > .zero, "seed \(seed)")
      } catch {
        #expect(!error.mistakes.isEmpty, "seed \(seed)")
        // A notifier's rule or a threshold may fail against a default, which has no place in the file.
        #expect(error.mistakes.contains { $0.position != nil }, "seed \(seed): \(error)")
        let text = error.description
        #expect(!text.unicodeScalars.contains { ($0.value < 32 && $0 != "\n") || $0.value == 127 }, "seed \(seed)")
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes, "the file changed, seed \(seed)")
    }
    // Both ways are really taken.
    #expect(accepted > 50 && accepted < 900, "\(accepted) were accepted")
  }

  static func mutated(_ original: [UInt8], donor: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      guard !bytes.isEmpty else { break }
      let at = Int.random(in: 0..<bytes.count, using: &random)
      let length = min(Int.random(in: 1...40, using: &random), bytes.count - at)
      switch Int.random(in: 0..<10, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.removeSubrange(at..<at + length)
      case 3: bytes.insert(contentsOf: bytes[at..<at + length], at: at)
      case 4: bytes.removeSubrange(at...)
      case 5:
        let from = Int.random(in: 0..<donor.count - 40, using: &random)
        bytes.replaceSubrange(at..<at + length, with: donor[from..<from + 40])
      case 6: bytes.insert(contentsOf: [UInt8](repeating: UInt8(ascii: "["), count: 5000), at: at)
      case 7:
        // Values stay values, so that the check behind the syntax is reached.
        let values = [
          "-1", "1e308", "0.0000001", "9223372036854775808", "true", "null", "\"\"", "[]", "{}", "\"9w9w\"",
        ]
        let digits = bytes.indices.filter { (48...57).contains(bytes[$0]) }
        if let index = digits.randomElement(using: &random), let value = values.randomElement(using: &random) {
          bytes.replaceSubrange(index...index, with: Array(value.utf8))
        }
      case 8:
        // A number gets another digit.
        let digits = bytes.indices.filter { (48...57).contains(bytes[$0]) }
        if let index = digits.randomElement(using: &random) {
          bytes[index] = UInt8.random(in: 49...57, using: &random)
        }
      default:
        // A key or a text gets another letter.
        let letters = bytes.indices.filter { (97...122).contains(bytes[$0]) }
        if let index = letters.randomElement(using: &random) {
          bytes[index] = UInt8.random(in: 97...122, using: &random)
        }
      }
    }
    return bytes
  }
}
