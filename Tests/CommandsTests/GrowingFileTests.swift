import Foundation
import Testing

@testable import Commands

@Suite("A file that grows")
final class GrowingFileTests {
  private let path = NSTemporaryDirectory() + "cloudjobs-growing-\(UUID().uuidString)"

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }

  private func append(_ text: String) throws {
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
  }

  private func read(_ file: inout GrowingFile) throws -> String {
    var data = Data()
    while let chunk = try file.next() { data += chunk }
    return String(decoding: data, as: UTF8.self)
  }

  @Test("is read once, as it grows")
  func grows() throws {
    var file = GrowingFile(path: path)
    #expect(try file.next() == nil)
    try write("one\n")
    #expect(try read(&file) == "one\n")
    #expect(try file.next() == nil)
    try append("two")
    #expect(try read(&file) == "two")
    try append("\nthree\n")
    #expect(try read(&file) == "\nthree\n")
  }

  @Test("is read from its beginning when it was cut")
  func truncated() throws {
    try write("a long first line\n")
    var file = GrowingFile(path: path)
    #expect(try read(&file) == "a long first line\n")
    try write("new\n")
    #expect(try read(&file) == "new\n")
    #expect(try file.next() == nil)
  }

  @Test("comes in pieces that together are the file")
  func large() throws {
    let text = (0..<40_000).map { "line \($0)\n" }.joined()
    try write(text)
    var file = GrowingFile(path: path)
    let first = try #require(try file.next())
    #expect(first.count == 64 * 1024)
    #expect(try read(&file).count == text.count - 64 * 1024)
  }

  @Test(
    "its last lines", arguments: [0, 1, 2, 3, 4, 100],
    ["a\nb\nc\n", "a\nb\nc", "\n\n\n", "", "\n", "one", "a\r\nb\r\n"])
  func tail(_ count: Int, _ text: String) throws {
    try write(text)
    var file = GrowingFile(path: path)
    try file.skip(toLastLines: count)
    // As tail(1) counts: a line ends with its newline, and what stands after the last newline is a line too.
    var lines: [[UInt8]] = []
    for line in Array(text.utf8).split(separator: 10, omittingEmptySubsequences: false) {
      lines.append(Array(line) + [10])
    }
    if !lines.isEmpty { lines[lines.count - 1].removeLast() }
    if lines.last?.isEmpty == true { lines.removeLast() }
    #expect(try read(&file) == String(decoding: lines.suffix(count).joined(), as: UTF8.self))
    try append("more\n")
    #expect(try read(&file) == "more\n")
  }

  @Test("its last lines, where they are longer than one piece")
  func longLines() throws {
    let long = String(repeating: "x", count: 100_000)
    try write("first\n\(long)\n\(long)\n")
    var file = GrowingFile(path: path)
    try file.skip(toLastLines: 2)
    #expect(try read(&file) == "\(long)\n\(long)\n")
  }

  @Test("that does not exist yet has no last lines")
  func missing() throws {
    var file = GrowingFile(path: path)
    try file.skip(toLastLines: 3)
    try write("late\n")
    #expect(try read(&file) == "late\n")
  }
}
