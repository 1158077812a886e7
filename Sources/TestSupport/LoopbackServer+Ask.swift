package import Foundation
internal import Transport

extension LoopbackServer {
  /// One for all: a program for each question would be slow, and Foundation's `Process` crashes now and then in a process with
  /// many open files (it copies more of a directory entry than there is).
  private static let http = HTTPClient()

  /// GETs a path, or POSTs a body to it, and throws what is answered with a failure.
  package func ask(_ path: String, body: [UInt8]?) async throws -> Data {
    var request = HTTPRequest(body == nil ? .get : .post, Secret(url(path)))
    request.body = body
    request.timeout = .seconds(60)
    request.bodyLimit = 64 << 20
    request.overflow = .fail
    request.allowPrivate = true
    let response = try await Self.http.send(request)
    guard (200..<300).contains(response.status) else {
      throw Failure(
        description:
          "\(path) with \(body.map { String(decoding: $0, as: UTF8.self) } ?? "nothing"): \(response.status) "
          + String(decoding: response.body, as: UTF8.self))
    }
    return Data(response.body)
  }
}
