internal import Crypto
internal import Foundation
package import JobModel
package import Transport

/// AWS Signature Version 4 (AWS General Reference, "AWS Signature Version 4 for API requests"), in the header and in the
/// query.
///
/// What goes over the wire is what was signed, byte for byte: the path and the query are sent canonically encoded. So
/// libcurl must leave them alone (`CURLOPT_PATH_AS_IS`), and a redirect, which would need another signature, must not be
/// followed.
package struct SigV4: Sendable {
  package var credentials: AWSCredentials
  package var region: String
  /// As in the credential scope: `ec2`, `s3`.
  package var service: String

  package init(credentials: AWSCredentials, region: String, service: String) {
    self.credentials = credentials
    self.region = region
    self.service = service
  }

  private static let algorithm = "AWS4-HMAC-SHA256"

  /// The URL and all headers of `request`, the signature among them, valid for some minutes around `time`.
  package func sign(_ request: AWSRequest, at time: Timestamp) -> SignedRequest {
    let stamp = Self.stamp(time)
    var headers = request.headers
    headers.append(.init("X-Amz-Date", stamp))
    if let token = credentials.sessionToken { headers.append(.init("X-Amz-Security-Token", token.reveal())) }
    if isS3 { headers.append(.init("X-Amz-Content-SHA256", request.payload.text)) }
    let query = AWSRequest.encoded(request.query)
    let covered = Self.canonical(headers.filter { Self.isCovered($0.name) } + [.init("host", request.endpoint.host)])
    let signature = signature(
      request, query: query, headers: covered, payload: request.payload.text, stamp: stamp)
    var sent = headers.map { HTTPRequest.Header($0.name, $0.value) }
    sent.append(
      .init(
        "Authorization",
        "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope(stamp)), "
          + "SignedHeaders=\(Self.names(covered)), Signature=\(signature)"))
    return SignedRequest(url: request.url(query: query), headers: sent)
  }

  /// A URL by which anybody may make `request` between `time` and `lifetime` later. Whoever uses it must send the
  /// request's headers as they are, so there are best none.
  ///
  /// - Parameter lifetime: at most seven days; never longer than the credentials live.
  package func presign(_ request: AWSRequest, at time: Timestamp, lifetime: Duration) -> Secret {
    let stamp = Self.stamp(time)
    let covered = Self.canonical(
      request.headers.filter { Self.isCovered($0.name) } + [.init("host", request.endpoint.host)])
    var fields = request.query
    fields += [
      .init("X-Amz-Algorithm", Self.algorithm),
      .init("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope(stamp))"),
      .init("X-Amz-Date", stamp),
      .init("X-Amz-Expires", String(lifetime.components.seconds)),
      .init("X-Amz-SignedHeaders", Self.names(covered)),
    ]
    if let token = credentials.sessionToken { fields.append(.init("X-Amz-Security-Token", token.reveal())) }
    let query = AWSRequest.encoded(fields)
    let payload = isS3 ? AWSRequest.Payload.unsigned.text : request.payload.text
    let signature = signature(request, query: query, headers: covered, payload: payload, stamp: stamp)
    return Secret(request.url(query: query + "&X-Amz-Signature=" + signature))
  }

  // MARK: - Pieces

  private var isS3: Bool { service == "s3" }

  private func signature(
    _ request: AWSRequest, query: String, headers: [AWSRequest.Field], payload: String, stamp: String
  ) -> String {
    // S3 takes a path as it is sent. All others encode what was sent once more, after removing dots and double slashes.
    let path = isS3 ? request.encodedPath : PercentEncoding.encodePath(Self.normalised(request.encodedPath))
    let canonical = [
      request.method.rawValue, path, query, headers.map { "\($0.name):\($0.value)\n" }.joined(),
      Self.names(headers), payload,
    ].joined(separator: "\n")
    let text = [Self.algorithm, stamp, scope(stamp), SHA256Digest(of: canonical).hex].joined(separator: "\n")
    var key = Self.hmac(
      SymmetricKey(data: Data(("AWS4" + credentials.secretKey.reveal()).utf8)), String(stamp.prefix(8)))
    for part in [region, service, "aws4_request"] { key = Self.hmac(SymmetricKey(data: key), part) }
    return Hex.text(Self.hmac(SymmetricKey(data: key), text))
  }

  private static func hmac(_ key: SymmetricKey, _ text: String) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key))
  }

  private func scope(_ stamp: String) -> String { "\(stamp.prefix(8))/\(region)/\(service)/aws4_request" }

  /// `20261122T150355Z`.
  private static func stamp(_ time: Timestamp) -> String {
    String(time.iso8601().filter { $0 != "-" && $0 != ":" })
  }

  /// What must not be changed on the way. Anything else may be changed or added by a proxy.
  private static func isCovered(_ name: String) -> Bool {
    let name = name.lowercased()
    return name == "content-type" || name == "content-md5" || name.hasPrefix("x-amz-")
  }

  /// Lower case, sorted, trimmed, runs of blanks joined, equal names joined.
  private static func canonical(_ headers: [AWSRequest.Field]) -> [AWSRequest.Field] {
    var values: [String: [String]] = [:]
    for header in headers {
      let words = header.value.utf8.split { $0 == 0x20 || (9...13).contains($0) }
      values[header.name.lowercased(), default: []]
        .append(words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " "))
    }
    return values.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.joined(separator: ",")) }
  }

  private static func names(_ headers: [AWSRequest.Field]) -> String {
    headers.map(\.name).joined(separator: ";")
  }

  /// RFC 3986, section 5.2.4, and no double slashes.
  private static func normalised(_ path: String) -> String {
    var segments: [Substring] = []
    for segment in path.split(separator: "/") {
      switch segment {
      case ".": break
      case "..": _ = segments.popLast()
      default: segments.append(segment)
      }
    }
    let tail = path.hasSuffix("/") && !segments.isEmpty ? "/" : ""
    return "/" + segments.joined(separator: "/") + tail
  }
}
