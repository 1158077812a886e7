package import Foundation

/// An AWS on loopback (`Servers/fake_aws.py`): EC2 in all regions, STS, and what is needed of SSM and Secrets Manager.
///
/// Its controls take JSON, as the head of that file describes them.
package struct LoopbackAWS: Sendable {
  /// The key that it knows from the start.
  package static let keyID = "AKIACLOUDJOBSTEST001"
  package static let secret = "cloudjobs-test-secret"

  package struct State: Sendable, Decodable {
    package struct Region: Sendable, Decodable {
      package var instances: [Instance]
      package var requests: [Request]
    }

    package struct Instance: Sendable, Decodable {
      package var id: String
      package var type: String
      package var zone: String
      /// `spot` or `on-demand`.
      package var market: String
      package var state: String
      /// The code of the state's reason, as in `Client.UserInitiatedShutdown`.
      package var reason: String?
      package var tags: [String: String]
      /// The client token, or nothing.
      package var token: String
      /// Seconds since 1970, on its clock.
      package var launched: Double
      package var request: String?
      package var `private`: String?
      package var `public`: String?
      /// In base64.
      package var userData: String?
    }

    package struct Request: Sendable, Decodable {
      package var id: String
      package var state: String
      package var status: String
      package var instance: String?
    }

    /// Its clock: seconds since 1970.
    package var now: Double
    package var regions: [String: Region]
    /// By region and action; those of other services as in `ssm:GetParameter`.
    package var calls: [String: [String: Int]]
    /// What was asked that AWS would not have understood or believed.
    package var violations: [String]
    /// How many calls the token buckets refused, by region and action.
    package var throttled: [String: Int]
    /// How often each fault has hit.
    package var hits: [Int]

    /// The only instance, if there is one, of all regions.
    package var instances: [Instance] { regions.values.flatMap(\.instances) }
  }

  package let server: LoopbackServer

  package var endpoint: String { server.url("") }

  /// What a program must be given to find it, and nothing else.
  package var environment: [String: String] {
    [
      "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": Self.keyID, "AWS_SECRET_ACCESS_KEY": Self.secret,
      "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    ]
  }

  /// Whether what it is made of is installed, by `Scripts/setup --test`.
  package static let isInstalled: Bool = {
    if ProcessInfo.processInfo.environment["CLOUDJOBS_TEST_PYTHON"] != nil { return true }
    let libraries = LoopbackServer.packageRoot.appendingPathComponent(".venv/lib").path
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: libraries)) ?? []
    return versions.contains { version in
      ["boto3", "moto"].allSatisfy {
        FileManager.default.fileExists(atPath: "\(libraries)/\(version)/site-packages/\($0)/__init__.py")
      }
    }
  }()

  /// Gives a control its options; what it answers is JSON.
  @discardableResult
  package func control(_ name: String, _ json: String = "{}") async throws -> Data {
    try await server.ask("/_ctl/" + name, json)
  }

  package func state() async throws -> State {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(State.self, from: await server.ask("/_ctl/state"))
  }

  /// Moves the clock of its instances on. Signatures are still judged by the real time.
  package func advance(_ seconds: Double) async throws { try await control("clock", #"{"advance": \#(seconds)}"#) }
}

/// An S3 on loopback: rclone (`Servers/s3.py`), whose objects are plain files, or radosgw (`Servers/radosgw.py`), which is
/// as strict as Amazon's.
package struct LoopbackS3: Sendable {
  package static let keyID = "AKIACLOUDJOBSTEST001"
  package static let secret = "cloudjobs-test-secret"

  package let server: LoopbackServer
  /// Holds what is stored; with rclone, a folder for every bucket.
  package let folder: String

  package var endpoint: String { server.url("") }

  /// Whether the rclone that can serve it is installed, by `Scripts/setup --test`.
  package static let isInstalled: Bool =
    FileManager.default.isExecutableFile(
      atPath: URL(fileURLWithPath: LoopbackServer.python).deletingLastPathComponent().appendingPathComponent("rclone")
        .path)

  /// Whether radosgw is installed. `Scripts/setup` doesn't do that, for it brings 60 packages.
  package static let isStrictInstalled = ["radosgw", "ceph-mon", "ceph-osd"].allSatisfy(Workplace.has)
}

extension LoopbackServer {
  /// Starts an AWS without instances, gives it to `body`, and fails if it was asked what AWS would not have understood
  /// or believed. Give `strict: false` where a test does that on purpose.
  package static func aws<Result>(
    strict: Bool = true, _ body: (LoopbackAWS) async throws -> Result
  ) async throws -> Result {
    try await run("fake_aws") { server in
      let aws = LoopbackAWS(server: server)
      let result = try await body(aws)
      let violations = strict ? try await aws.state().violations : []
      guard violations.isEmpty else { throw Failure(description: "the AWS saw \(violations)") }
      return result
    }
  }

  /// Starts an S3 with these buckets below a folder, and gives it to `body`: rclone in half a second, or, if it shall be
  /// strict, radosgw in 20 s.
  package static func s3<Result>(
    in folder: String, buckets: [String], strict: Bool = false, _ body: (LoopbackS3) async throws -> Result
  ) async throws -> Result {
    let arguments = ["--folder", folder, "--key", "\(LoopbackS3.keyID),\(LoopbackS3.secret)"]
    return try await run(strict ? "radosgw" : "s3", arguments + buckets.flatMap { ["--bucket", $0] }) { server in
      try await body(LoopbackS3(server: server, folder: folder))
    }
  }

  /// GETs a path, or POSTs JSON to it, and throws what is answered with a failure.
  package func ask(_ path: String, _ json: String? = nil) async throws -> Data {
    try await ask(path, body: json.map { Array($0.utf8) })
  }
}
