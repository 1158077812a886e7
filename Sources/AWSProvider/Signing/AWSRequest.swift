package import Transport

/// A request before it is signed: everything the signature covers, none of it encoded yet.
package struct AWSRequest: Sendable, Hashable {
  /// One name and value of a query or of headers.
  package struct Field: Sendable, Hashable {
    package var name: String
    package var value: String
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What the signature says of the body.
  package enum Payload: Sendable, Hashable {
    case sha256(SHA256Digest)
    /// The body is not covered; S3 alone allows that.
    case unsigned

    var text: String {
      switch self {
      case .sha256(let digest): digest.hex
      case .unsigned: "UNSIGNED-PAYLOAD"
      }
    }

    package static let empty = Payload.sha256(SHA256Digest(of: [UInt8]()))
  }

  package var method: HTTPRequest.Method
  package var endpoint: Endpoint
  /// Below the endpoint's own path, beginning with a slash.
  package var path: String
  package var query: [Field]
  /// Without `Host` and what signing adds.
  package var headers: [Field]
  package var payload: Payload

  package init(
    _ method: HTTPRequest.Method, _ endpoint: Endpoint, path: String = "/", query: [Field] = [], headers: [Field] = [],
    payload: Payload = .empty
  ) {
    self.method = method
    self.endpoint = endpoint
    self.path = path
    self.query = query
    self.headers = headers
    self.payload = payload
  }

  /// The path as it goes over the wire.
  var encodedPath: String { PercentEncoding.encodePath(endpoint.path + path) }

  /// The query as it goes over the wire, in canonical order: by encoded name, then by encoded value.
  static func encoded(_ query: [Field]) -> String {
    query.map { (PercentEncoding.encode($0.name), PercentEncoding.encode($0.value)) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { $0.0 + "=" + $0.1 }.joined(separator: "&")
  }

  func url(query: String) -> String { endpoint.origin + encodedPath + (query.isEmpty ? "" : "?" + query) }
}

/// A signed request as it goes over the wire.
package struct SignedRequest: Sendable, Hashable {
  package var url: String
  package var headers: [HTTPRequest.Header]
}
