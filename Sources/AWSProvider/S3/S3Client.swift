internal import Foundation
internal import JobModel
internal import Transport

/// Amazon S3, or what speaks as it does.
///
/// A bucket that turns out to be in another region is asked there, once and from then on. Every body that is sent carries its
/// SHA-256, by which S3 refuses what was damaged on the way.
package struct S3Client: Sendable {
  package let client: AWSClient
  private let regions = BucketRegions()

  package init(_ client: AWSClient) { self.client = client }

  // MARK: - Objects

  /// Stores an object. Idempotent: the same content again is the same object.
  ///
  /// - Parameters:
  ///   - metadata: printable ASCII.
  ///   - ifAbsent: refuse with `AWSError.Code.precondition` if there is an object of that name.
  /// - Returns: the entity tag.
  @discardableResult
  package func put(
    _ bucket: String, _ key: String, _ body: S3Body, metadata: [String: String] = [:], ifAbsent: Bool = false
  ) async throws(AWSError) -> String {
    var request = S3Request(.put, "PutObject", bucket, key)
    request.body = body
    request.headers = metadata.map { .init("x-amz-meta-" + $0.key, $0.value) }
    if ifAbsent { request.headers.append(.init("If-None-Match", "*")) }
    let response = try await send(request)
    try verify(response, body.sha256, request)
    return S3Reply.etag(response.header("ETag"))
  }

  /// An object's content, or nil if there is none.
  ///
  /// - Parameter limit: in bytes; `AWSError.Code.unreadable` for a larger one.
  package func get(_ bucket: String, _ key: String, limit: Int) async throws(AWSError) -> S3Content? {
    guard case .content(let content) = try await get(bucket, key, limit: limit, unless: nil) else { return nil }
    return content
  }

  package enum Answer: Sendable, Hashable {
    case content(S3Content)
    /// It still has the entity tag that was given.
    case unchanged
    case absent
  }

  /// An object's content unless it has the entity tag `unless`.
  package func get(_ bucket: String, _ key: String, limit: Int, unless etag: String?) async throws(AWSError) -> Answer {
    var request = S3Request(.get, "GetObject", bucket, key)
    request.headers = [.init("x-amz-checksum-mode", "ENABLED")]
    if let etag { request.headers.append(.init("If-None-Match", "\"\(etag)\"")) }
    request.accepted = [304]
    // A refusal has to fit too.
    request.options.replyLimit = max(limit, 64 * 1024)
    do throws(AWSError) {
      let response = try await send(request)
      if response.status == 304 { return .unchanged }
      guard response.body.count <= limit else {
        throw AWSError(.unreadable, "\(request.title): it is larger than \(limit) bytes", status: response.status)
      }
      try verify(response, SHA256Digest(of: response.body), request)
      return .content(
        S3Content(info: S3Reply.info(response, size: Int64(response.body.count)), bytes: response.body))
    } catch {
      if error.code == .notFound, error.serviceCode != "NoSuchBucket" { return .absent }
      throw error
    }
  }

  /// Writes an object, or a range of it, to a file, which is made or emptied first and is only whole when this returns.
  @discardableResult
  package func download(
    _ bucket: String, _ key: String, to path: String, range: Range<Int64>? = nil, timeout: Duration = .seconds(3600)
  ) async throws(AWSError) -> S3ObjectInfo {
    var request = S3Request(.get, "GetObject", bucket, key)
    if let range { request.headers = [.init("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")] }
    request.destination = path
    request.options = CallOptions(isIdempotent: true, deadline: timeout, tryTimeout: timeout, replyLimit: 64 * 1024)
    let response = try await send(request)
    return S3Reply.info(response, size: response.header("Content-Length").flatMap { Int64($0) } ?? 0)
  }

  /// What is said of an object, or nil if there is none.
  package func head(_ bucket: String, _ key: String) async throws(AWSError) -> S3ObjectInfo? {
    var request = S3Request(.head, "HeadObject", bucket, key)
    request.headers = [.init("x-amz-checksum-mode", "ENABLED")]
    do throws(AWSError) {
      let response = try await send(request)
      return S3Reply.info(response, size: response.header("Content-Length").flatMap { Int64($0) } ?? 0)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  /// Up to a thousand objects whose keys begin with `prefix`, in the order of their keys.
  ///
  /// - Parameter token: from the page before.
  package func list(
    _ bucket: String, prefix: String, after token: String? = nil
  ) async throws(AWSError) -> S3Page {
    var request = S3Request(.get, "ListObjectsV2", bucket, nil)
    request.query = [.init("list-type", "2"), .init("prefix", prefix), .init("encoding-type", "url")]
    if let token { request.query.append(.init("continuation-token", token)) }
    return try S3Reply.page(try await xml(request), title: request.title)
  }

  /// All objects whose keys begin with `prefix`.
  package func listAll(_ bucket: String, prefix: String) async throws(AWSError) -> [StoredObject] {
    var objects: [StoredObject] = []
    var token: String?
    repeat {
      let page = try await list(bucket, prefix: prefix, after: token)
      objects += page.objects
      token = page.next
    } while token != nil
    return objects
  }

  /// Deletes an object; one that is not there is deleted already.
  package func delete(_ bucket: String, _ key: String) async throws(AWSError) {
    do throws(AWSError) {
      _ = try await send(S3Request(.delete, "DeleteObject", bucket, key))
    } catch {
      guard error.code == .notFound, error.serviceCode != "NoSuchBucket" else { throw error }
    }
  }

  /// Deletes any number of objects, a thousand a call.
  ///
  /// - Throws: the first refusal; the others were tried.
  package func delete(_ bucket: String, _ keys: [String]) async throws(AWSError) {
    var refusal: AWSError?
    // What XML 1.0 has no way to write goes by a call of its own.
    for key in keys where !S3Reply.isWritable(key) { try await delete(bucket, key) }
    let writable = keys.filter(S3Reply.isWritable)
    for start in stride(from: 0, to: writable.count, by: 1000) {
      let batch = writable[start..<min(start + 1000, writable.count)]
      let body = S3Reply.deletion(Array(batch))
      var request = S3Request(.post, "DeleteObjects", bucket, nil)
      request.query = [.init("delete", "")]
      request.body = .bytes(body)
      request.headers = [.init("Content-MD5", S3Reply.md5(body)), .init("Content-Type", "application/xml")]
      let node = try await xml(request)
      for error in node.all("Error") where error.text("Code") != "NoSuchKey" {
        refusal =
          refusal
          ?? AWSError(
            .denied, "\(request.title): \(error.text("Key") ?? "?"): \(error.text("Code") ?? "?")",
            remedy: "Ask who administers the account for this permission.", serviceCode: error.text("Code"))
      }
    }
    if let refusal { throw refusal }
  }

  /// An address by which somebody without credentials may do one thing with one object, for at most `lifetime`.
  package func presign(
    _ method: PresignedAddress.Method, _ bucket: String, _ key: String, lifetime: Duration
  ) async throws(AWSError) -> PresignedAddress {
    let region = regions[bucket] ?? client.settings.region
    let place = client.settings.endpoints.bucket(bucket, region: region)
    let verb: HTTPRequest.Method =
      switch method {
      case .get: .get
      case .put: .put
      case .delete: .delete
      }
    let request = AWSRequest(verb, place.endpoint, path: place.prefix + "/" + key)
    let (url, until) = try await client.presign(request, service: .s3, region: region, lifetime: lifetime)
    return PresignedAddress(url: url.reveal(), until: until)
  }

  /// Where the bucket was found to be; before it was asked anything, the settings' region.
  package func region(of bucket: String) -> String { regions[bucket] ?? client.settings.region }

  // MARK: - Sending

  func xml(_ request: S3Request) async throws(AWSError) -> XMLNode {
    let response = try await send(request)
    do throws(XMLReader.Failure) {
      return try XMLReader.read(response.body)
    } catch {
      throw AWSError(
        .unreadable, "\(request.title): the answer is not what S3 sends: \(error)", status: response.status,
        mayHaveHappened: true)
    }
  }

  /// Sends a request to where the bucket is.
  func send(_ request: S3Request) async throws(AWSError) -> HTTPResponse {
    let region = regions[request.bucket] ?? client.settings.region
    do throws(AWSError) {
      return try await send(request, region)
    } catch {
      guard error.code == .wrongRegion else { throw error }
      guard let other = error.region, other != region else { throw error }
      let response = try await send(request, other)
      regions[request.bucket] = other
      return response
    }
  }

  private func send(_ request: S3Request, _ region: String) async throws(AWSError) -> HTTPResponse {
    let place = client.settings.endpoints.bucket(request.bucket, region: region)
    var call = ServiceCall(service: .s3, region: region, action: request.action, options: request.options)
    call.subject = request.subject
    call.classes = ThrottleClass.of(.s3, action: request.action, parameters: [])
    call.accepted = request.accepted
    call.destination = request.destination
    call.request = AWSRequest(
      request.method, place.endpoint, path: place.prefix + "/" + (request.key ?? ""), query: request.query,
      headers: request.headers)
    if let body = request.body {
      let digest = body.sha256
      call.request.payload = .sha256(digest)
      // For the bytes as they are stored; the signature's hash is not kept.
      call.request.headers += [.init("x-amz-checksum-sha256", digest.base64)]
      switch body {
      case .bytes(let bytes): call.body = bytes
      case .file(let path, let offset, let length, _, let counter):
        call.piece = HTTPRequest.FilePiece(path: path, offset: offset, length: length, counter: counter)
      }
    }
    return try await client.perform(call)
  }

  /// What S3 says the SHA-256 is must be what it is.
  func verify(_ response: HTTPResponse, _ digest: SHA256Digest, _ request: S3Request) throws(AWSError) {
    // With a hyphen it is one of parts.
    guard let said = response.header("x-amz-checksum-sha256"), !said.contains("-"), said != digest.base64 else {
      return
    }
    throw AWSError(
      .unreadable, "\(request.title): the content is damaged, its SHA-256 is another one", remedy: "Try again.",
      mayHaveHappened: true)
  }
}
