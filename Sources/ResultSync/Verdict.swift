/// Whether the results that a manifest stands for are on the remote, whole.
package struct Verdict: Sendable, Hashable {
  /// A file as the remote lists it.
  package struct Listed: Sendable, Hashable {
    package var path: String
    package var size: Int64
    /// Empty where the remote knows no MD5.
    package var md5: String

    package init(path: String, size: Int64, md5: String) {
      self.path = path
      self.size = size
      self.md5 = md5
    }
  }

  /// Files of the manifest that are in their place, as it says.
  package var whole: Int
  /// Files of which a newer version is on its way: what the manifest stands for is kept beside it.
  package var kept: [String]
  /// Files of the manifest that are missing or different.
  package var damaged: [String]
  /// Paths that the remote has twice, as Google Drive can.
  package var doubled: [String]
  /// Files that the manifest does not know: of an earlier attempt, of a copy that was not finished, or a person's own.
  package var unlisted: [String]

  package var isWhole: Bool { damaged.isEmpty }

  /// Compares what the manifest says with one listing of the job's folder.
  package init(_ manifest: Manifest, _ listing: [Listed]) {
    var there: [String: [Listed]] = [:]
    for file in listing { there[file.path, default: []].append(file) }
    whole = 0
    kept = []
    damaged = []
    let expected = Set(manifest.files.map(\.path))
    for file in manifest.files {
      if there[file.path]?.contains(where: { Self.isSame($0, file) }) == true {
        whole += 1
      } else if there["_cs/kept/" + file.path]?.contains(where: { Self.isSame($0, file) }) == true {
        kept.append(file.path)
      } else {
        damaged.append(file.path)
      }
    }
    doubled = there.filter { $0.value.count > 1 }.keys.sorted()
    unlisted = there.keys.filter { !expected.contains($0) && !$0.hasPrefix("_cs/") }.sorted()
  }

  private static func isSame(_ listed: Listed, _ file: Manifest.File) -> Bool {
    listed.size == file.size && (file.md5.isEmpty || listed.md5.isEmpty || listed.md5 == file.md5)
  }
}
