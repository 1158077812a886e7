import JobModel

/// What a program gets of an alert: one line with the JSON that a webhook gets, the same in every try. Pure.
package enum CommandFormat {
  package static func input(_ message: AlertMessage) -> [UInt8] {
    WebhookFormat.body(message.alert) + [UInt8(ascii: "\n")]
  }
}
