import Foundation
import TestSupport
import Testing

@testable import Configuration

@Suite struct JSONReaderTests {
  @Test(arguments: [
    ("{}", "{}"), ("  [1, 2.50, -0, 1e3]\n", "[1,2.50,-0,1e3]"),
    (#"{"a":{"b":[true,false,null]}}"#, #"{"a":{"b":[true,false,null]}}"#),
    (#""\u00e9\ud83d\ude00\n\/""#, #""é😀\n/""#), ("\u{FEFF}{\"a\": 1}", #"{"a":1}"#),
    (#"{"a":1,"a":2}"#, #"{"a":1,"a":2}"#),
  ])
  func reads(_ text: String, _ expected: String) throws {
    #expect(try JSONReader.read(text).text() == expected)
  }

  @Test(arguments: [
    ("", 1, 1, "there is no value"), ("{\n  \"a\": 1,\n}", 3, 1, "a comma stands before }"),
    ("[1,]", 1, 4, "a comma stands before ]"), ("{\"a\": tru}", 1, 7, "expected a value"),
    ("{\"a\": True}", 1, 7, "write true"), ("{\"a\": None}", 1, 7, "write null"), ("{\"a\": NaN}", 1, 7, "finite"),
    ("{'a': 1}", 1, 2, "double quotes"), ("// hello\n{}", 1, 1, "no comments"), ("{\"a\" 1}", 1, 6, "a colon"),
    ("{\"a\": 1 \"b\": 2}", 1, 9, "a comma or }"), ("{\"é\": \"x\ny\"}", 1, 9, "must end on its line"),
    ("[\"abc", 1, 2, "no closing double quote"), ("[01]", 1, 2, "begin with 0"),
    ("[1.]", 1, 4, "digit after the point"),
    ("[1e]", 1, 4, "exponent"), ("[-]", 1, 3, "a digit"), ("[1e999]", 1, 2, "too large"),
    (#"["\x"]"#, 1, 3, "escape is unknown"), (#"["\ud800"]"#, 1, 3, "not a character"),
    ("{} {}", 1, 4, "nothing may follow"), ("[1", 1, 3, "the text ends"), ("{\"a\":\n\n   }", 3, 4, "expected a value"),
    ("[\"a\u{1}b\"]", 1, 4, "\\u0001"),
  ])
  func refuses(_ text: String, _ line: Int, _ column: Int, _ message: String) {
    do {
      _ = try JSONReader.read(text)
      Issue.record("accepted")
    } catch {
      #expect(error.position == TextPosition(line: line, column: column))
      #expect(error.message.contains(message), "\(error.message)")
    }
  }

  @Test(
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82],
    ] as [[UInt8]])
  func namesBytesThatAreNotUTF8(_ bytes: [UInt8]) {
    #expect(
      throws: JSONSyntaxError(message: "this is not UTF-8; save the file as UTF-8", position: .init(line: 1, column: 2))
    ) {
      try JSONReader.read(bytes)
    }
  }

  @Test func boundsDepthAndSize() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try JSONReader.read(nested(64))
    #expect(throws: JSONSyntaxError.self) { try JSONReader.read(nested(65)) }
    #expect(throws: JSONSyntaxError.self) { try JSONReader.read(nested(100_000)) }
    #expect(throws: JSONSyntaxError.self) {
      try JSONReader.read("\"" + String(repeating: "a", count: JSONReader.maximumBytes) + "\"")
    }
  }

  /// A megabyte of values on one line: positions must not make it quadratic.
  @Test(.timeLimit(.minutes(1))) func readsAMegabyteOnOneLine() throws {
    let text = "[" + String(repeating: "1,", count: 500_000) + "1]"
    #expect(try JSONReader.read(text).items?.count == 500_001)
  }

  /// Whatever is accepted means the same to another reader.
  @Test func agreesWithFoundation() throws {
    let base = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",true,null],"b":{"c":"","d":[[],{}]},"e":"ü"}"#.utf8)
    let alphabet = Array("{}[]\",:0123456789.eE+-tfn\\ ".utf8)
    var random = SeededGenerator(seed: 7)
    var accepted = 0
    for _ in 0..<3000 {
      var bytes = base
      let at = Int.random(in: 0..<bytes.count, using: &random)
      let replacement = alphabet.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes[at] = replacement
      case 1: bytes.remove(at: at)
      default: bytes.insert(replacement, at: at)
      }
      guard let node = try? JSONReader.read(bytes) else { continue }
      accepted += 1
      let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed]) as? NSObject
      let ours =
        try JSONSerialization.jsonObject(with: Data(node.text().utf8), options: [.fragmentsAllowed]) as? NSObject
      #expect(theirs == ours, "\(String(decoding: bytes, as: UTF8.self))")
    }
    #expect(accepted > 300)
  }

  @Test func writesWhatItReads() throws {
    let text = "{\n  \"a\": [1, \"x\\u0007\"],\n  \"b\": {\n    \"c\": []\n  },\n  \"d\": {}\n}"
    #expect(try JSONReader.read(text).text(pretty: true) == text)
  }
}
