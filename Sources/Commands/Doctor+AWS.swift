internal import AWSProvider
internal import Configuration
internal import Foundation
internal import JobModel
internal import JobStore

/// Whether AWS is ready for jobs, where it is used.
extension Doctor {
  /// Keys of the section `aws` that nobody sets without wanting instances there. A region alone stands in every example.
  private static let telling = [
    "s3_bucket", "instance_type", "key_name", "iam_role", "security_group", "subnet_id", "ami_id", "profile",
    "rclone_config_secret", "rclone_config_file",
  ]

  static func aws(_ context: CommandContext, isAskedFor: Bool) async -> [Finding] {
    let jobs = await awsJobs(context)
    guard isAskedFor || namesAWS(context.settings) || !jobs.isEmpty else { return [] }
    // Open jobs only: nobody needs the bucket of one that ended.
    let buckets = Set(jobs.filter(\.isOpen).compactMap(\.spec.s3Bucket)).sorted().prefix(8)
    var findings: [AWSFinding]
    do throws(AWSError) {
      findings = try await context.awsExamination().findings(buckets: Array(buckets))
    } catch {
      findings = [AWSFinding("configuration", .bad, error.message, remedy: error.remedy)]
    }
    findings.append(remote(context))
    return findings.map(Finding.init)
  }

  static func namesAWS(_ settings: Settings) -> Bool {
    telling.contains { settings.aws.string($0) != nil } || !settings.aws.strings("instance_types").isEmpty
  }

  /// The newest jobs on AWS. A database that can't be opened has been told already.
  private static func awsJobs(_ context: CommandContext) async -> [Job] {
    guard let store = try? await context.openForLook() else { return [] }
    let jobs = (try? await store.jobs(JobQuery(provider: .aws, limit: 200))) ?? []
    await store.close()
    return jobs
  }

  private static func remote(_ context: CommandContext) -> AWSFinding {
    let settings = context.awsProviderSettings(region: "us-east-1")
    let text = settings.rcloneConfigFile.flatMap { FileManager.default.contents(atPath: $0) }
      .map { String(decoding: $0, as: UTF8.self) }
    return AWSExamination.remote(context.settings.sync.remote, settings: settings, configuration: text)
  }
}

extension Finding {
  init(_ finding: AWSFinding) {
    let result: Result =
      switch finding.result {
      case .good: .good
      case .warning: .warning
      case .bad: .bad
      }
    self.init(check: "aws \(finding.subject)", result: result, message: finding.message, remedy: finding.remedy)
  }
}
