internal import JobModel
internal import Transport

/// Where credentials come from, decided from the environment and the files alone.
///
/// The order is botocore's, and the one of `aws` with it: somebody whose `aws` uses an account must find `cloudjobs` use the
/// same. See docs/decisions/aws.md.
package enum CredentialPlan: Sendable, Hashable {
  case ready(AWSCredentials)
  /// A program that prints them; its words.
  case process([String], profile: String)
  /// `aws configure export-credentials` knows how: a role, IAM Identity Center, a web identity, a login. `profile` is nil
  /// if the environment alone says it.
  case commandLine(profile: String?, kind: String)
  /// The agent of a container, at this address.
  case container(String)
  /// The instance that this runs on.
  case instance(Endpoint)
  /// Nothing is left to ask.
  case none

  /// - Parameter explicit: the profile that cloudjobs' own configuration names. It comes before keys in the environment.
  package static func make(
    environment: [String: String], profiles: AWSProfiles, explicit: String? = nil
  ) throws(AWSError) -> CredentialPlan {
    let (name, keys) = try profiles.chosen(explicit: explicit, environment: environment)
    func set(_ key: String) -> String? { environment[key].flatMap { $0.isEmpty ? nil : $0 } }
    if explicit == nil, let id = set("AWS_ACCESS_KEY_ID") {
      guard let secret = set("AWS_SECRET_ACCESS_KEY") else { throw partial("AWS_SECRET_ACCESS_KEY", "the environment") }
      return .ready(
        AWSCredentials(
          accessKeyID: id, secretKey: Secret(secret),
          sessionToken: (set("AWS_SECURITY_TOKEN") ?? set("AWS_SESSION_TOKEN")).map { Secret($0) },
          expiration: set("AWS_CREDENTIAL_EXPIRATION").flatMap { Timestamp(iso8601: $0) },
          accountID: set("AWS_ACCOUNT_ID"), source: "environment"))
    }
    if keys["role_arn"] != nil, keys["web_identity_token_file"] == nil {
      return .commandLine(profile: name, kind: "a role (role_arn)")
    }
    if explicit == nil, environment["AWS_WEB_IDENTITY_TOKEN_FILE"] != nil {
      return .commandLine(profile: keys.isEmpty ? nil : name, kind: "a web identity (AWS_WEB_IDENTITY_TOKEN_FILE)")
    }
    if keys["web_identity_token_file"] != nil {
      return .commandLine(profile: name, kind: "a web identity (web_identity_token_file)")
    }
    if keys["sso_account_id"] != nil || keys["sso_role_name"] != nil {
      return .commandLine(profile: name, kind: "IAM Identity Center (sso_…)")
    }
    if let found = try fixed(profiles.credentials[name], name, "credentials") { return .ready(found) }
    if keys["login_session"] != nil { return .commandLine(profile: name, kind: "a login (login_session)") }
    if let line = keys["credential_process"] {
      guard let words = ShellWords.split(line), !words.isEmpty else {
        throw AWSError(
          .configuration, "credential_process of profile \(name) has a quote that is not closed, or is empty",
          remedy: "Correct it in AWS's configuration file.")
      }
      return .process(words, profile: name)
    }
    if let found = try fixed(profiles.config[name], name, "configuration") { return .ready(found) }
    return try machine(environment)
  }

  /// What the machine offers on which this runs.
  private static func machine(_ environment: [String: String]) throws(AWSError) -> CredentialPlan {
    if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
      return .container("http://169.254.170.2" + path)
    }
    if let address = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
      try ContainerAddress.check(address)
      return .container(address)
    }
    if environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true" { return .none }
    guard let named = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"], !named.isEmpty else {
      let isIPv6 = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]?.lowercased() == "ipv6"
      return .instance(Endpoint(scheme: "http", host: isIPv6 ? "[fd00:ec2::254]" : "169.254.169.254"))
    }
    guard let endpoint = Endpoint(url: named) else {
      throw AWSError(
        .configuration, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not the address of an endpoint",
        remedy: "Write it as http://host.")
    }
    return .instance(endpoint)
  }

  /// Keys that stand in a file.
  private static func fixed(
    _ keys: AWSProfiles.Keys?, _ profile: String, _ file: String
  ) throws(AWSError) -> AWSCredentials? {
    guard let keys, let id = keys["aws_access_key_id"] else { return nil }
    guard let secret = keys["aws_secret_access_key"] else {
      throw partial("aws_secret_access_key", "profile \(profile) of AWS's \(file) file")
    }
    return AWSCredentials(
      accessKeyID: id, secretKey: Secret(secret),
      sessionToken: (keys["aws_security_token"] ?? keys["aws_session_token"]).map { Secret($0) },
      accountID: keys["aws_account_id"], source: "profile \(profile), AWS's \(file) file")
  }

  private static func partial(_ key: String, _ place: String) -> AWSError {
    AWSError(.credentials, "There is an access key in \(place), but no \(key)", remedy: "Set both or none.")
  }
}

/// Whom `AWS_CONTAINER_CREDENTIALS_FULL_URI` may name (AWS SDKs and Tools Reference Guide, "Container credential
/// provider"): with https anybody, without only this machine and the agents of ECS and EKS.
enum ContainerAddress {
  static func check(_ address: String) throws(AWSError) {
    let lower = address.lowercased()
    if lower.hasPrefix("https://") { return }
    if lower.hasPrefix("http://"), isTrusted(host(lower.dropFirst(7))) { return }
    throw AWSError(
      .configuration, "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that credentials are not asked of without https",
      remedy: "Use https, or an address of this machine.")
  }

  private static func host(_ rest: Substring) -> Substring {
    let authority = rest.prefix { !"/?#".contains($0) }
    // A name before an at sign would be mistaken for the host.
    guard !authority.contains("@") else { return "" }
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
      return authority[authority.index(after: authority.startIndex)..<end]
    }
    return authority.prefix { $0 != ":" }
  }

  private static func isTrusted(_ host: Substring) -> Bool {
    if ["localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(host) { return true }
    let numbers = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    return numbers.count == 4 && numbers[0] == 127 && !numbers.contains(nil)
  }
}
