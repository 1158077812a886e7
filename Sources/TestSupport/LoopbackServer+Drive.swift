package import Foundation

/// A Google Drive on loopback (`Servers/fake_drive.py`), to which rclone's own drive backend talks without knowing it.
package struct LoopbackDrive: Sendable {
  /// A file or a folder on it. Several may have one path.
  package struct Entry: Sendable, Hashable, Codable {
    package var path: String
    package var id: String
    package var folder: Bool
    package var size: Int64
    package var md5: String
    package var trashed: Bool
  }

  package struct State: Sendable, Hashable, Codable {
    /// Requests by method and path.
    package var counts: [String: Int]
    /// What was asked or answered otherwise than Google documents it.
    package var violations: [String]
    /// Other hosts that were asked for.
    package var refused: [String]
    package var requests: Int
    /// Bytes of uploads.
    package var received: Int
    /// Requests that a rule has hit.
    package var hits: Int
  }

  private let server: LoopbackServer
  private let place: Workplace
  /// The configuration with the remote `gdrive`.
  package let configuration: String
  /// The authority that vouches for it.
  package let authority: String

  /// What rclone must be given to find it. The host that it asks for is Google's.
  package var environment: [String: String] {
    [
      "HTTPS_PROXY": proxy, "NO_PROXY": "", "no_proxy": "", "RCLONE_CA_CERT": authority, "RCLONE_CONFIG": configuration,
      // rclone holds itself back for Google's sake.
      "RCLONE_DRIVE_PACER_MIN_SLEEP": "10ms",
    ]
  }

  package var proxy: String { server.url("") }

  /// Starts an empty one, gives it to `body`, and fails if anything was asked of it that Google does not document, or
  /// of any other host.
  package static func run(in place: Workplace, _ body: (LoopbackDrive) async throws -> Void) async throws {
    let authority = place.path("drive-authority.pem")
    try await LoopbackServer.run("fake_drive", ["--ca", authority]) { server in
      let drive = LoopbackDrive(
        server: server, place: place, configuration: place.path("rclone.conf"), authority: authority)
      try drive.signIn()
      try await body(drive)
      let state = try await drive.state()
      guard state.violations.isEmpty, state.refused.isEmpty else {
        throw LoopbackServer.Failure(description: "the Drive saw \(state.violations + state.refused)")
      }
    }
  }

  /// Writes a configuration whose access token has to be renewed first.
  package func signIn() throws {
    try place.write(
      configuration,
      """
      [gdrive]
      type = drive
      client_id = test-client
      client_secret = test-secret
      scope = drive.file
      token = {"access_token":"old","token_type":"Bearer","refresh_token":"refresh","expiry":"2020-01-01T00:00:00Z"}

      """)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: configuration)
  }

  // MARK: Faults and looks, with JSON as the server's own description has it

  package func set(_ json: String) async throws { _ = try await control("set", json) }
  package func rule(_ json: String) async throws { _ = try await control("rule", json) }
  /// Lets go what is held, and takes all rules back.
  package func release() async throws { _ = try await control("release", "{}") }

  /// Puts a file there as somebody else would; `again` even if there is one.
  package func plant(_ path: String, _ content: String, again: Bool = false) async throws {
    let body = try JSONEncoder().encode(["path": path, "content": content, again ? "again" : "once": "yes"])
    _ = try await control("plant", String(decoding: body, as: UTF8.self))
  }

  package func rename(_ id: String, to name: String) async throws {
    _ = try await control("rename", String(decoding: JSONEncoder().encode(["id": id, "name": name]), as: UTF8.self))
  }

  package func delete(_ path: String) async throws {
    _ = try await control("delete", String(decoding: JSONEncoder().encode(["path": path]), as: UTF8.self))
  }

  package func entries() async throws -> [Entry] {
    try JSONDecoder().decode([Entry].self, from: await control("files"))
  }

  package func content(_ entry: Entry) async throws -> Data { try await control("content?id=\(entry.id)") }

  package func state() async throws -> State { try JSONDecoder().decode(State.self, from: await control("state")) }

  /// Returns when so much was seen, as in `received=500000` or `hits=1`, and throws if it was not within half a minute.
  package func wait(_ what: String) async throws { _ = try await control("wait?seconds=30&\(what)") }

  private func control(_ path: String, _ json: String? = nil) async throws -> Data {
    var words = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "40"]
    if let json { words += ["--data-binary", json] }
    let file = place.path("drive-answer-\(UUID().uuidString)")
    words += ["--output", file, server.url("/control/" + path)]
    let outcome = try await place.program("/usr/bin/env", words).outcome()
    guard outcome.code == 0 else {
      throw LoopbackServer.Failure(description: "the Drive was asked for \(path): \(outcome)")
    }
    // An empty answer leaves no file.
    defer { try? FileManager.default.removeItem(atPath: file) }
    return FileManager.default.contents(atPath: file) ?? Data()
  }
}
