internal import Foundation
internal import JobModel
internal import Transport

/// The JSON by which programs, containers and instances hand out credentials.
struct CredentialDocument: Decodable {
  private var version: Int?
  private var code: String?
  private var accessKeyID: String?
  private var secretAccessKey: String?
  private var sessionToken: String?
  private var token: String?
  private var expiration: String?
  private var accountID: String?

  private enum CodingKeys: String, CodingKey {
    case version = "Version"
    case code = "Code"
    case accessKeyID = "AccessKeyId"
    case secretAccessKey = "SecretAccessKey"
    case sessionToken = "SessionToken"
    case token = "Token"
    case expiration = "Expiration"
    case accountID = "AccountId"
  }

  /// Reads what a program printed (`credential_process` in the AWS SDKs and Tools Reference Guide) or an agent answered.
  ///
  /// - Parameters:
  ///   - isProgram: a program must name the version 1, and need not name an end.
  ///   - place: where it came from, for messages and as the credentials' source.
  static func read(_ bytes: [UInt8], isProgram: Bool, place: String, remedy: String) throws(AWSError) -> AWSCredentials
  {
    func bad(_ reason: String) -> AWSError { AWSError(.credentials, "\(place) \(reason)", remedy: remedy) }
    // Nothing of what was read is repeated: it may be the secret.
    guard let document = try? JSONDecoder().decode(CredentialDocument.self, from: Data(bytes)) else {
      throw bad("gave something else than the JSON of credentials")
    }
    if isProgram, document.version != 1 { throw bad("gave credentials of another version than 1") }
    if let code = document.code, code != "Success" {
      throw bad("gave no credentials: \(Redactor.bounded(Redactor.printable(code), limit: 64))")
    }
    guard let id = document.accessKeyID, !id.isEmpty, let secret = document.secretAccessKey, !secret.isEmpty else {
      throw bad("gave no AccessKeyId or no SecretAccessKey")
    }
    var expiration: Timestamp?
    if let text = document.expiration {
      guard let moment = Timestamp(iso8601: text) else { throw bad("gave an Expiration that is no date") }
      expiration = moment
    }
    return AWSCredentials(
      accessKeyID: id, secretKey: Secret(secret),
      sessionToken: (document.sessionToken ?? document.token).map { Secret($0) }, expiration: expiration,
      accountID: document.accountID, source: place)
  }
}
