internal import Foundation
internal import JobModel
internal import Transport

/// Asks the agents that hand out credentials to what runs beside them: of a container, and of an EC2 instance.
struct MetadataService: Sendable {
  var http: HTTPClient
  /// One request.
  var timeout: Duration

  private static let tokenTime = 21_600

  /// The credentials of a container (Amazon ECS, Amazon EKS).
  ///
  /// - Parameter authorization: the value of the header, if the environment has one.
  func container(_ address: String, authorization: Secret?) async throws(AWSError) -> AWSCredentials {
    let place = "the container's credentials agent"
    var headers = [HTTPRequest.Header("Accept", "application/json")]
    if let authorization {
      guard authorization.reveal().utf8.allSatisfy({ $0 != 10 && $0 != 13 }) else {
        throw AWSError(
          .configuration, "The authorization token of \(place) has a line break in it", remedy: "Remove it.")
      }
      headers.append(.init("Authorization", authorization))
    }
    let answer = try await ask(.get, address, headers, place: place)
    guard answer.status == 200 else {
      throw AWSError(.credentials, "\(place) answered with HTTP \(answer.status)", status: answer.status)
    }
    return try CredentialDocument.read(answer.body, isProgram: false, place: place, remedy: "")
  }

  /// The credentials of the instance profile, by version 2 of the instance metadata service (Amazon EC2 User Guide, "Use
  /// the Instance Metadata Service"). Nil if nothing answers, or the instance has no profile: then this is no place to get any.
  func instance(_ endpoint: Endpoint) async throws(AWSError) -> AWSCredentials? {
    let place = "the instance metadata service"
    let base = endpoint.origin + endpoint.path + "/latest/"
    let token: HTTPResponse
    do throws(AWSError) {
      token = try await ask(
        .put, base + "api/token", [.init("X-aws-ec2-metadata-token-ttl-seconds", String(Self.tokenTime))], place: place)
    } catch  where error.code == .unreachable {
      return nil
    }
    guard token.status == 200 else { return nil }
    let headers = [HTTPRequest.Header("X-aws-ec2-metadata-token", String(decoding: token.body, as: UTF8.self))]
    let folder = base + "meta-data/iam/security-credentials/"
    let roles = try await ask(.get, folder, headers, place: place)
    guard roles.status == 200, let role = String(decoding: roles.body, as: UTF8.self).split(separator: "\n").first
    else {
      return nil
    }
    let answer = try await ask(.get, folder + PercentEncoding.encode(String(role)), headers, place: place)
    guard answer.status == 200 else {
      throw AWSError(.credentials, "\(place) answered with HTTP \(answer.status)", status: answer.status)
    }
    return try CredentialDocument.read(
      answer.body, isProgram: false, place: place, remedy: "Look at the instance profile of this machine.")
  }

  private func ask(
    _ method: HTTPRequest.Method, _ url: String, _ headers: [HTTPRequest.Header], place: String
  ) async throws(AWSError) -> HTTPResponse {
    var request = HTTPRequest(method, url, headers: headers)
    request.allowPrivate = true
    request.connectTimeout = min(.seconds(1), timeout)
    request.timeout = timeout
    request.overflow = .fail
    do throws(TransportError) {
      return try await http.send(request)
    } catch {
      throw AWSError(error, call: place)
    }
  }
}
