import Foundation
import TestSupport
import Testing
import Transport

@testable import AWSProvider

/// Whoever uses `aws` or boto3 in an environment must find cloudjobs use the same account there.
@Suite("Where credentials come from, beside botocore")
struct ChainTests {
  struct Situation: Codable, Sendable {
    var environment: [String: String]
    var config: String?
    var credentials: String?
    var profile: String?

    init(
      _ environment: [String: String] = [:], config: String? = nil, credentials: String? = nil, profile: String? = nil
    ) {
      self.environment = environment
      self.config = config
      self.credentials = credentials
      self.profile = profile
    }
  }

  struct Answer: Codable, Equatable {
    var method: String?
    var key: String?
    var secret: String?
    var token: String?
    var region: String?
    var error: String?
  }

  private static let keys = ["AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "env-secret"]
  private static func fixed(_ id: String) -> String {
    "aws_access_key_id = \(id)\naws_secret_access_key = \(id)-secret\n"
  }
  private static let printed =
    #"credential_process = /bin/echo {\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"s\"}"# + "\n"
  private static let role = "role_arn = arn:aws:iam::1:role/r\nsource_profile = base\n"
  private static let sso = "sso_start_url = https://x\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n"
  private static let web = "role_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /nowhere\n"

  static let situations: [Situation] = [
    Situation(keys),
    Situation(keys.merging(["AWS_SESSION_TOKEN": "t"]) { $1 }),
    Situation(keys.merging(["AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": "u"]) { $1 }),
    Situation(["AWS_ACCESS_KEY_ID": "ENV"]),
    Situation(["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "x"], credentials: "[default]\n" + fixed("FILE")),
    Situation(keys, credentials: "[default]\n" + fixed("FILE")),
    Situation(keys.merging(["AWS_PROFILE": "p"]) { $1 }, credentials: "[p]\n" + fixed("FILE")),
    Situation(keys.merging(["AWS_PROFILE": "nowhere"]) { $1 }, credentials: "[p]\n" + fixed("FILE")),
    Situation(keys, credentials: "[p]\n" + fixed("FILE"), profile: "p"),
    Situation(keys, credentials: "[p]\n" + fixed("FILE"), profile: "q"),
    Situation(["AWS_PROFILE": "p"], config: "[profile p]\nregion = eu-west-3\n", credentials: "[p]\n" + fixed("FILE")),
    Situation(
      ["AWS_PROFILE": "p", "AWS_DEFAULT_PROFILE": "q"], credentials: "[p]\n" + fixed("P") + "[q]\n" + fixed("Q")),
    Situation(["AWS_PROFILE": "p"], credentials: "[default]\n" + fixed("FILE")),
    Situation(credentials: "[default]\n" + fixed("FILE")),
    Situation(config: "[default]\n" + fixed("CONF")),
    Situation(
      config: "[default]\n" + fixed("CONF") + "region = us-west-2\n", credentials: "[default]\n" + fixed("FILE")),
    Situation(
      config: "[default]\nregion = us-west-2\n", credentials: "[default]\nregion = eu-west-1\n" + fixed("FILE")),
    Situation(["AWS_DEFAULT_REGION": "eu-north-1"], config: "[default]\nregion = us-west-2\n" + fixed("CONF")),
    Situation(config: "[profile default]\n" + fixed("CONF")),
    Situation(config: "[default]\n" + fixed("A") + "[profile default]\n" + fixed("B")),
    Situation(["AWS_PROFILE": "my lab"], config: "[profile \"my lab\"]\n" + fixed("CONF")),
    Situation(["AWS_PROFILE": "lab"], config: "[profile 'lab']\n" + fixed("CONF")),
    Situation(["AWS_PROFILE": "lab"], config: "[lab]\n" + fixed("CONF")),
    Situation(config: "[default]\n" + printed),
    Situation(config: "[default]\n" + printed + fixed("CONF")),
    Situation(config: "[default]\n" + printed, credentials: "[default]\n" + fixed("FILE")),
    Situation(credentials: "[default]\n" + printed),
    Situation(config: "[default]\ncredential_process = /bin/false\n" + fixed("CONF")),
    Situation(config: "[default]\ncredential_process = \"/bin/echo\n" + fixed("CONF")),
    Situation(config: "[default]\n" + role + "[profile base]\n" + fixed("BASE")),
    Situation(
      config: "[default]\n" + role + "[profile base]\n" + fixed("BASE"), credentials: "[default]\n" + fixed("FILE")),
    Situation(keys, config: "[default]\n" + role + "[profile base]\n" + fixed("BASE")),
    Situation(config: "[default]\n" + web, credentials: "[default]\n" + fixed("FILE")),
    Situation(["AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"]),
    Situation(
      ["AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "arn"], credentials: "[p]\n" + fixed("P"),
      profile: "p"),
    Situation(config: "[default]\n" + sso, credentials: "[default]\n" + fixed("FILE")),
    Situation(config: "[default]\n" + sso + printed),
    Situation(config: "[default]\nlogin_session = x\n" + printed),
    Situation(config: "[default]\nlogin_session = x\n", credentials: "[default]\n" + fixed("FILE")),
    Situation(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"]),
    Situation(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x"], config: "[default]\n" + fixed("CONF")),
    Situation(),
    Situation(config: "[default]\nregion=eu-west-1\n"),
    Situation(credentials: "[default]\naws_access_key_id = ONLY\n"),
    // What a file may look like.
    Situation(
      credentials: "# c\n; c\n\n[default]\r\naws_access_key_id=A\r\naws_secret_access_key : B # no comment\r\n"),
    Situation(credentials: "[default]\nAWS_Access_Key_ID = A\n  aws_secret_access_key = B\n"),
    Situation(credentials: "[default]\naws_access_key_id = A\naws_secret_access_key = a=b:c\n"),
    Situation(credentials: "  [default]\n  aws_access_key_id = A\n  aws_secret_access_key = B\n"),
    Situation(credentials: "[default] trailing\naws_access_key_id = A\naws_secret_access_key = B\n"),
    Situation(credentials: "[default]\n" + fixed("A") + "[default]\n" + fixed("B")),
    Situation(credentials: "[default]\n" + fixed("A") + fixed("B")),
    Situation(credentials: "aws_access_key_id = A\n"),
    Situation(credentials: "[default]\nnonsense\n" + fixed("A")),
    Situation(credentials: "[DEFAULT]\n" + fixed("D") + "[other]\nx = 1\n[default]\ny = 1\n"),
    Situation(config: "[default]\ns3 =\n  max_concurrent_requests = 20\n  nonsense\n" + fixed("A")),
    Situation(config: "[default]\ns3 =\n  max_concurrent_requests = 20\n" + fixed("A")),
    Situation(config: "[default]\nregion = eu-\n  west-1\n" + fixed("A")),
    Situation(config: "[profile]\nx = 1\n[profile a b]\nx = 1\n[profile 'a]\nx = 1\n[default]\n" + fixed("A")),
    Situation(config: "", credentials: ""),
    Situation(credentials: "[é]\nx=1\n[default]\n" + fixed("é")),
  ]

  @Test("the same source, keys and region in each of many situations")
  func sameAsBotocore() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cloudjobs-chain-\(UUID().uuidString)")
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let list = folder + "/list.json"
    try JSONEncoder().encode(Self.situations).write(to: URL(fileURLWithPath: list))
    let lines = try await Botocore.run("chain", [list, folder]).split(separator: 10)
    #expect(lines.count == Self.situations.count)
    for (situation, line) in zip(Self.situations, lines) {
      let theirs = try JSONDecoder().decode(Answer.self, from: Data(line))
      var ours = await answer(situation, folder)
      if ours.error != nil { ours = Answer(error: theirs.error ?? "\(ours)") }
      #expect(ours == theirs, "\(situation)")
    }
  }

  /// What is done here in the same situation.
  private func answer(_ situation: Situation, _ folder: String) async -> Answer {
    do {
      let environment = ["HOME": folder, "PATH": "/usr/bin:/bin"].merging(situation.environment) { $1 }
      let profiles = try AWSProfiles(config: situation.config, credentials: situation.credentials)
      let plan = try CredentialPlan.make(environment: environment, profiles: profiles, explicit: situation.profile)
      let keys = try profiles.chosen(explicit: situation.profile, environment: environment).keys
      let region = AWSProfiles.region(environment: environment, profile: keys)
      switch plan {
      case .ready(let found):
        let methods = [
          "environment": "env", "credentials file": "shared-credentials-file", "configuration file": "config-file",
        ]
        let method = methods.first { found.source.hasSuffix($0.key) }?.value
        return Answer(
          method: method, key: found.accessKeyID, secret: found.secretKey.reveal(), token: found.sessionToken?.reveal(),
          region: region)
      case .process(let words, let profile):
        let program = CredentialProgram(
          words: words, environment: environment, timeout: .seconds(20), place: profile, remedy: "")
        let found = try CredentialDocument.read(try await program.output(), isProgram: true, place: "", remedy: "")
        return Answer(
          method: "custom-process", key: found.accessKeyID, secret: found.secretKey.reveal(),
          token: found.sessionToken?.reveal(), region: region)
      case .commandLine(_, let kind):
        let methods = [
          "a role": "assume-role", "a web": "assume-role-with-web-identity", "IAM": "sso", "a login": "login",
        ]
        return Answer(method: methods.first { kind.hasPrefix($0.key) }?.value, region: region)
      case .container: return Answer(method: "container-role", region: region)
      case .instance: return Answer(method: "iam-role", region: region)
      case .none: return Answer(method: "none", region: region)
      }
    } catch {
      return Answer(error: "\(error)")
    }
  }

  @Test("AWS_REGION comes before AWS_DEFAULT_REGION")
  func region() {
    let both = ["AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"]
    #expect(AWSProfiles.region(environment: both, profile: ["region": "c"]) == "a")
    #expect(AWSProfiles.region(environment: [:], profile: [:]) == nil)
    // botocore takes an empty one for a region and fails later.
    #expect(AWSProfiles.region(environment: ["AWS_DEFAULT_REGION": ""], profile: ["region": "c"]) == "c")
  }

  @Test("a services section gives endpoints")
  func services() throws {
    let profiles = try AWSProfiles(
      config:
        "[profile p]\nservices = lab\n[services lab]\ns3 =\n  endpoint_url = http://s3.test\nec2 =\n  endpoint_url = http://ec2.test\n",
      credentials: nil)
    let keys = try profiles.chosen(explicit: "p", environment: [:]).keys
    let endpoints = try AWSEndpoints(environment: [:], profile: keys, services: profiles.services(of: keys))
    #expect(endpoints.endpoint(.s3, region: "x").host == "s3.test")
    #expect(endpoints.endpoint(.ec2, region: "x").host == "ec2.test")
    #expect(endpoints.endpoint(.sts, region: "eu-west-1").host == "sts.eu-west-1.amazonaws.com")
  }

  @Test(
    "whom a container's address may name",
    arguments: [
      ("https://anything.test/x", true), ("http://127.0.0.1:80/x", true), ("http://127.9.9.9/x", true),
      ("http://localhost/x", true), ("http://[::1]:80/x", true), ("http://169.254.170.2/x", true),
      ("http://169.254.170.23/x", true), ("http://[fd00:ec2::23]/x", true), ("http://10.0.0.1/x", false),
      ("http://127.0.0.1.evil.test/x", false), ("http://localhost@evil.test/x", false),
      ("http://evil.test#localhost", false),
      ("ftp://localhost/x", false), ("http://127.0.0.256/", false), ("", false),
    ])
  func containerHosts(_ address: String, _ isAllowed: Bool) {
    let allowed = (try? ContainerAddress.check(address)) != nil
    #expect(allowed == isAllowed)
  }

  @Test("a line is split as a shell splits it")
  func words() {
    #expect(
      ShellWords.split(#"/bin/a  'b c'"d"\ e "f\"g\h" ~ $HOME '' "#) == [
        "/bin/a", "b cd e", #"f"g\h"#, "~", "$HOME", "",
      ])
    for open in ["'a", "\"a", "a\\", #"a "b\"#] { #expect(ShellWords.split(open) == nil) }
    #expect(ShellWords.split("  ") == [])
  }
}
