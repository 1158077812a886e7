internal import Foundation
internal import JobModel
internal import Transport

/// A bucket of S3 for small objects: orders, beacons, plans.
package struct S3Objects: ObjectStore {
  package let bucket: String
  private let client: AWSClient
  private let region: String

  /// - Parameter region: the bucket's.
  package init(client: AWSClient, bucket: String, region: String) {
    self.client = client
    self.bucket = bucket
    self.region = region
  }

  package func read(_ key: String, limit: Int) async throws(AWSError) -> [UInt8]? {
    do throws(AWSError) {
      return try await perform("GetObject", request(.get, key), limit: limit).body
    } catch {
      if error.code == .notFound, error.serviceCode != "NoSuchBucket" { return nil }
      throw error
    }
  }

  package func write(_ key: String, _ bytes: [UInt8]) async throws(AWSError) {
    var request = request(.put, key)
    request.headers = [.init("Content-Type", "application/octet-stream")]
    request.payload = .sha256(SHA256Digest(of: bytes))
    _ = try await perform("PutObject", request, body: bytes)
  }

  package func list(_ prefix: String) async throws(AWSError) -> [StoredObject] {
    var all: [StoredObject] = []
    var token: String?
    for _ in 0..<100_000 {
      var request = request(.get, "")
      request.query = [
        .init("list-type", "2"), .init("prefix", prefix), .init("encoding-type", "url"), .init("max-keys", "1000"),
      ]
      if let token { request.query.append(.init("continuation-token", token)) }
      let response = try await perform("ListObjectsV2", request, limit: 8 << 20)
      let reply: XMLNode
      do { reply = try XMLReader.read(response.body) } catch {
        throw AWSError(.unreadable, "s3 ListObjectsV2 of \(bucket): the answer is not what S3 sends: \(error)")
      }
      all += reply.all("Contents").compactMap { node in
        guard let key = node.text("Key"), let modified = node.date("LastModified") else { return nil }
        return StoredObject(
          key: reply.text("EncodingType") == "url" ? PercentEncoding.decode(key) ?? key : key,
          size: node.integer("Size") ?? 0,
          etag: node.text("ETag") ?? "", modified: modified)
      }
      guard reply.bool("IsTruncated") == true, let next = reply.text("NextContinuationToken"), next != token else {
        return all
      }
      token = next
    }
    return all
  }

  package func delete(_ keys: [String]) async throws(AWSError) {
    for key in keys {
      do throws(AWSError) {
        _ = try await perform("DeleteObject", request(.delete, key))
      } catch { if error.code != .notFound { throw error } }
    }
  }

  package func presigned(
    _ method: PresignedAddress.Method, _ key: String, lifetime: Duration
  ) async throws(AWSError) -> PresignedAddress {
    let kind: HTTPRequest.Method =
      switch method {
      case .get: .get
      case .put: .put
      case .delete: .delete
      }
    var request = request(kind, key)
    request.payload = .unsigned
    let (url, until) = try await client.presignLongest(request, service: .s3, region: region, lifetime: lifetime)
    return PresignedAddress(url: url.reveal(), until: until)
  }

  private func request(_ method: HTTPRequest.Method, _ key: String) -> AWSRequest {
    let (endpoint, prefix) = client.settings.endpoints.bucket(bucket, region: region)
    return AWSRequest(method, endpoint, path: prefix + "/" + key)
  }

  private func perform(
    _ action: String, _ request: AWSRequest, body: [UInt8] = [], limit: Int = 65_536
  ) async throws(AWSError) -> HTTPResponse {
    var call = ServiceCall(
      service: .s3, region: region, action: action, options: CallOptions(isIdempotent: true, replyLimit: limit))
    call.request = request
    call.body = body
    return try await client.perform(call)
  }
}
