internal import Foundation
package import JobModel
package import ProviderKit
internal import Synchronization

/// Stages a job's folder in a bucket: `JOBID/input/…` for the files, then `JOBID/input.json`, which says that all of them
/// are there and how they were.
///
/// It can be ended at any moment and begun again. A file is only seen once it is whole; parts of large files that were
/// sent are kept for the next time, until `abortIncomplete` throws them away.
package struct Staging: Sendable {
  package struct Options: Sendable, Hashable {
    /// Shell patterns of what is left out; see `StagingPlan`.
    package var exclude: [String]
    /// Paths without links in them that are no inputs.
    package var skipped: Set<String>

    package init(exclude: [String] = [], skipped: Set<String> = []) {
      self.exclude = exclude
      self.skipped = skipped
    }
  }

  private let client: S3Client
  private let bucket: String
  /// Requests with a body that are on their way at once.
  private let width: Int
  /// How often progress is told.
  private static let beat = Duration.milliseconds(500)

  package init(_ client: S3Client, bucket: String, width: Int = 8) {
    self.client = client
    self.bucket = bucket
    self.width = max(1, width)
  }

  package func stage(
    _ job: JobID, folder: String, options: Options = Options(),
    progress: @escaping @Sendable (StagingProgress) -> Void = { _ in }
  ) async throws(StagingError) -> StagedInputs {
    let prefix = BucketKeys.inputs(job)
    let (entries, physicalRoot) = try await FolderScan.run(folder)
    let plan = try StagingPlan(
      entries, root: folder, physicalRoot: physicalRoot, prefix: prefix, exclude: options.exclude,
      skipped: options.skipped)
    let meter = StagingMeter(files: plan.files.count, bytes: plan.bytes)
    let there: Bucket
    do throws(AWSError) {
      there = try await look(prefix)
      for stale in there.stale(plan.files.map { prefix + $0.path }) { try await client.abortUpload(bucket, stale) }
    } catch {
      throw StagingError(error)
    }
    let digests = try await send(plan.files, prefix, there, meter, progress)
    let manifest = Self.manifest(plan, digests)
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      try await client.put(bucket, BucketKeys.manifest(job), .bytes(Array(try encoder.encode(manifest))))
    } catch let error as AWSError {
      throw StagingError(error)
    } catch {
      throw StagingError(.name, "The list of inputs can't be written: \(error)", remedy: "Look at the files' names.")
    }
    progress(meter.progress(at: client.client.clock.now()))
    return StagedInputs(
      manifest: manifest, count: FileCount(files: plan.files.count, bytes: plan.bytes), sent: meter.sent,
      notices: plan.notices)
  }

  /// Throws away the parts of uploads that were begun and never ended.
  package func abortIncomplete(_ job: JobID) async throws(AWSError) {
    for upload in try await client.listUploads(bucket, prefix: BucketKeys.inputs(job)) {
      try await client.abortUpload(bucket, upload)
    }
  }

  // MARK: - What lies there

  private struct Bucket {
    var objects: [String: StoredObject] = [:]
    /// The newest one of each key.
    var uploads: [String: S3Upload] = [:]
    var others: [S3Upload] = []

    /// Uploads that nobody will end: of files that are no longer there, and older ones of the same file.
    func stale(_ keys: [String]) -> [S3Upload] {
      let wanted = Set(keys)
      return others + uploads.values.filter { !wanted.contains($0.key) }
    }
  }

  private func look(_ prefix: String) async throws(AWSError) -> Bucket {
    var there = Bucket()
    for object in try await client.listAll(bucket, prefix: prefix) { there.objects[object.key] = object }
    let uploads = try await client.listUploads(bucket, prefix: prefix)
    for upload in uploads.sorted(by: {
      ($0.initiated ?? Timestamp(seconds: 0)) < ($1.initiated ?? Timestamp(seconds: 0))
    }) {
      if let older = there.uploads.updateValue(upload, forKey: upload.key) { there.others.append(older) }
    }
    return there
  }

  // MARK: - Sending

  private func send(
    _ files: [StagingPlan.File], _ prefix: String, _ there: Bucket, _ meter: StagingMeter,
    _ progress: @escaping @Sendable (StagingProgress) -> Void
  ) async throws(StagingError) -> [SHA256Digest] {
    // The largest first, so that none of them is alone at the end.
    let order = files.indices.sorted { files[$0].facts.size > files[$1].facts.size }
    let queue = WorkQueue(order)
    let lanes = Lanes(width)
    let clock = client.client.clock
    do {
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          while true {
            progress(meter.progress(at: clock.now()))
            try Task.checkCancellation()
            try await clock.sleep(clock.now() + Self.beat)
          }
        }
        for lane in 0..<min(width, max(1, files.count)) {
          group.addTask {
            while let index = queue.next() {
              try Task.checkCancellation()
              let file = files[index]
              let key = prefix + file.path
              let upload = FileUpload(
                file: file, key: key, bucket: bucket, client: client, lanes: lanes, meter: meter, lane: lane,
                width: width, existing: there.objects[key], unfinished: there.uploads[key])
              let digest = try await upload.run()
              queue.finish(index, digest)
            }
            return true
          }
        }
        var working = min(width, max(1, files.count))
        while working > 0, try await group.next() != nil { working -= 1 }
        // The one that tells of progress never ends by itself.
        group.cancelAll()
      }
    } catch let error as StagingError {
      throw error
    } catch {
      throw StagingError(.cancelled, "Staging was cancelled", remedy: "Start again; what was sent is kept.")
    }
    return files.indices.compactMap { queue.digest($0) }
  }

  /// Which file is next, and what became of the others.
  private final class WorkQueue: Sendable {
    private let state: Mutex<(left: ArraySlice<Int>, digests: [Int: SHA256Digest])>

    init(_ order: [Int]) { state = Mutex((order[...], [:])) }

    func next() -> Int? { state.withLock { $0.left.popFirst() } }
    func finish(_ index: Int, _ digest: SHA256Digest) { state.withLock { $0.digests[index] = digest } }
    func digest(_ index: Int) -> SHA256Digest? { state.withLock { $0.digests[index] } }
  }

  private static func manifest(_ plan: StagingPlan, _ digests: [SHA256Digest]) -> InputManifest {
    var entries = plan.folders.map { InputManifest.Entry(path: $0.path, mode: $0.mode, isFolder: true) }
    entries += zip(plan.files, digests).map { file, digest in
      InputManifest.Entry(
        path: file.path, mode: file.facts.mode & 0o777, size: file.facts.size, sha256: digest.hex)
    }
    entries += plan.links.map { InputManifest.Entry(path: $0.path, mode: 0o777, target: $0.target) }
    return InputManifest(entries: entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) })
  }
}
