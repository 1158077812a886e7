internal import Foundation
internal import JobModel
package import Transport

/// Looks for credentials where a user of AWS's own tools expects them, each time anew: files may have changed.
package struct CredentialChain: Sendable {
  package var environment: [String: String]
  /// The profile that cloudjobs' own configuration names.
  package var profile: String?
  package var http: HTTPClient
  /// A program that prints credentials may ask a person's phone, but not for ever.
  package var programTimeout: Duration
  /// One question to an agent of the machine.
  package var agentTimeout: Duration

  package init(
    environment: [String: String], profile: String? = nil, http: HTTPClient, programTimeout: Duration = .seconds(60),
    agentTimeout: Duration = .seconds(2)
  ) {
    self.environment = environment
    self.profile = profile
    self.http = http
    self.programTimeout = programTimeout
    self.agentTimeout = agentTimeout
  }

  /// - Throws: `AWSError` with what to do, if there are none.
  package func load() async throws(AWSError) -> AWSCredentials {
    let profiles = try await profiles()
    switch try CredentialPlan.make(environment: environment, profiles: profiles, explicit: profile) {
    case .ready(let credentials): return credentials
    case .process(let words, let profile):
      let place = "credential_process of profile \(profile)"
      let remedy = "Run it by hand to see what it says."
      let program = CredentialProgram(
        words: words, environment: environment, timeout: programTimeout, place: place, remedy: remedy)
      return try CredentialDocument.read(try await program.output(), isProgram: true, place: place, remedy: remedy)
    case .commandLine(let profile, let kind): return try await commandLine(profile, kind)
    case .container(let address):
      return try await MetadataService(http: http, timeout: agentTimeout)
        .container(address, authorization: try await authorization())
    case .instance(let endpoint):
      guard let found = try await MetadataService(http: http, timeout: agentTimeout).instance(endpoint) else {
        throw nothing()
      }
      return found
    case .none: throw nothing()
    }
  }

  /// Both files as they are now.
  package func profiles() async throws(AWSError) -> AWSProfiles {
    try AWSProfiles(
      config: try await text(AWSProfiles.configPath(environment)),
      credentials: try await text(AWSProfiles.credentialsPath(environment)))
  }

  /// How AWS is called in this environment.
  ///
  /// - Parameter region: the one that cloudjobs' own configuration names; it comes before all others.
  /// - Throws: `AWSError.Code.configuration` if nothing says a region.
  package func settings(region: String? = nil) async throws(AWSError) -> AWSSettings {
    let profiles = try await profiles()
    let keys = try profiles.chosen(explicit: profile, environment: environment).keys
    guard let region = region ?? AWSProfiles.region(environment: environment, profile: keys) else {
      throw AWSError(
        .configuration, "No AWS region is named", remedy: "Set AWS_REGION, or `aws configure set region eu-west-1`.")
    }
    let bundle = environment["AWS_CA_BUNDLE"].flatMap { $0.isEmpty ? nil : $0 } ?? keys["ca_bundle"]
    return AWSSettings(
      region: region,
      endpoints: try AWSEndpoints(
        environment: environment, profile: keys, services: profiles.services(of: keys)), caFile: bundle)
  }

  // MARK: - Pieces

  private func text(_ path: String) async throws(AWSError) -> String? {
    switch await SmallFile.read(path) {
    case .absent: return nil
    case .text(let text): return text
    case .unreadable(let reason):
      throw AWSError(.configuration, "\(path) \(reason)", remedy: "`aws configure list` reads the same file.")
    }
  }

  /// `aws` knows how to become a role, and keeps what it got for as long as it holds.
  private func commandLine(_ profile: String?, _ kind: String) async throws(AWSError) -> AWSCredentials {
    let name = profile.map { "profile \($0)" } ?? "the environment"
    let place = "\(name), \(kind), by `aws configure export-credentials`"
    let command = (["aws", "configure", "export-credentials"] + (profile.map { ["--profile", $0] } ?? []))
      .joined(separator: " ")
    let remedy =
      "This needs AWS's command line, version 2 (https://aws.amazon.com/cli/); see what it says to: \(command). "
      + "It may want `aws sso login` or `aws login` first."
    var words = ["aws", "configure", "export-credentials", "--format", "process"]
    if let profile { words += ["--profile", profile] }
    let program = CredentialProgram(
      words: words, environment: environment, timeout: programTimeout, place: place, remedy: remedy)
    return try CredentialDocument.read(try await program.output(), isProgram: true, place: place, remedy: remedy)
  }

  private func authorization() async throws(AWSError) -> Secret? {
    if let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
      guard let text = try await text(path) else {
        throw AWSError(
          .configuration, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names \(path), which does not exist",
          remedy: "Name the file with the token.")
      }
      return Secret(text)
    }
    return environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"].map { Secret($0) }
  }

  private func nothing() -> AWSError {
    let named = profile ?? environment["AWS_DEFAULT_PROFILE"] ?? environment["AWS_PROFILE"] ?? "default"
    return AWSError(
      .credentials,
      "There are no AWS credentials: not in the environment, not in profile \(named) of "
        + "\(AWSProfiles.credentialsPath(environment)) and \(AWSProfiles.configPath(environment)), and no role of this machine",
      remedy: "Run `aws configure`, or set AWS_PROFILE to a profile that has some.")
  }
}
