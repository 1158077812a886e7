import AWSProvider
import Foundation
import JobModel
import TestSupport
import Testing
import Transport

/// Every case was signed by botocore, AWS's own library for Python, and must come out the same here.
@Suite("Signatures beside botocore's")
struct SignatureTests {
  private struct Case: Decodable {
    var time: Int64
    var service: String
    var region: String
    var scheme: String
    var host: String
    var method: String
    var path: String
    var query: [[String]]
    var headers: [[String]]
    var body: String
    var token: String?
    var authorization: String
    var unique: [[String]]
    var expires: Int64
    var presigned: String

    var signer: SigV4 {
      SigV4(
        credentials: AWSCredentials(
          accessKeyID: "AKIDEXAMPLE", secretKey: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
          sessionToken: token.map { Secret($0) }, source: "test"), region: region, service: service)
    }

    func request(query: [[String]], headers: [[String]], method: String, body: String) throws -> AWSRequest {
      AWSRequest(
        try #require(HTTPRequest.Method(rawValue: method)), Endpoint(scheme: scheme, host: host), path: path,
        query: query.map { .init($0[0], $0[1]) }, headers: headers.map { .init($0[0], $0[1]) },
        payload: .sha256(SHA256Digest(of: body)))
    }
  }

  private func cases(_ count: Int, seed: Int) async throws -> [Case] {
    let lines = try await Botocore.run("signatures", [String(count), String(seed)])
    return try lines.split(separator: 10).map { try JSONDecoder().decode(Case.self, from: Data($0)) }
  }

  @Test("of 800 hostile requests are the same, in the header and in the query")
  func sameAsBotocore() async throws {
    let cases = try await cases(800, seed: 20_261_122)
    #expect(cases.count == 800)
    for one in cases {
      let time = Timestamp(seconds: one.time)
      let signed = one.signer.sign(
        try one.request(query: one.query, headers: one.headers, method: one.method, body: one.body), at: time)
      #expect(signed.headers.first { $0.name == "Authorization" }?.value.reveal() == one.authorization, "\(one)")

      let method = one.method == "HEAD" ? "GET" : one.method
      let url = one.signer.presign(
        try one.request(query: one.unique, headers: [], method: method, body: ""), at: time,
        lifetime: .seconds(one.expires))
      #expect(parts(url.reveal()) == parts(one.presigned), "\(one)")
    }
  }

  /// The address, and what the query says, in whatever order.
  private func parts(_ url: String) -> [Substring] {
    let halves = url.split(separator: "?", maxSplits: 1)
    return [halves[0]] + (halves.last ?? "").split(separator: "&").sorted()
  }

  @Test("percent-encoding is undone by decoding")
  func decoding() {
    for text in ["", "a/b c+é%😀\n", "~-._"] {
      #expect(PercentEncoding.decode(PercentEncoding.encode(text)) == text)
    }
    for broken in ["%", "%4", "%zz", "%ff", "a%C3"] { #expect(PercentEncoding.decode(broken) == nil) }
    #expect(PercentEncoding.decode("a+b%2b") == "a+b+")
  }

  @Test("credentials show no secret")
  func noSecrets() {
    let credentials = AWSCredentials(
      accessKeyID: "AKID", secretKey: Secret("topsecretkey"), sessionToken: Secret("topsecrettoken"), source: "test")
    var text = ""
    dump(credentials, to: &text)
    #expect(!(text + "\(credentials)" + String(reflecting: credentials)).contains("topsecret"))
  }
}
