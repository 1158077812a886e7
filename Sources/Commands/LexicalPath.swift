internal import Foundation

/// Paths as text. Only `physical` looks at the disk; the rest costs no more than the characters, which matters since
/// every command needs the place of the database.
enum LexicalPath {
  /// The absolute form of a path that was written relative to `folder`; `~/` stands for the home.
  static func absolute(_ path: String, in folder: String, home: String?) -> String {
    let expanded = path.hasPrefix("~/") ? (home ?? "~") + path.dropFirst(1) : path
    return normalized(expanded.utf8.first == UInt8(ascii: "/") ? expanded : folder + "/" + expanded)
  }

  /// An absolute path without `.`, `..`, and doubled or trailing slashes.
  static func normalized(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.utf8.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
      if part.elementsEqual("..".utf8) {
        _ = parts.popLast()
      } else {
        parts.append(Substring(part))
      }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// The folder that an absolute path lies in.
  static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  /// The last part of a path.
  static func name(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
    return String(path[path.utf8.index(after: slash)...])
  }

  /// Where a path really leads, all symbolic links followed; nil if it leads nowhere.
  static func physical(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
