import Crypto
package import Transport

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Signatures as Standard Webhooks 1.0.0 defines them: `v1,` and the base64 of
/// HMAC-SHA256(secret, "id.timestamp.body"). https://www.standardwebhooks.com
package struct WebhookSigner: Sendable {
  private let keys: [SymmetricKey]

  /// Takes secrets of the form `whsec_` + base64, the prefix being optional. Nil if one is not 24 to 64 bytes long.
  package init?(secrets: [Secret]) {
    var keys: [SymmetricKey] = []
    for secret in secrets {
      let text = secret.reveal()
      let encoded = text.hasPrefix("whsec_") ? String(text.dropFirst(6)) : text
      guard let bytes = Data(base64Encoded: encoded), (24...64).contains(bytes.count) else { return nil }
      keys.append(SymmetricKey(data: bytes))
    }
    self.keys = keys
  }

  /// The value of `webhook-signature`: one signature for each secret. Nil without secrets.
  package func signature(id: String, timestamp: Int64, body: [UInt8]) -> String? {
    guard !keys.isEmpty else { return nil }
    let signed = Array("\(id).\(timestamp).".utf8) + body
    return keys.map { key in
      let code = HMAC<SHA256>.authenticationCode(for: signed, using: key)
      return "v1," + Data(code).base64EncodedString()
    }.joined(separator: " ")
  }
}
