package import JobModel

/// An ability of providers whose instances fetch their inputs from a store.
package protocol InputStaging: Provider {
  /// Brings the inputs of a job to where its instance will fetch them. What an earlier call has brought is not sent again.
  ///
  /// - Parameter progress: told now and then, from any thread.
  func stage(
    _ job: JobID, _ spec: JobSpec, progress: @escaping @Sendable (StagingProgress) -> Void
  ) async throws(ProviderError) -> StagedFolder
}

/// How far the staging of inputs is.
package struct StagingProgress: Sendable, Hashable {
  package var files: Int
  package var bytes: Int64
  package var totalFiles: Int
  package var totalBytes: Int64
  /// How fast bytes go out, over the last seconds; nil while that can't be said.
  package var bytesPerSecond: Double?

  package init(files: Int, bytes: Int64, totalFiles: Int, totalBytes: Int64, bytesPerSecond: Double? = nil) {
    self.files = files
    self.bytes = bytes
    self.totalFiles = totalFiles
    self.totalBytes = totalBytes
    self.bytesPerSecond = bytesPerSecond
  }
}

/// Inputs that are in place.
package struct StagedFolder: Sendable, Hashable {
  /// As people write it: `s3://bucket/a1b2c3d4/input/`.
  package var place: String
  package var count: FileCount
  /// How much of it was sent by this call.
  package var sent: FileCount
  /// What was left out, and why.
  package var notices: [String]

  package init(place: String, count: FileCount, sent: FileCount, notices: [String] = []) {
    self.place = place
    self.count = count
    self.sent = sent
    self.notices = notices
  }
}
