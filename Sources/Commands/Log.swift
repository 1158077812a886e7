internal import Foundation
internal import JobModel
package import Logging

/// Log lines on standard error, as text for people or as JSON for machines.
package enum Log {
  package enum Format: String, Sendable, CaseIterable {
    case text
    case json
  }

  package static func make(level: Logger.Level = .warning, format: Format) -> Logger {
    var logger = Logger(label: "cloudjobs") { _ in Handler(format: format, sink: { standardError($0) }) }
    logger.logLevel = level
    return logger
  }

  /// The level that somebody asks for: `--debug` over `CLOUDJOBS_LOG_LEVEL` over `CLOUDJOBS_DEBUG`; nil if nobody does.
  static func wantedLevel(debug: Bool, environment: [String: String]) throws(CommandError) -> Logger.Level? {
    var level: Logger.Level? = environment["CLOUDJOBS_DEBUG"] == "1" ? .debug : nil
    if let name = environment["CLOUDJOBS_LOG_LEVEL"], !name.isEmpty {
      guard let known = levels.first(where: { $0.rawValue == name.lowercased() }) else {
        let names = levels.map(\.rawValue).joined(separator: ", ")
        throw CommandError(.configuration, "CLOUDJOBS_LOG_LEVEL is '\(printable(name))'; set it to one of \(names)")
      }
      level = known
    }
    return debug ? .debug : level
  }

  private static let levels: [Logger.Level] = [.trace, .debug, .info, .notice, .warning, .error]

  /// Writes a line; a log has nobody to tell that it can't be written.
  private static func standardError(_ line: String) { _ = writeAll(Array(line.utf8), to: 2) }

  package struct Handler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level = .info
    private let format: Format
    private let sink: @Sendable (String) -> Void

    package init(format: Format, sink: @escaping @Sendable (String) -> Void) {
      self.format = format
      self.sink = sink
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
      let level = event.level
      let message = event.message
      let metadata = event.metadata
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      let now = Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
      let all = self.metadata.merging(metadata ?? [:]) { _, new in new }
      switch format {
      case .text:
        let details = all.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
        sink("\(LocalZone.text(now)) \(level.rawValue.uppercased()) \(printable("\(message)"))\(details)\n")
      case .json:
        var object: [String: JSONValue] = [
          "time": .string(now.iso8601(milliseconds: true)), "level": .string(level.rawValue),
          "message": .string("\(message)"),
        ]
        for (key, value) in all { object[key] = .string("\(value)") }
        sink(JSONText.line(.object(object)) + "\n")
      }
    }

    private static func quoted(_ text: String) -> String {
      let safe = printable(text)
      return safe.isEmpty || safe.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" })
        ? "\"" + safe.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" : safe
    }
  }
}
