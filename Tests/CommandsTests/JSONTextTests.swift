import Foundation
import JobModel
import TestSupport
import Testing

@testable import Commands

@Suite("JSON output")
struct JSONTextTests {
  @Test("random strings read back the same", arguments: 0..<8)
  func strings(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let pool: [ClosedRange<UInt32>] = [
      0...0x1F, 0x20...0x7F, 0x80...0x2FF, 0x2020...0x2030, 0x4E00...0x4EFF, 0xE000...0xE010, 0xFFF0...0xFFFF,
      0x1F600...0x1F64F, 0x1F1E6...0x1F1FF, 0x10FFF0...0x10FFFF,
    ]
    for _ in 0..<200 {
      var text = ""
      for _ in 0..<Int.random(in: 0...30, using: &generator) {
        let range = pool.randomElement(using: &generator)!
        if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &generator)) {
          text.unicodeScalars.append(scalar)
        }
      }
      let value = JSONValue.object([text: .array([.string(text), .string("after")])])
      for written in [JSONText.line(value), JSONText.pretty(value)] {
        let read = try #require(JSONSerialization.jsonObject(with: Data(written.utf8)) as? [String: [String]])
        // Byte by byte: equality of strings would forgive another composition.
        #expect(read.keys.first.map { Array($0.utf8) } == Array(text.utf8))
        #expect(read.values.first?.first.map { Array($0.utf8) } == Array(text.utf8))
        #expect(read.values.first?.last == "after")
      }
    }
  }

  @Test("a line is one line, whatever the strings hold", arguments: Samples.hostileNames)
  func oneLine(_ name: String) {
    let line = JSONText.line(.object(["name": .string(name)]))
    #expect(!line.utf8.contains { $0 < 0x20 || $0 == 0x7F })
  }

  @Test("numbers read back the same")
  func numbers() throws {
    let doubles: [Double] = [
      0, 0.1, 1.5, -2.25, 1e-7, 1e15, 1e300, .leastNonzeroMagnitude, 123_456_789.123456, 0.000001,
      9_007_199_254_740_992,
    ]
    for double in doubles {
      let read = try JSONDecoder().decode([Double].self, from: Data(JSONText.line(.array([.number(double)])).utf8))
      #expect(read == [double])
    }
    let integers: [Int64] = [0, -1, .max, .min]
    for integer in integers {
      let read = try JSONDecoder().decode([Int64].self, from: Data(JSONText.line(.array([.integer(integer)])).utf8))
      #expect(read == [integer])
    }
    #expect(JSONText.line(.array([.number(.infinity), .number(.nan)])) == "[null,null]")
  }

  @Test("is laid out in one way, with sorted keys")
  func layout() {
    let value = JSONValue.object(["b": .array([.integer(1), .null]), "a": .object([:]), "c": .array([])])
    #expect(JSONText.line(value) == #"{"a":{},"b":[1,null],"c":[]}"#)
    #expect(
      JSONText.pretty(value) == """
        {
          "a": {},
          "b": [
            1,
            null
          ],
          "c": []
        }
        """)
  }

  @Test("money has six decimals and is never an artefact of binary fractions")
  func money() {
    #expect(JSONText.line(.money(Money("0.1")! + Money("0.2")!)) == "0.3")
    #expect(JSONText.line(.money(Money("1234567.891234")!)) == "1234567.891234")
    #expect(JSONText.line(.money(.zero)) == "0")
  }
}
