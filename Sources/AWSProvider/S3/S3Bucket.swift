internal import JobModel

/// One bucket of S3 as an `ObjectStore`.
package struct S3Bucket: ObjectStore {
  package let bucket: String
  private let client: S3Client

  package init(_ bucket: String, _ client: S3Client) {
    self.bucket = bucket
    self.client = client
  }

  package var region: String { client.region(of: bucket) }
  package var clockSkew: Duration { client.client.allowance }

  package func read(_ key: String, limit: Int) async throws(AWSError) -> [UInt8]? {
    try await client.get(bucket, key, limit: limit)?.bytes
  }

  package func write(_ key: String, _ bytes: [UInt8]) async throws(AWSError) {
    try await client.put(bucket, key, .bytes(bytes))
  }

  package func list(_ prefix: String) async throws(AWSError) -> [StoredObject] {
    try await client.listAll(bucket, prefix: prefix)
  }

  package func delete(_ keys: [String]) async throws(AWSError) { try await client.delete(bucket, keys) }

  package func presigned(
    _ method: PresignedAddress.Method, _ key: String, lifetime: Duration
  ) async throws(AWSError) -> PresignedAddress {
    try await client.presign(method, bucket, key, lifetime: lifetime)
  }
}
