import Foundation
import JobModel
import Logging
import Synchronization
import Testing

@testable import Commands

@Suite("Log lines")
struct LogTests {
  private func lines(_ format: Log.Format, _ message: String, _ metadata: Logger.Metadata) -> String {
    let written = WrittenText()
    let logger = Logger(label: "test") { _ in Log.Handler(format: format, sink: { written.add($0) }) }
    logger.error("\(message)", metadata: metadata)
    return written.text
  }

  @Test("text can't be forged by what comes from outside", arguments: Samples.hostileNames)
  func text(_ name: String) {
    let text = lines(.text, "Job event \(name)", ["job.name": "\(name)", "event": "failed"])
    #expect(text.hasSuffix("\n"))
    #expect(text.filter(\.isNewline).count == 1)
    #expect(text.dropLast().description.isHarmless)
    #expect(text.contains(" ERROR Job event "))
  }

  @Test("text puts into quotes what has spaces, quotes or equals signs")
  func quoting() {
    let text = lines(.text, "m", ["a": #"x" level=ERROR b="y"#, "b": "plain", "c": "", "d": "k=v"])
    #expect(text.hasSuffix(#"m a="x\" level=ERROR b=\"y" b=plain c="" d="k=v""# + "\n"))
  }

  @Test("JSON is one object a line", arguments: Samples.hostileNames)
  func json(_ name: String) throws {
    let text = lines(.json, "Job event", ["job.name": "\(name)"])
    #expect(text.utf8.filter { $0 == 10 }.count == 1)
    let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
    // Foundation's parser drops a byte order mark at the beginning of a string.
    let expected = String(name.unicodeScalars.drop { $0 == "\u{FEFF}" })
    #expect(object["job.name"].map { Array($0.utf8) } == Array(expected.utf8))
    #expect(object["level"] == "error")
    #expect(object["message"] == "Job event")
    #expect(object["time"].flatMap { Timestamp(iso8601: $0) } != nil)
  }

  @Test("printable text has no scalar that moves, hides or turns around others", arguments: Samples.hostileNames)
  func harmless(_ name: String) {
    #expect(printable(name).isHarmless)
    #expect(printable(printable(name)) == printable(name))
  }

  @Test(
    "printable text keeps letters, signs and emoji",
    arguments: ["Wasser, größer", "水", "👩‍🔬🏳️‍🌈", "a b"] + Samples.wideNames)
  func kept(_ name: String) {
    #expect(printable(name) == name)
  }
}

/// What a sink was given.
private final class WrittenText: Sendable {
  private let pieces = Mutex<[String]>([])
  func add(_ piece: String) { pieces.withLock { $0.append(piece) } }
  var text: String { pieces.withLock { $0.joined() } }
}
