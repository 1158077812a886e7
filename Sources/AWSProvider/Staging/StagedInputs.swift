package import ProviderKit

/// What is staged, once all of it is.
package struct StagedInputs: Sendable, Hashable {
  /// As it stands in `JOBID/input.json`.
  var manifest: InputManifest
  /// All files.
  package var count: FileCount
  /// What this call has sent.
  package var sent: FileCount
  /// What was left out.
  package var notices: [String]
}
