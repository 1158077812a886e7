internal import Foundation
package import JobModel
package import ProviderKit

/// What lies staged for a job, as `JOBID/input.json` says it.
struct InputManifest: Sendable, Hashable, Codable {
  struct Entry: Sendable, Hashable, Codable {
    var path: String
    /// Permissions.
    var mode: UInt16
    /// Of a file.
    var size: Int64?
    var sha256: String?
    /// Of a link: what it names.
    var target: String?
    /// Whether it is a folder.
    var isFolder: Bool?
  }
  var version = 1
  var entries: [Entry]
}

extension AWSProvider: InputStaging {
  package func stage(
    _ job: JobID, _ spec: JobSpec, progress: @escaping @Sendable (StagingProgress) -> Void
  ) async throws(ProviderError) -> StagedFolder {
    guard let bucket = spec.s3Bucket else {
      throw ProviderError(.notConfigured, "no bucket is named for the inputs", remedy: "Give --s3-bucket")
    }
    let options = Staging.Options(exclude: settings.excludedInputs, skipped: settings.skippedInputs)
    do throws(StagingError) {
      let staged = try await Staging(S3Client(ec2.client), bucket: bucket)
        .stage(job, folder: spec.directory, options: options, progress: progress)
      return StagedFolder(
        place: "s3://\(bucket)/\(BucketKeys.inputs(job))", count: staged.count, sent: staged.sent,
        notices: staged.notices)
    } catch {
      throw ProviderError(error)
    }
  }

  /// Where an instance fetches the inputs of a job.
  func inputs(_ request: LaunchRequest, _ store: any ObjectStore) async throws(AWSError) -> [BootstrapJob.Input] {
    guard let bytes = try await store.read(BucketKeys.manifest(request.job), limit: 256 << 20) else {
      throw AWSError(
        .notFound, "the inputs of job \(request.job) are not in s3://\(store.bucket)/\(request.job)/",
        remedy: "Start the job anew: cloudjobs run")
    }
    guard let manifest = try? JSONDecoder().decode(InputManifest.self, from: Data(bytes)) else {
      throw AWSError(.unreadable, "s3://\(store.bucket)/\(BucketKeys.manifest(request.job)) is no list of inputs")
    }
    var inputs: [BootstrapJob.Input] = []
    for entry in manifest.entries {
      if let target = entry.target {
        inputs.append(.link(target, at: entry.path))
      } else if entry.isFolder == true {
        inputs.append(.emptyFolder(entry.path, mode: entry.mode))
      } else {
        let address = try await store.presigned(
          .get, BucketKeys.inputs(request.job) + entry.path, lifetime: .seconds(12 * 3600))
        inputs.append(
          BootstrapJob.Input(
            url: address.url, path: entry.path, mode: entry.mode, size: entry.size, sha256: entry.sha256))
      }
    }
    return inputs
  }
}

extension ProviderError {
  init(_ error: StagingError) {
    if let cause = error.cause {
      self.init(cause)
      return
    }
    let code: Code =
      switch error.code {
      case .unreadable: .notPermitted
      case .changed, .name, .link, .tooLarge: .invalid
      case .service, .cancelled: .unavailable
      }
    self.init(code, error.message, remedy: error.remedy)
  }
}
