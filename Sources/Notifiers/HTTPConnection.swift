package import Transport

/// Where a service is, and how it is reached over HTTP, whatever it is told.
package struct HTTPConnection: Sendable, Hashable {
  /// `http` or `https`. A secret, because the addresses of many services are their keys.
  package var url: Secret
  /// Sent beside the channel's own, an `Authorization` for a proxy in front of the service for instance.
  package var headers: [HTTPRequest.Header]
  /// From the start of a request to the last byte of its answer.
  package var timeout: Duration
  /// Whether the service may be on this machine or on a private network.
  package var allowPrivate: Bool
  package var useEnvironmentProxy: Bool
  /// Certificates (PEM) to trust in place of the system's bundle file.
  package var caFile: String?

  package init(
    _ url: Secret, headers: [HTTPRequest.Header] = [], timeout: Duration = .seconds(20), allowPrivate: Bool = false,
    useEnvironmentProxy: Bool = false, caFile: String? = nil
  ) {
    self.url = url
    self.headers = headers
    self.timeout = timeout
    self.allowPrivate = allowPrivate
    self.useEnvironmentProxy = useEnvironmentProxy
    self.caFile = caFile
  }

  /// A `POST` of JSON, if nothing else is said.
  func post(
    _ url: Secret, headers own: [HTTPRequest.Header] = [], _ body: [UInt8], contentType: String? = nil
  ) -> HTTPRequest {
    var request = HTTPRequest(
      .post, url, headers: [.init("Content-Type", Secret(contentType ?? "application/json"))] + own + headers,
      body: body)
    request.timeout = timeout
    // A service that thinks for long is not one that is stuck: a repeat would reach it a second time.
    request.stallTimeout = nil
    request.allowPrivate = allowPrivate
    request.useEnvironmentProxy = useEnvironmentProxy
    request.caFile = caFile
    return request
  }
}

extension Secret {
  /// The address with `path`, which begins with `/`, put behind its own path. A query stays; a fragment goes.
  func appending(path: String) -> Secret {
    let text = reveal()
    let fragment = text.firstIndex(of: "#") ?? text.endIndex
    let query = text[..<fragment].firstIndex(of: "?") ?? fragment
    var base = text[..<query]
    while base.last == "/" { base.removeLast() }
    return Secret(base + path + text[query..<fragment])
  }

  /// The address with `item`, `wait=true` for instance, added to its query.
  func appending(query item: String) -> Secret {
    let text = reveal().prefix { $0 != "#" }
    return Secret(text + (text.contains("?") ? "&" : "?") + item)
  }
}
