import Foundation
import JobModel
import TestSupport
import Testing

@Suite("docs/json.md")
struct DocumentTests {
  /// The words in the first column of the table below a heading.
  private func words(below heading: String) throws -> [String] {
    let path = LoopbackServer.packageRoot.appendingPathComponent("docs/json.md").path
    let page = try String(contentsOfFile: path, encoding: .utf8)
    let section = try #require(page.components(separatedBy: "\n## ").first { $0.hasPrefix(heading + "\n") })
    return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0.split(separator: "`")[1]) }
  }

  @Test("explains every reason, and no other")
  func reasons() throws {
    #expect(try words(below: "Reasons").sorted() == Reason.allCases.map(\.rawValue).sorted())
  }

  @Test("explains every kind of event, and no other")
  func kinds() throws {
    #expect(try words(below: "Kinds of events").sorted() == Event.Kind.allCases.map(\.rawValue).sorted())
  }
}
