/// What stands in a folder, as it was found: without any judgement.
package struct FoundEntry: Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    case file
    case folder(isEmpty: Bool)
    case link(Link)
    /// A socket, a named pipe, a device.
    case other(String)
  }

  package struct Link: Sendable, Hashable {
    /// What it names, as it stands there; nil if that is not UTF-8.
    package var target: String?
    /// The path that it leads to in the end, with no link in it; nil if there is nothing.
    package var destination: String?
    /// What is there.
    package var leadsTo: Target
    package var facts: FileFacts

    package enum Target: Sendable, Hashable {
      case file, folder, other, nothing
    }

    package init(target: String?, destination: String?, leadsTo: Target, facts: FileFacts = FileFacts()) {
      self.target = target
      self.destination = destination
      self.leadsTo = leadsTo
      self.facts = facts
    }
  }

  /// Within the folder, without a slash at either end; broken bytes are replaced if `isUTF8` is false.
  package var path: String
  package var isUTF8: Bool
  package var kind: Kind
  package var facts: FileFacts

  package init(path: String, isUTF8: Bool = true, kind: Kind, facts: FileFacts = FileFacts()) {
    self.path = path
    self.isUTF8 = isUTF8
    self.kind = kind
    self.facts = facts
  }
}

/// By what it is seen that a file is still the same.
package struct FileFacts: Sendable, Hashable {
  package var size: Int64
  /// Nanoseconds since 1970.
  package var modified: Int64
  package var inode: UInt64
  /// Permissions.
  package var mode: UInt16

  package init(size: Int64 = 0, modified: Int64 = 0, inode: UInt64 = 0, mode: UInt16 = 0o644) {
    self.size = size
    self.modified = modified
    self.inode = inode
    self.mode = mode
  }

  /// Whether the content may have changed between the two.
  func differs(from other: FileFacts) -> Bool {
    size != other.size || modified != other.modified || inode != other.inode
  }
}
