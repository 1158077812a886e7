import Foundation
import JobModel
import ProviderKit
import TestSupport
import Testing

@testable import AWSProvider

/// The policies of docs/aws.md, the list in the code, and the calls that are made: all three say the same.
@Suite("Permissions")
struct PermissionTests {
  private static var root: URL { LoopbackServer.packageRoot }

  private static var page: String {
    get throws { try String(contentsOf: root.appendingPathComponent("docs/aws.md"), encoding: .utf8) }
  }

  private struct Policy: Decodable {
    struct Statement: Decodable {
      var effect: String
      var action: [String]
      var resource: [String]
      enum CodingKeys: String, CodingKey {
        case effect = "Effect"
        case action = "Action"
        case resource = "Resource"
      }
    }
    var version: String
    var statement: [Statement]
    enum CodingKeys: String, CodingKey {
      case version = "Version"
      case statement = "Statement"
    }

    var actions: Set<String> { Set(statement.flatMap(\.action)) }
  }

  /// The JSON blocks of the page that are policies, in their order.
  private static var policies: [Policy] {
    get throws {
      try page.components(separatedBy: "```json\n").dropFirst().compactMap { part in
        let text = part.components(separatedBy: "\n```")[0]
        guard text.contains("\"Statement\""), text.contains("\"Action\"") else { return nil }
        return try JSONDecoder().decode(Policy.self, from: Data(text.utf8))
      }
    }
  }

  @Test("The policies of the page allow what the list has, and nothing else")
  func policies() throws {
    let policies = try Self.policies
    try #require(policies.count == 2)
    let user = AWSPermission.user + AWSPermission.role + AWSPermission.doctor
    // Who one is, everybody may ask.
    #expect(policies[0].actions == Set(user.map(\.action)).subtracting(["sts:GetCallerIdentity"]))
    #expect(policies[1].actions == Set(AWSPermission.instance.map(\.action)))
    for statement in policies.flatMap(\.statement) {
      #expect(statement.effect == "Allow" && !statement.resource.isEmpty)
      #expect(!statement.action.contains { $0.contains("*") })
    }
  }

  @Test("Each action stands on the page with why it is needed")
  func reasons() throws {
    let page = try Self.page
    for permission in AWSPermission.user + AWSPermission.role + AWSPermission.doctor + AWSPermission.instance {
      #expect(
        page.contains("| `\(permission.action)` | \(permission.why) |"), "\(permission.action): \(permission.why)")
    }
  }

  /// Every call of AWS that stands in the code.
  @Test("The list has exactly the calls that the code makes")
  func calls() throws {
    let folder = Self.root.appendingPathComponent("Sources/AWSProvider")
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }
    let marks = [
      #/action: "([A-Z]\w+)"/#, #/pages\(\s*"([A-Z]\w+)"/#, #/S3Request\(\.\w+, "([A-Z]\w+)"/#,
      #/target: "\w+\.([A-Z]\w+)"/#, #/isThere\(\s*"[^"]+", "([A-Z]\w+)"/#,
    ]
    var found: Set<String> = []
    for name in names {
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      for mark in marks { found.formUnion(text.matches(of: mark).map { String($0.output.1) }) }
    }
    let listed = (AWSPermission.user + AWSPermission.doctor).flatMap(\.calls)
    #expect(found == Set(listed))
    #expect(Set(listed).count == listed.count)
  }

  @Test(
    "A job from its price to its end calls nothing that is not in the list",
    .enabled(if: LoopbackAWS.isInstalled, "Scripts/setup --test installs the stand-in for AWS"))
  func job() async throws {
    try await LoopbackServer.aws { aws in
      let place = StandIn(aws)
      let job = place.job()
      _ = try await place.provider.quote(job.spec)
      _ = try await place.provider.market(MarketWish()) { _ in }
      let reference = place.reference(job, try await place.launch(job))
      _ = await place.provider.observe([reference])
      _ = await place.provider.fleet(alsoIn: [])
      _ = await place.provider.find(LaunchRequest(job))
      _ = await place.provider.priceChanges(of: [(reference, StandIn.now)])
      _ = await place.provider.terminate(reference, finalSync: false)
      let called = Set(
        try await aws.state().calls.values.flatMap(\.keys).map { String($0.split(separator: ":").last ?? "") })
      let services = Set(AWSPermission.user.filter { !$0.action.hasPrefix("s3:") }.flatMap(\.calls))
      // The job names no subnet and no image.
      #expect(called == services.subtracting(["DescribeSubnets", "DescribeImages"]))
    }
  }
}
