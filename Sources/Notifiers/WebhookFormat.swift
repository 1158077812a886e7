package import JobModel
package import Transport

/// The JSON that a webhook gets, and the request around it. Pure.
///
/// ```json
/// {"type":"alert.job_failed","timestamp":"2026-11-23T00:45:06Z","data":{"id":"…","rule":"job_failed",
///  "severity":"critical","job":"k3v9x2ab","title":"…","facts":[{"label":"…","value":"…"}],"nextCommand":"…"}}
/// ```
/// `job` and `nextCommand` are null if there is none. `data.cut` is there only if something had to be left out, and
/// says what. The body is the same in every try of a delivery; only `webhook-timestamp` and the signature change.
package enum WebhookFormat {
  /// Standard Webhooks asks for less than 20 kB.
  package static let bodyLimit = 20_000

  package static func request(
    _ message: AlertMessage, settings: WebhookSettings, signer: WebhookSigner?
  ) -> HTTPRequest {
    let body = settings.body?.bytes(for: message.alert) ?? body(message.alert)
    let id = id(message.id)
    let seconds = message.now.seconds
    var headers: [HTTPRequest.Header] = [.init("webhook-id", id), .init("webhook-timestamp", String(seconds))]
    if let signature = signer?.signature(id: id, timestamp: seconds, body: body) {
      headers.append(.init("webhook-signature", signature))
    }
    if settings.cloudEvents { headers += CloudEvent.headers(message, id: id) }
    return settings.connection.post(
      settings.connection.url, headers: headers, body, contentType: settings.body?.contentType)
  }

  /// `text` as a webhook id: without the `.` that separates it from the timestamp in what is signed.
  package static func id(_ text: String) -> String {
    var result = ""
    for byte in text.utf8.prefix(200) {
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "_" + (digits.utf8.count < 2 ? "0" : "") + digits
      }
    }
    return result
  }

  // MARK: - Body

  /// How much of an alert is written: tried from the first on until the body is small enough.
  private static let sizes: [(facts: Int, bytes: Int)] = [
    (64, 4096), (64, 2048), (64, 1024), (64, 512), (64, 256), (32, 256), (32, 128), (16, 128), (8, 128),
  ]

  package static func body(_ alert: Alert) -> [UInt8] {
    var result: [UInt8] = []
    for size in sizes {
      result = body(alert, facts: size.facts, bytes: size.bytes)
      if result.count < bodyLimit { break }
    }
    return result
  }

  private static func body(_ alert: Alert, facts limit: Int, bytes: Int) -> [UInt8] {
    var shortened = 0
    func text(_ text: String, _ limit: Int) -> JSONText.Value {
      let result = Redactor.bounded(text, limit: limit)
      if result != text { shortened += 1 }
      return .string(result)
    }
    let left = max(0, alert.facts.count - limit)
    var data: [(key: String, value: JSONText.Value)] = [
      ("id", text(alert.id, 256)),
      ("status", .string(alert.status.rawValue)),
      ("incident", text(alert.incident, 256)),
      ("rule", .string(alert.rule.rawValue)),
      ("severity", .string(alert.severity.rawValue)),
      ("job", alert.job.map { .string($0.rawValue) } ?? .null),
      ("title", text(alert.title, min(bytes, 1024))),
      (
        "facts",
        .array(
          alert.facts.prefix(limit).map {
            .object([("label", text($0.label, 128)), ("value", text($0.value, bytes))])
          })
      ),
      ("nextCommand", alert.nextCommand.map { text($0, min(bytes, 1024)) } ?? .null),
    ]
    var cuts: [String] = []
    if shortened > 0 { cuts.append("\(shortened) text\(shortened == 1 ? "" : "s") shortened") }
    if left > 0 { cuts.append("\(left) fact\(left == 1 ? "" : "s") left out") }
    if !cuts.isEmpty { data.append(("cut", .string(cuts.joined(separator: ", ")))) }
    return JSONText.bytes(
      .object([
        ("type", .string("alert.\(alert.rule.rawValue)")), ("timestamp", .string(alert.at.iso8601(milliseconds: true))),
        ("data", .object(data)),
      ]))
  }
}
