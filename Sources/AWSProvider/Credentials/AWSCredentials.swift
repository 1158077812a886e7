package import JobModel
package import Transport

/// What requests are signed with. Printing it shows neither the secret key nor the session token.
package struct AWSCredentials: Sendable, Hashable {
  package var accessKeyID: String
  package var secretKey: Secret
  /// Temporary credentials have one.
  package var sessionToken: Secret?
  /// When they end; nil if never.
  package var expiration: Timestamp?
  package var accountID: String?
  /// Where they are from, in words that can be shown: `environment`, `profile science, ~/.aws/credentials`.
  package var source: String

  package init(
    accessKeyID: String, secretKey: Secret, sessionToken: Secret? = nil, expiration: Timestamp? = nil,
    accountID: String? = nil, source: String
  ) {
    self.accessKeyID = accessKeyID
    self.secretKey = secretKey
    self.sessionToken = sessionToken
    self.expiration = expiration
    self.accountID = accountID
    self.source = source
  }

  /// For texts that a service sent back.
  var redactor: Redactor { Redactor([secretKey] + (sessionToken.map { [$0] } ?? [])) }
}

/// Gives out credentials that are valid now.
package protocol CredentialSupplier: Sendable {
  func credentials() async throws(AWSError) -> AWSCredentials
  /// The service called these expired. The next call of `credentials()` gets others, if there are any.
  func reject(_ credentials: AWSCredentials) async
  /// Gets others now, if there are any; the present ones are used on if not.
  func renew() async
}

extension CredentialSupplier {
  package func renew() async {}
}

/// Credentials that never change.
package struct StaticCredentials: CredentialSupplier {
  private let value: AWSCredentials
  package init(_ value: AWSCredentials) { self.value = value }
  package func credentials() async throws(AWSError) -> AWSCredentials { value }
  package func reject(_ credentials: AWSCredentials) async {}
}
