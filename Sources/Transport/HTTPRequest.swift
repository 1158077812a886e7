/// One HTTP request. Printing it shows no secret.
package struct HTTPRequest: Sendable, Hashable {
  package enum Method: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  /// A header. Its value is a secret because some are, and nobody should have to remember which.
  package struct Header: Sendable, Hashable {
    package var name: String
    package var value: Secret
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = Secret(value)
    }
    package init(_ name: String, _ value: Secret) {
      self.name = name
      self.value = value
    }
  }

  /// A piece of a file as a body. It is read while it is sent, so its size does not matter; the file must not change
  /// meanwhile.
  package struct FilePiece: Sendable, Hashable {
    package var path: String
    package var offset: Int64
    package var length: Int64
    /// Told how much was taken from the file, if somebody wants to know.
    package var counter: ByteCounter?

    package init(path: String, offset: Int64 = 0, length: Int64, counter: ByteCounter? = nil) {
      self.path = path
      self.offset = offset
      self.length = length
      self.counter = counter
    }
  }

  /// What happens to an answer that is larger than `bodyLimit`.
  package enum Overflow: Sendable, Hashable {
    /// The first `bodyLimit` bytes are the answer; the rest is never read.
    case truncate
    /// `TransportError.Code.tooLarge`.
    case fail
  }

  package var method: Method
  /// `http` or `https`. A secret, since the addresses of webhooks are keys.
  package var url: Secret
  package var headers: [Header]
  package var body: [UInt8]?
  /// The body, in place of `body`; only with `put`.
  package var filePiece: FilePiece?
  /// Where the body of a 2xx answer goes, whatever its size. The file is made, or emptied if it is there; it is only whole
  /// when `send` has returned.
  package var destination: String?
  /// Resolving, connecting and the TLS handshake.
  package var connectTimeout: Duration = .seconds(10)
  /// Everything from the start to the last byte of the answer.
  package var timeout: Duration = .seconds(30)
  /// The transfer is given up if it moves less than one byte a second for this long; nil leaves that to `timeout`.
  package var stallTimeout: Duration? = .seconds(20)
  package var bodyLimit: Int = 64 * 1024
  package var overflow: Overflow = .truncate
  /// Whether private, link-local and loopback addresses may be connected to.
  package var allowPrivate: Bool = false
  /// Whether `http_proxy` and its relatives are obeyed. The address rule then applies to the proxy.
  package var useEnvironmentProxy: Bool = false
  /// Certificates (PEM) that are trusted in place of the system's bundle file.
  package var caFile: String?

  package init(_ method: Method, _ url: Secret, headers: [Header] = [], body: [UInt8]? = nil) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
  }

  package init(_ method: Method, _ url: String, headers: [Header] = [], body: [UInt8]? = nil) {
    self.init(method, Secret(url), headers: headers, body: body)
  }

  /// Everything of this request that must not appear in a text.
  var redactor: Redactor {
    // Short header values are things like `1` and `text/plain`; masking them would only garble messages.
    Redactor([url] + headers.map(\.value).filter { $0.reveal().utf8.count >= 12 })
  }

  /// Refuses what could be misread on the wire: control characters in the address or a header, other protocols.
  package func check() throws(TransportError) {
    let address = url.reveal()
    let place = Redactor.origin(of: address)
    guard let parts = URLParts(address), parts.prefix.isEmpty, !parts.host.isEmpty,
      ["http", "https"].contains(parts.scheme.lowercased())
    else {
      throw TransportError(
        .invalidRequest, "The address \(place) is not an http or https URL", remedy: "Write it as https://host/path.")
    }
    guard address.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
      throw TransportError(
        .invalidRequest, "The address \(place) contains a blank or a control character",
        remedy: "Remove it, or write it as %XX.")
    }
    for header in headers {
      guard !header.name.isEmpty, header.name.utf8.allSatisfy(Self.isTokenByte) else {
        throw TransportError(
          .invalidRequest, "\"\(Redactor.bounded(Redactor.printable(header.name), limit: 64))\" is not a header name",
          remedy: "Use letters, digits and hyphens.")
      }
      guard header.value.reveal().utf8.allSatisfy({ $0 != 0 && $0 != 10 && $0 != 13 }) else {
        throw TransportError(
          .invalidRequest, "The value of header \(header.name) contains a line break or a NUL",
          remedy: "Header values are one line; check for a newline at the end of a secret's file.")
      }
    }
    for path in [caFile, filePiece?.path, destination].compactMap({ $0 }) where path.utf8.contains(0) {
      throw TransportError(.invalidRequest, "The name of a file for \(place) contains a NUL")
    }
    if let filePiece, method != .put || body != nil || filePiece.offset < 0 || filePiece.length < 0 {
      throw TransportError(.invalidRequest, "A piece of a file can only be the one body of a PUT")
    }
  }

  /// `tchar` of RFC 9110, section 5.6.2.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}

/// What a server answered. A redirect is an answer like any other: it is never followed.
package struct HTTPResponse: Sendable, Hashable {
  package struct Field: Sendable, Hashable {
    package var name: String
    package var value: String
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  package var status: Int
  package var fields: [Field]
  package var body: [UInt8]
  /// Whether the body went on after `HTTPRequest.bodyLimit`.
  package var isTruncated: Bool
  /// From the `Retry-After` header, clamped to `RetryAfter.range`.
  package var retryAfter: Duration?
  /// From sending to the last byte.
  package var elapsed: Duration

  package init(
    status: Int, fields: [Field] = [], body: [UInt8] = [], isTruncated: Bool = false, retryAfter: Duration? = nil,
    elapsed: Duration = .zero
  ) {
    self.status = status
    self.fields = fields
    self.body = body
    self.isTruncated = isTruncated
    self.retryAfter = retryAfter
    self.elapsed = elapsed
  }

  /// The first header of that name, whatever its case.
  package func header(_ name: String) -> String? {
    let wanted = name.lowercased()
    return fields.first { $0.name.lowercased() == wanted }?.value
  }
}
