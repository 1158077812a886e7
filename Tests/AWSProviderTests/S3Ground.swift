import AWSProvider
import Foundation
import JobModel
import TestSupport
import Transport

/// A bucket on a real S3 server, and a folder to work in.
struct S3Ground {
  let server: LoopbackS3
  let client: S3Client
  let folder: String
  let bucket = "data"

  /// Starts the server, gives the ground to `body`, and removes everything.
  static func run(_ body: (S3Ground) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-s3-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder + "/work", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await LoopbackServer.s3(in: folder + "/s3", buckets: ["data"]) { server in
      try await body(S3Ground(server: server, client: try client(server.endpoint), folder: folder + "/work"))
    }
  }

  /// A client for what answers at `endpoint`, with this machine's clock: servers judge signatures by theirs.
  static func client(_ endpoint: String, secret: String = LoopbackS3.secret) throws -> S3Client {
    var settings = AWSSettings(
      region: "us-east-1", endpoints: try AWSEndpoints(environment: ["AWS_ENDPOINT_URL_S3": endpoint]))
    settings.maxTries = 3
    return S3Client(
      AWSClient(
        settings: settings, http: HTTPClient(),
        credentials: StaticCredentials(
          AWSCredentials(accessKeyID: LoopbackS3.keyID, secretKey: Secret(secret), source: "test")),
        clock: realTime))
  }

  static let realTime = AWSClock(
    now: { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) },
    sleep: { deadline in
      try await Task.sleep(for: deadline - Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)))
    })

  @discardableResult
  func file(_ name: String, _ content: Data) throws -> String {
    let path = folder + "/" + name
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try content.write(to: URL(fileURLWithPath: path))
    return path
  }

  /// What looks random, the same for the same seed.
  static func noise(_ count: Int, seed: UInt64 = 1) -> Data {
    var generator = SeededGenerator(seed: seed)
    var data = Data(capacity: count + 8)
    while data.count < count {
      withUnsafeBytes(of: generator.next()) { data.append(contentsOf: $0) }
    }
    return data.prefix(count)
  }
}
