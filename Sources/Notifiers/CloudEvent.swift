import JobModel
import Transport

/// The header fields that make a webhook a CloudEvent in binary mode
/// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md, section 3.1). Pure.
enum CloudEvent {
  /// A receiver that drops what it knows goes by `ce-source` and `ce-id`; the id is that of the message, `webhook-id`.
  static func headers(_ message: AlertMessage, id: String) -> [HTTPRequest.Header] {
    var fields = [
      ("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "/cloudjobs"),
      ("ce-type", "cloudjobs.alert.\(message.alert.rule.rawValue)"),
      ("ce-time", message.alert.at.iso8601(milliseconds: true)),
    ]
    if let job = message.alert.job { fields.append(("ce-subject", encoded(job.rawValue))) }
    return fields.map { HTTPRequest.Header($0.0, Secret($0.1)) }
  }

  /// Section 3.1.3.2: everything but printable ASCII, and blank, quote and percent, as percent signs and digits.
  static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case 0x21, 0x23, 0x24, 0x26...0x7E: result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.utf8.count < 2 ? "0" : "") + digits
      }
    }
    return result
  }
}
