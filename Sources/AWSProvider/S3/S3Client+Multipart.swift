internal import JobModel
internal import Transport

extension S3Client {
  /// The most parts an upload may have (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
  package static let partLimit = 10_000
  /// Every part but the last one must have at least so many bytes.
  package static let smallestPart: Int64 = 5 * 1024 * 1024

  /// Begins an upload in parts. What is uploaded is kept, and must be paid for, until it is completed or aborted.
  package func createUpload(
    _ bucket: String, _ key: String, metadata: [String: String] = [:]
  ) async throws(AWSError) -> S3Upload {
    var request = S3Request(.post, "CreateMultipartUpload", bucket, key)
    request.query = [.init("uploads", "")]
    request.headers = metadata.map { .init("x-amz-meta-" + $0.key, $0.value) }
    request.headers.append(.init("x-amz-checksum-algorithm", "SHA256"))
    guard let id = try await xml(request).text("UploadId") else {
      throw AWSError(.unreadable, "\(request.title): the answer names no upload")
    }
    return S3Upload(key: key, id: id)
  }

  /// Uploads a part; the same number again replaces it.
  package func uploadPart(
    _ bucket: String, _ upload: S3Upload, number: Int, _ body: S3Body
  ) async throws(AWSError) -> S3Part {
    var request = S3Request(.put, "UploadPart", bucket, upload.key)
    request.query = [.init("partNumber", String(number)), .init("uploadId", upload.id)]
    request.body = body
    let response = try await send(request)
    try verify(response, body.sha256, request)
    return S3Part(number: number, size: body.length, etag: S3Reply.etag(response.header("ETag")), sha256: body.sha256)
  }

  /// The parts that were uploaded so far, by number.
  package func listParts(_ bucket: String, _ upload: S3Upload) async throws(AWSError) -> [S3Part] {
    var parts: [S3Part] = []
    var marker: String?
    repeat {
      var request = S3Request(.get, "ListParts", bucket, upload.key)
      request.query = [.init("uploadId", upload.id)]
      if let marker { request.query.append(.init("part-number-marker", marker)) }
      let node = try await xml(request)
      for item in node.all("Part") {
        guard let number = item.integer("PartNumber"), let size = item.integer("Size") else {
          throw AWSError(.unreadable, "\(request.title): an entry of the listing can't be read")
        }
        parts.append(
          S3Part(
            number: Int(number), size: size, etag: S3Reply.etag(item.text("ETag")),
            sha256: item.text("ChecksumSHA256").flatMap(S3Reply.digest)))
      }
      let next = node.text("NextPartNumberMarker")
      marker = node.bool("IsTruncated") == true && next != marker ? next : nil
    } while marker != nil
    return parts.sorted { $0.number < $1.number }
  }

  /// The uploads to keys below `prefix` that were begun and not ended.
  package func listUploads(_ bucket: String, prefix: String) async throws(AWSError) -> [S3Upload] {
    var uploads: [S3Upload] = []
    var marker: (key: String, id: String)?
    var isMore = false
    repeat {
      var request = S3Request(.get, "ListMultipartUploads", bucket, nil)
      request.query = [.init("uploads", ""), .init("prefix", prefix), .init("encoding-type", "url")]
      if let marker { request.query += [.init("key-marker", marker.key), .init("upload-id-marker", marker.id)] }
      let node: XMLNode
      do throws(AWSError) {
        node = try await xml(request)
      } catch {
        // Amazon lists none; rclone says that there are none.
        if error.serviceCode == "NoSuchUpload" { return uploads }
        throw error
      }
      let isEncoded = node.text("EncodingType") == "url"
      func text(_ node: XMLNode, _ name: String) -> String? {
        node.text(name).flatMap { isEncoded ? S3Reply.decoded($0) : $0 }
      }
      for item in node.all("Upload") {
        guard let key = text(item, "Key"), let id = item.text("UploadId") else {
          throw AWSError(.unreadable, "\(request.title): an entry of the listing can't be read")
        }
        if key.hasPrefix(prefix) { uploads.append(S3Upload(key: key, id: id, initiated: item.date("Initiated"))) }
      }
      let next = (key: text(node, "NextKeyMarker") ?? "", id: node.text("NextUploadIdMarker") ?? "")
      // A server that names the same page again would be asked for ever.
      isMore = node.bool("IsTruncated") == true && !next.key.isEmpty && (marker.map { $0 != next } ?? true)
      marker = next
    } while isMore
    return uploads
  }

  /// Makes the object of its parts. Only now it can be seen.
  ///
  /// - Parameter size: of the whole; if the answer was lost and the upload is over, an object of this size is taken for it.
  /// - Returns: the entity tag.
  @discardableResult
  package func completeUpload(
    _ bucket: String, _ upload: S3Upload, _ parts: [S3Part], size: Int64
  ) async throws(AWSError) -> String {
    var request = S3Request(.post, "CompleteMultipartUpload", bucket, upload.key)
    request.query = [.init("uploadId", upload.id)]
    request.headers = [.init("Content-Type", "application/xml")]
    request.body = .bytes(S3Reply.completion(parts))
    // Putting ten thousand parts together takes minutes.
    request.options.tryTimeout = .seconds(600)
    request.options.deadline = .seconds(1800)
    var mayBeDone = false
    var attempt = 0
    while true {
      attempt += 1
      do throws(AWSError) {
        let node = try await xml(request)
        // S3 sends 200 before it knows how it ends (its API reference, "CompleteMultipartUpload").
        if let refusal = ServiceRefusal(node) {
          throw AWSError(refusal, status: 200, call: request.title, redactor: Redactor())
        }
        return S3Reply.etag(node.text("ETag"))
      } catch {
        mayBeDone = mayBeDone || error.mayHaveHappened
        if error.code == .notFound, mayBeDone, let found = try await head(bucket, upload.key), found.size == size {
          return found.etag
        }
        guard error.code == .unavailable, error.status == 200, attempt < 4 else { throw error }
        do {
          try await client.clock.sleep(client.clock.now() + .seconds(Int64(1 << attempt)))
        } catch {
          throw AWSError(.cancelled, "\(request.title) was cancelled")
        }
      }
    }
  }

  /// Throws the parts away; an upload that is not there is away already.
  package func abortUpload(_ bucket: String, _ upload: S3Upload) async throws(AWSError) {
    var request = S3Request(.delete, "AbortMultipartUpload", bucket, upload.key)
    request.query = [.init("uploadId", upload.id)]
    do throws(AWSError) {
      _ = try await send(request)
    } catch {
      guard error.code == .notFound, error.serviceCode != "NoSuchBucket" else { throw error }
    }
  }
}
