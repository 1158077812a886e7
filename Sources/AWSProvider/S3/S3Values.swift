package import JobModel
package import Transport

/// What S3 says of an object.
package struct S3ObjectInfo: Sendable, Hashable {
  package var size: Int64
  /// With its quotes removed.
  package var etag: String
  package var modified: Timestamp?
  /// What was given with it, names in small letters and without `x-amz-meta-`.
  package var metadata: [String: String]
  /// Of the whole object, if S3 was given one or computed one.
  package var sha256: SHA256Digest?

  package init(
    size: Int64, etag: String, modified: Timestamp? = nil, metadata: [String: String] = [:], sha256: SHA256Digest? = nil
  ) {
    self.size = size
    self.etag = etag
    self.modified = modified
    self.metadata = metadata
    self.sha256 = sha256
  }
}

/// An object's content, and what is said of it.
package struct S3Content: Sendable, Hashable {
  package var info: S3ObjectInfo
  package var bytes: [UInt8]
}

/// One page of a listing.
package struct S3Page: Sendable, Hashable {
  package var objects: [StoredObject]
  /// Continues the listing; nil if this was the last page.
  package var next: String?
}

/// A multipart upload that was begun and neither completed nor aborted.
package struct S3Upload: Sendable, Hashable {
  package var key: String
  package var id: String
  package var initiated: Timestamp?

  package init(key: String, id: String, initiated: Timestamp? = nil) {
    self.key = key
    self.id = id
    self.initiated = initiated
  }
}

/// A part that was uploaded.
package struct S3Part: Sendable, Hashable {
  /// Counted from 1, at most 10,000.
  package var number: Int
  package var size: Int64
  /// With its quotes removed.
  package var etag: String
  package var sha256: SHA256Digest?

  package init(number: Int, size: Int64, etag: String, sha256: SHA256Digest? = nil) {
    self.number = number
    self.size = size
    self.etag = etag
    self.sha256 = sha256
  }
}

/// What an object is made of.
package enum S3Body: Sendable, Hashable {
  case bytes([UInt8])
  /// A piece of a file whose SHA-256 is known already.
  case file(path: String, offset: Int64, length: Int64, sha256: SHA256Digest, counter: ByteCounter? = nil)

  var length: Int64 {
    switch self {
    case .bytes(let bytes): Int64(bytes.count)
    case .file(_, _, let length, _, _): length
    }
  }

  var sha256: SHA256Digest {
    switch self {
    case .bytes(let bytes): SHA256Digest(of: bytes)
    case .file(_, _, _, let digest, _): digest
    }
  }
}
