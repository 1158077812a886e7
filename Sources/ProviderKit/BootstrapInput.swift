extension BootstrapJob {
  /// One thing that is put into the working directory before the calculation starts.
  package struct Input: Sendable, Hashable {
    /// `http(s)://` for a file, `file:///…` for a file or, with a `/` at its end, for the contents of a folder;
    /// `link:TARGET` for a symbolic link and `folder:` for a folder, TARGET percent-encoded.
    package var url: String
    /// Relative to the working directory; empty for the working directory itself.
    package var path: String
    /// Permissions, such as 0o755; nil for those that a new file has.
    package var mode: UInt16?
    /// In bytes. Files that have one are fetched many at a time, and checked.
    package var size: Int64?
    /// 64 hexadecimal digits; checked where the machine has `sha256sum`.
    package var sha256: String?

    package init(url: String, path: String, mode: UInt16? = nil, size: Int64? = nil, sha256: String? = nil) {
      self.url = url
      self.path = path
      self.mode = mode
      self.size = size
      self.sha256 = sha256
    }

    /// The contents of a local folder.
    package static func folder(_ path: String) -> Input {
      Input(url: "file://" + percentEncoded(path.hasSuffix("/") ? path : path + "/"), path: "")
    }

    /// A symbolic link to `target`, which need not exist.
    package static func link(_ target: String, at path: String) -> Input {
      Input(url: "link:" + percentEncoded(target), path: path)
    }

    /// A folder, with whatever other inputs put into it.
    package static func emptyFolder(_ path: String, mode: UInt16? = nil) -> Input {
      Input(url: "folder:", path: path, mode: mode)
    }

    /// The line of the manifest: URL, path, mode, bytes, SHA-256, by tabs; `-` for what is not known, nothing when nothing
    /// more is.
    package var line: String {
      let fields = [url, percentEncoded(path)]
      guard mode != nil || size != nil || sha256 != nil else { return fields.joined(separator: "\t") }
      let more = [mode.map { String($0, radix: 8) } ?? "-", size.map(String.init) ?? "-", sha256 ?? "-"]
      return (fields + more).joined(separator: "\t")
    }
  }
}
