import Foundation
import TestSupport

extension LoopbackServer {
  /// What webhooks have told this receiver, in its order: `job_failed event`, `sync_failing resolved`, ….
  func toldAlerts() throws -> [String] {
    try records().compactMap { record in
      guard let body = (record["body"] as? String).flatMap({ Data(base64Encoded: $0) }),
        let message = try? JSONSerialization.jsonObject(with: body) as? [String: Any],
        let data = message["data"] as? [String: Any], let rule = data["rule"] as? String
      else { return nil }
      return [rule, data["status"] as? String].compactMap(\.self).joined(separator: " ")
    }
  }
}
