import Foundation
import TestSupport
import Testing
import Transport

@Suite("Files as bodies")
struct FileBodyTests {
  private let client = HTTPClient()
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "cloudjobs-body-\(UUID().uuidString)")

  private func file(_ name: String, _ content: Data) throws -> String {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = folder.appendingPathComponent(name).path
    try content.write(to: URL(fileURLWithPath: path))
    return path
  }

  private func request(_ url: String, _ method: HTTPRequest.Method = .put) -> HTTPRequest {
    var request = HTTPRequest(method, url)
    request.allowPrivate = true
    return request
  }

  @Test(
    "a piece of a file is sent, and no more",
    arguments: [(0, 1_000_000), (17, 999_983), (999_999, 1), (1_000_000, 0), (5, 0)])
  func piece(_ offset: Int, _ length: Int) async throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let content = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    let path = try file("a", content)
    try await LoopbackServer.run("http_receiver") { server async throws in
      var put = request(server.url("/ok"))
      let counter = ByteCounter()
      put.filePiece = .init(path: path, offset: Int64(offset), length: Int64(length), counter: counter)
      #expect(try await client.send(put).status == 200)
      let record = try #require(try server.records().first)
      #expect(record["method"] as? String == "PUT")
      #expect(record["body"] as? String == content[offset..<(offset + length)].base64EncodedString())
      let headers = try #require(record["headers"] as? [[String]])
      #expect(headers.contains(["Content-Length", String(length)]))
      #expect(!headers.contains { ["Expect", "Transfer-Encoding"].contains($0[0]) })
      #expect(counter.value == Int64(length))
    }
  }

  @Test("a file that is not there or too short fails by its name")
  func badFiles() async throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let short = try file("short", Data(count: 10))
    try await LoopbackServer.run("http_receiver") { server async throws in
      for path in [short, folder.path + "/none"] {
        var put = request(server.url("/ok"))
        put.filePiece = .init(path: path, length: 11)
        let error = await #expect(throws: TransportError.self) { try await client.send(put) }
        #expect(error?.code == .localFile)
        #expect(error?.message.contains(path) == true)
      }
    }
  }

  @Test("only a PUT without another body takes one")
  func refused() async throws {
    var get = request("http://127.0.0.1:1/", .post)
    get.filePiece = .init(path: "/dev/null", length: 0)
    #expect(throws: TransportError.self) { try get.check() }
    var both = request("http://127.0.0.1:1/")
    both.body = [1]
    both.filePiece = .init(path: "/dev/null", length: 0)
    #expect(throws: TransportError.self) { try both.check() }
  }

  @Test("an answer goes into a file, whatever its size")
  func download() async throws {
    let path = try file("old", Data("what was there before, and is longer than the shortest answer".utf8))
    defer { try? FileManager.default.removeItem(at: folder) }
    try await LoopbackServer.run("http_receiver") { server async throws in
      var get = request(server.url("/big?bytes=3000000"), .get)
      get.destination = path
      get.bodyLimit = 10
      get.overflow = .fail
      let response = try await client.send(get)
      #expect(response.body.isEmpty)
      #expect(FileManager.default.contents(atPath: path) == Data(repeating: UInt8(ascii: "x"), count: 3_000_000))
      get.url = Secret(server.url("/status/204"))
      _ = try await client.send(get)
      #expect(FileManager.default.contents(atPath: path) == Data())
    }
  }

  @Test("a refusal does not go into the file")
  func refusal() async throws {
    let path = try file("kept", Data("kept".utf8))
    defer { try? FileManager.default.removeItem(at: folder) }
    try await LoopbackServer.run("http_receiver") { server async throws in
      var get = request(server.url("/status/404?body=gone"), .get)
      get.destination = path
      let response = try await client.send(get)
      #expect(response.body == Array("gone".utf8))
      #expect(FileManager.default.contents(atPath: path) == Data("kept".utf8))
      get.url = Secret(server.url("/ok"))
      get.destination = folder.path + "/none/file"
      let error = await #expect(throws: TransportError.self) { try await client.send(get) }
      #expect(error?.code == .localFile)
    }
  }
}
