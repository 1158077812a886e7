internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// What of a folder is staged, and as what. Decided from what was found, without looking at anything.
package struct StagingPlan: Sendable, Hashable {
  /// A file to be sent.
  package struct File: Sendable, Hashable {
    /// Within the staged folder.
    package var path: String
    /// Where its content is read; elsewhere if a link led there.
    package var source: String
    package var facts: FileFacts
  }

  package struct Link: Sendable, Hashable {
    package var path: String
    /// Relative, and never out of the folder.
    package var target: String
  }

  package struct Folder: Sendable, Hashable {
    package var path: String
    package var mode: UInt16
  }

  package var files: [File] = []
  package var links: [Link] = []
  /// Empty ones; the others come with what is in them.
  package var folders: [Folder] = []
  /// What is left out though nobody asked for that, one line each.
  package var notices: [String] = []

  package var bytes: Int64 { files.reduce(0) { $0 + $1.facts.size } }

  /// The longest key (Amazon S3 User Guide, "Naming Amazon S3 objects"), in bytes.
  package static let longestKey = 1024
  /// The largest object.
  package static let largestFile: Int64 = 5 << 40

  /// - Parameters:
  ///   - root: the folder as it was named; `physicalRoot` is its path without a link in it.
  ///   - prefix: of all keys.
  ///   - exclude: shell patterns of files and links, as in `sync.exclude`: one without a slash is for names, one with a
  ///     slash for paths, at any depth unless it begins with one.
  ///   - skipped: paths without links in them that are no inputs.
  package init(
    _ entries: [FoundEntry], root: String, physicalRoot: String, prefix: String, exclude: [String] = [],
    skipped: Set<String> = []
  ) throws(StagingError) {
    for entry in entries {
      // A name that is broken is refused even if a pattern might mean it: nobody can be sure that it does.
      guard entry.isUTF8 else {
        throw StagingError(
          .name, "The name of \(root)/\(entry.path) is not UTF-8",
          remedy: "Rename it; `convmv` renames whole folders from older encodings.")
      }
      if skipped.contains(physicalRoot + "/" + entry.path) { continue }
      if case .folder(let isEmpty) = entry.kind {
        if isEmpty {
          try Self.check(entry.path, prefix, root)
          folders.append(Folder(path: entry.path, mode: entry.facts.mode))
        }
        continue
      }
      if exclude.contains(where: { Self.matches($0, entry.path) }) { continue }
      try Self.check(entry.path, prefix, root)
      switch entry.kind {
      case .file: try add(File(path: entry.path, source: root + "/" + entry.path, facts: entry.facts))
      case .link(let link): try add(link, at: entry.path, root, physicalRoot)
      case .other(let what): notices.append("\(entry.path) is \(what) and was left out")
      case .folder: break
      }
    }
  }

  private mutating func add(_ file: File) throws(StagingError) {
    guard file.facts.size <= Self.largestFile else {
      throw StagingError(.tooLarge, "\(file.source) is larger than S3 takes", remedy: "Split it.")
    }
    files.append(file)
  }

  /// A link within the folder stays a link. One that leads out of it to a file becomes that file, because the instance
  /// has nothing else at that place; one to a folder is refused, because nobody knows how much lies behind it.
  private mutating func add(_ link: FoundEntry.Link, at path: String, _ root: String, _ physicalRoot: String)
    throws(StagingError)
  {
    guard let target = link.target else {
      throw StagingError(.name, "What \(root)/\(path) names is not UTF-8", remedy: "Make the link anew.")
    }
    if let destination = link.destination {
      let isInside = destination == physicalRoot || destination.hasPrefix(physicalRoot + "/")
      if isInside {
        let relative =
          target.hasPrefix("/")
          ? Self.relative(String(destination.dropFirst(physicalRoot.count + 1)), from: path) : target
        // A link that leaves the folder and comes back would not on another machine.
        if Self.normalised(relative, from: path) != nil {
          links.append(Link(path: path, target: relative))
        } else {
          links.append(
            Link(path: path, target: Self.relative(String(destination.dropFirst(physicalRoot.count + 1)), from: path)))
        }
        return
      }
      switch link.leadsTo {
      case .file: try add(File(path: path, source: root + "/" + path, facts: link.facts))
      case .folder:
        throw StagingError(
          .link, "\(root)/\(path) is a link to \(destination), a folder outside of what is staged",
          remedy: "Copy the folder in, or exclude the link.")
      case .other, .nothing: notices.append("\(path) is a link to \(destination), which is no file, and was left out")
      }
      return
    }
    // To nothing: kept if it stays inside, as programs use such links for locks.
    if !target.hasPrefix("/"), Self.normalised(target, from: path) != nil {
      links.append(Link(path: path, target: target))
    } else {
      notices.append("\(path) is a link to \(target), where nothing is, and was left out")
    }
  }

  private static func check(_ path: String, _ prefix: String, _ root: String) throws(StagingError) {
    guard prefix.utf8.count + path.utf8.count <= longestKey else {
      throw StagingError(
        .name, "The path \(path.prefix(80))… in \(root) is longer than the \(longestKey) bytes that S3 allows",
        remedy: "Shorten it, or pack the folder into an archive.")
    }
  }

  /// As find's `-name` and `-path` match: a star stands for slashes too.
  static func matches(_ pattern: String, _ path: String) -> Bool {
    if pattern.hasPrefix("/") { return fnmatch(String(pattern.dropFirst()), path, 0) == 0 }
    if pattern.contains("/") { return fnmatch(pattern, path, 0) == 0 || fnmatch("*/" + pattern, path, 0) == 0 }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return fnmatch(pattern, name, 0) == 0
  }

  /// Where `target` leads from the folder of `path`, by its words alone; nil if out of the root.
  static func normalised(_ target: String, from path: String) -> String? {
    var steps = path.split(separator: "/").dropLast().map(String.init)
    for step in target.split(separator: "/") {
      switch step {
      case ".": continue
      case "..":
        guard steps.popLast() != nil else { return nil }
      default: steps.append(String(step))
      }
    }
    return steps.joined(separator: "/")
  }

  /// How `destination`, a path within the root, is named from the folder of `path`.
  static func relative(_ destination: String, from path: String) -> String {
    let here = path.split(separator: "/").dropLast()
    let there = destination.split(separator: "/")
    let common = zip(here, there).prefix { $0 == $1 }.count
    let steps = Array(repeating: "..", count: here.count - common) + there.dropFirst(common).map(String.init)
    return steps.isEmpty ? "." : steps.joined(separator: "/")
  }
}
