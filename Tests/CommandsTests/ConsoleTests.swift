import Foundation
import Synchronization
import Testing

@testable import Commands

@Suite("The console")
struct ConsoleTests {
  @Test("a question is no data: it goes to standard error", arguments: [("y", true), (" YES ", true), ("", false)])
  func question(_ answer: String, _ expected: Bool) {
    let written = Written()
    let console = Samples.console(sink: { written.add($0, $1) }, source: { answer })
    #expect(console.confirm("Really?") == expected)
    #expect(written.text(.output).isEmpty)
    #expect(written.text(.error) == "Really? (y/N): ")
  }

  @Test("no answer is no")
  func noAnswer() {
    #expect(!Samples.console().confirm("Really?"))
  }

  @Test("asks only where the question is seen and an answer can be typed")
  func canAsk() {
    for (input, error) in [(false, false), (true, false), (false, true), (true, true)] {
      var console = Samples.console()
      console.isInputTerminal = input
      console.isErrorTerminal = error
      #expect(console.canAsk == (input && error))
    }
  }

  @Test("each stream is coloured as it can be")
  func colours() {
    var console = Samples.console()
    console.usesColor = true
    #expect(console.colored("x", .red) == "\u{1B}[31mx\u{1B}[0m")
    #expect(console.colored("x", .red, on: .error) == "x")
    console.usesColor = false
    console.usesErrorColor = true
    #expect(console.colored("x", .red) == "x")
    #expect(console.colored("x", .red, on: .error) == "\u{1B}[31mx\u{1B}[0m")
  }

  @Test("what can't be written is noticed, and nothing of what can be written is lost")
  func writing() throws {
    let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { close(full) }
    #expect(writeAll([1, 2, 3], to: full) == ENOSPC)
    #expect(writeAll([], to: full) == nil)
    #expect(writeAll([1], to: -1) == EBADF)
    let path = NSTemporaryDirectory() + "cloudjobs-console-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    defer { close(file) }
    let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) }
    #expect(writeAll(bytes, to: file) == nil)
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == bytes)
  }

  /// What was written to each stream.
  private final class Written: Sendable {
    private let pieces = Mutex<[(Console.Stream, String)]>([])
    func add(_ stream: Console.Stream, _ text: String) { pieces.withLock { $0.append((stream, text)) } }
    func text(_ stream: Console.Stream) -> String {
      let all = pieces.withLock { $0 }
      return all.filter { $0.0 == stream }.map { $0.1 }.joined()
    }
  }
}
