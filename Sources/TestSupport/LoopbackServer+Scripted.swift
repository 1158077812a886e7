internal import Foundation

extension LoopbackServer {
  /// One prepared answer of a scripted server (`Servers/scripted_http.py`).
  package struct Answer: Sendable, Encodable {
    package var status: Int
    package var headers: [[String]]
    package var body: String
    package var drop: Bool

    package init(_ status: Int = 200, _ body: String = "", headers: [String: String] = [:], drop: Bool = false) {
      self.status = status
      self.headers = headers.sorted { $0.key < $1.key }.map { [$0.key, $0.value] }
      self.body = body
      self.drop = drop
    }

    /// The connection is closed without an answer.
    package static let lost = Answer(drop: true)
  }

  /// Starts a server that gives these answers, one a request, gives it to `body`, and stops it whatever happens.
  package static func scripted<Result>(
    _ answers: [Answer], _ body: (LoopbackServer) async throws -> Result
  ) async throws -> Result {
    try await run("scripted_http") { server in
      for answer in answers { try server.say(String(decoding: JSONEncoder().encode(answer), as: UTF8.self)) }
      return try await body(server)
    }
  }
}
