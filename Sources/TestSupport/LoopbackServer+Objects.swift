internal import Foundation

/// A bucket, a metadata service and a place for secrets on loopback (`Servers/objects.py`): what an instance of a cloud
/// talks to.
package struct LoopbackObjects: Sendable {
  package struct Object: Sendable, Hashable, Codable {
    package var text: String
    /// In milliseconds since 1970.
    package var modified: Int64
  }

  package struct State: Sendable, Hashable, Codable {
    package var objects: [String: Object]
    /// Requests by method and key.
    package var counts: [String: Int]
    package var connections: Int
  }

  package let server: LoopbackServer

  package static func run(_ body: (LoopbackObjects) async throws -> Void) async throws {
    try await LoopbackServer.run("objects") { try await body(LoopbackObjects(server: $0)) }
  }

  /// The address of an object as if it had been presigned; `name` can be revoked.
  package func url(_ key: String, _ name: String = "test") -> String { server.url("/o/\(key)?sig=\(name)") }

  package var metadata: String { server.url("") }
  package var secrets: String { server.url("/secrets") }

  /// An order of the server's own description, with its JSON.
  package func order(_ word: String, _ values: [String: Any]) async throws {
    _ = try await ask(word, JSONSerialization.data(withJSONObject: values))
  }

  package func put(_ key: String, _ text: String) async throws { try await order("put", ["key": key, "text": text]) }

  package func state() async throws -> State { try JSONDecoder().decode(State.self, from: await ask("state", Data())) }

  package func object(_ key: String) async throws -> Object? { try await state().objects[key] }

  private func ask(_ word: String, _ body: Data) async throws -> Data {
    try await server.ask("/control/" + word, body: Array(body))
  }
}
