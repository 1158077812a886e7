package import JobModel
package import Transport

/// The event that PagerDuty gets. Pure. https://developer.pagerduty.com/docs/send-alert-event
///
/// An alert and its end have the same `dedup_key`, the alert's incident, so PagerDuty opens one incident and closes it.
/// Summary 1024 characters, `dedup_key` 255, all of it 512 kB.
package enum PagerDutyFormat {
  /// What is to become of the incident.
  package enum Action: String, Sendable, Hashable, CaseIterable {
    case trigger
    case acknowledge
    case resolve

    /// What happened and what fires opens an incident; what is resolved closes it.
    package init(_ status: Alert.Status) {
      self =
        switch status {
        case .event, .firing: .trigger
        case .acknowledged: .acknowledge
        case .resolved: .resolve
        }
    }
  }

  package static let bodyLimit = 500_000

  package static func body(_ alert: Alert, action: Action? = nil, routingKey: Secret) -> [UInt8] {
    let action = action ?? Action(alert.status)
    var event: [(key: String, value: JSONText.Value)] = [
      ("routing_key", .string(routingKey.reveal())), ("event_action", .string(action.rawValue)),
      ("dedup_key", .string(StableID.text(alert.incident, limit: 255))),
    ]
    guard action == .trigger else { return JSONText.bytes(.object(event)) }
    event.append(("client", .string("cloudjobs")))
    return AlertSheet.fitted(
      alert, [AlertSheet.Size(64, 2000)] + AlertSheet.sizes,
      make: { JSONText.bytes(.object(event + [("payload", payload(alert, $0))])) }, fits: { $0.count <= bodyLimit })
  }

  private static func payload(_ alert: Alert, _ sheet: AlertSheet) -> JSONText.Value {
    func label(_ key: String) -> String? {
      guard let text = alert.labels[key].map({ TextCut.units(Redactor.printable($0), 255) }), !text.isEmpty else {
        return nil
      }
      return text
    }
    var payload: [(key: String, value: JSONText.Value)] = [
      ("summary", .string(TextCut.units(sheet.title, 1024))),
      ("source", .string(alert.job?.rawValue ?? label("provider") ?? "cloudjobs")),
      // PagerDuty's words for how severe something is include ours.
      ("severity", .string(alert.severity.rawValue)),
      ("timestamp", .string(alert.at.iso8601(milliseconds: true))), ("class", .string(alert.rule.rawValue)),
    ]
    if let name = label("name") { payload.append(("component", .string(name))) }
    if let provider = label("provider") { payload.append(("group", .string(provider))) }
    var details: [(key: String, value: JSONText.Value)] = []
    for fact in sheet.facts {
      var key = fact.label
      var number = 2
      while details.contains(where: { $0.key == key }) {
        key = "\(fact.label) (\(number))"
        number += 1
      }
      details.append((key, .string(fact.value)))
    }
    if let command = sheet.nextCommand { details.append(("Next command", .string(command))) }
    if let remark = sheet.remark { details.append(("Cut", .string(remark))) }
    payload.append(("custom_details", .object(details)))
    return .object(payload)
  }
}
