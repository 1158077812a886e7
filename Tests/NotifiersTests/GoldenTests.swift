import Foundation
import JobModel
import Notifiers
import TestSupport
import Testing
import Transport

/// The requests as they are, beside the tests: `Golden/SERVICE-ALERT.txt`.
///
/// `CLOUDJOBS_TEST_WRITE_GOLDEN=1` writes them anew; `git diff` then shows what has changed.
@Suite("Requests to services, byte for byte")
struct GoldenTests {
  static let alerts = [
    ("event", Samples.alert), ("firing", Samples.firing), ("resolved", Samples.resolved), ("hostile", Samples.hostile),
  ]
  private static let folder = LoopbackServer.packageRoot.appendingPathComponent("Tests/NotifiersTests/Golden")

  @Test("are as they were", arguments: Service.allCases)
  func golden(_ service: Service) throws {
    for (name, alert) in Self.alerts {
      let request = service.channel().request(Samples.message(alert))
      let body = try #require(request.body)
      _ = try JSONSerialization.jsonObject(with: Data(body))
      var lines = ["\(request.method.rawValue) \(request.url.reveal())"]
      lines += request.headers.map { "\($0.name): \($0.value.reveal())" }
      let text = lines.joined(separator: "\n") + "\n\n" + Self.spread(body) + "\n"
      let file = Self.folder.appendingPathComponent("\(service)-\(name).txt")
      if ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_WRITE_GOLDEN"] == "1" {
        try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
      }
      #expect(try String(contentsOf: file, encoding: .utf8) == text, "\(file.lastPathComponent)")
    }
  }

  @Test("are the same in every try, but for Alertmanager, which is told until when", arguments: Service.allCases)
  func repeatable(_ service: Service) {
    var message = Samples.message(Samples.firing)
    let first = service.channel().request(message)
    message.now = message.now + .seconds(60)
    #expect((service.channel().request(message) == first) == (service != .alertmanager))
  }

  /// JSON with a line for each member, without touching what stands in strings: the bytes can still be read off it.
  private static func spread(_ body: [UInt8]) -> String {
    var text: [UInt8] = []
    var (depth, isString, isEscaped) = (0, false, false)
    func newline() { text += [10] + Array(repeating: 32, count: depth * 2) }
    for (index, byte) in body.enumerated() {
      let next = index + 1 < body.count ? body[index + 1] : 0
      if isString {
        text.append(byte)
        isString = isEscaped || byte != UInt8(ascii: "\"")
        isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        isString = true
        text.append(byte)
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        text.append(byte)
        depth += 1
        if next != UInt8(ascii: "}") && next != UInt8(ascii: "]") { newline() }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if let last = text.last, last != UInt8(ascii: "{"), last != UInt8(ascii: "[") { newline() }
        text.append(byte)
      case UInt8(ascii: ","):
        text.append(byte)
        newline()
      default: text.append(byte)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
