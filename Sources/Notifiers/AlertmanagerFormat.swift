package import JobModel
import Transport

/// What Alertmanager gets: one alert of its API v2. Pure.
/// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
///
/// Its labels are an alert's identity there, so an end has those of its beginning, and nothing that changes is among them.
/// Without `endsAt` it would believe after five minutes that the alert is over (`resolve_timeout`), so we say until when
/// it holds unless more is heard of it. An end has no `startsAt`: it keeps the one that it knows.
package enum AlertmanagerFormat {
  /// - Parameters:
  ///   - now: the time of this try.
  ///   - hold: how long an alert that fires is held up without being told again.
  ///   - eventHold: how long something that just happened is shown as firing.
  package static func body(_ alert: Alert, now: Timestamp, hold: Duration, eventHold: Duration) -> [UInt8] {
    let sheet = AlertSheet(alert, AlertSheet.Size(40, 400))
    var annotations: [(key: String, value: JSONText.Value)] = [
      ("summary", .string(sheet.title)), ("description", .string(sheet.text)),
    ]
    if let command = sheet.nextCommand { annotations.append(("next_command", .string(command))) }
    var document: [(key: String, value: JSONText.Value)] = [
      ("labels", .object(labels(alert).map { ($0.key, .string($0.value)) })), ("annotations", .object(annotations)),
    ]
    // An alert must not end before it begins, and a clock may have been set back since.
    let end: Timestamp =
      switch alert.status {
      case .resolved: min(alert.at, now)
      case .firing: max(alert.at, now) + hold
      case .event, .acknowledged: max(alert.at, now) + eventHold
      }
    if alert.status != .resolved { document.append(("startsAt", .string(alert.at.iso8601(milliseconds: true)))) }
    document.append(("endsAt", .string(end.iso8601(milliseconds: true))))
    return JSONText.bytes(.array([.object(document)]))
  }

  /// Sorted by name. `condition` tells two alerts of one job and rule apart.
  private static func labels(_ alert: Alert) -> [(key: String, value: String)] {
    var labels = [
      "alertname": alert.rule.rawValue, "severity": alert.severity.rawValue, "service": "cloudjobs",
      "condition": alert.status == .event ? alert.id : alert.condition,
    ]
    if let job = alert.job { labels["job"] = job.rawValue }
    for (key, value) in alert.labels.sorted(by: { $0.key < $1.key }) {
      let text = TextCut.units(Redactor.printable(value), 200)
      guard !text.isEmpty else { continue }
      switch key {
      case "name", "provider": labels[key] = text
      case _ where key.hasPrefix("tag."): labels[name(key)] = labels[name(key)] ?? text
      default: continue
      }
    }
    return labels.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
  }

  /// A tag's name as that of a label: letters, digits and `_`
  /// (https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels).
  private static func name(_ key: String) -> String {
    var name = ""
    for byte in key.utf8.prefix(100) {
      switch byte {
      case 48...57, 65...90, 97...122: name.unicodeScalars.append(Unicode.Scalar(byte))
      default: name += "_"
      }
    }
    return name
  }
}
