internal import Foundation
package import JobModel

/// A line of what sync.sh says while it works.
package enum SyncEvent: Sendable, Hashable {
  /// A copy was under way already, and is followed.
  case joined
  case plan(files: Int, bytes: Int64, excluded: Int, unreadable: Int)
  /// Of a dry run: what stays, and why.
  case excluded([Manifest.Excluded])
  /// Of a dry run: a file that would go.
  case wouldCopy(path: String, bytes: Int64)
  case progress(SyncProgress.Sample)
  case end(SyncReport)
  /// Of a look at all files: one, as it is now.
  case hash(DeepCheck.File)
  /// Of the same: one that can't be read.
  case unhashed(path: String)
  /// The very last line. Without it the connection broke, whatever the exit code says.
  case exit(code: Int32, reason: String?)

  /// Nil for a line that says nothing to us.
  package init?(line: String) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return nil }
    func number(_ key: String, in members: [String: Any]? = nil) -> Int64 {
      ((members ?? object)[key] as? NSNumber)?.int64Value ?? 0
    }
    switch object["ev"] as? String {
    case "joined": self = .joined
    case "plan":
      self = .plan(
        files: Int(number("files")), bytes: number("bytes"), excluded: Int(number("excluded")),
        unreadable: Int(number("unreadable")))
    case "excluded":
      let files = (object["files"] as? [[String: Any]] ?? []).map { file in
        Manifest.Excluded(
          path: file["path"] as? String ?? "", size: number("size", in: file), rule: file["rule"] as? String ?? "")
      }
      self = .excluded(files)
    case "end":
      guard let report = try? JSONDecoder().decode(SyncReport.self, from: Data(line.utf8)) else { return nil }
      self = .end(report)
    case "hash":
      guard let path = object["path"] as? String, let md5 = object["md5"] as? String else { return nil }
      self = .hash(DeepCheck.File(path: path, size: number("size"), md5: md5, modified: number("modified")))
    case "unhashed": self = .unhashed(path: object["path"] as? String ?? "")
    case "exit": self = .exit(code: Int32(clamping: number("rc")), reason: object["reason"] as? String)
    case nil:
      if object["skipped"] as? String == "copy", let path = object["object"] as? String {
        self = .wouldCopy(path: path, bytes: number("size"))
      } else if let stats = object["stats"] as? [String: Any] {
        self = .progress(
          SyncProgress.Sample(
            bytes: number("bytes", in: stats), total: number("totalBytes", in: stats),
            files: Int(number("transfers", in: stats)), totalFiles: Int(number("totalTransfers", in: stats)),
            speed: (stats["speed"] as? NSNumber)?.doubleValue ?? 0))
      } else {
        return nil
      }
    default: return nil
    }
  }
}
