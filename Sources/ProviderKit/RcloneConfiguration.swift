/// The part of an rclone.conf that a remote needs: its own section, and those of the remotes that it is made of.
///
/// The other sections are keys to other stores, which no instance has to know.
package enum RcloneConfiguration {
  /// Nil if there is no section of that name, or the file is encrypted.
  package static func part(of text: String, remote name: String) -> String? {
    var sections: [String: [Substring]] = [:]
    var order: [String] = []
    var current: String?
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let trimmed = line.drop { $0 == " " || $0 == "\t" }
      if trimmed.hasPrefix("["), let end = trimmed.firstIndex(of: "]") {
        let section = String(trimmed[trimmed.index(after: trimmed.startIndex)..<end])
        if sections[section] == nil { order.append(section) }
        sections[section] = []
        current = section
      } else if let current {
        sections[current]?.append(line)
      }
    }
    guard sections[name] != nil else { return nil }
    var wanted: Set<String> = [name]
    var queue = [name]
    while let section = queue.popLast() {
      for line in sections[section] ?? [] {
        guard let equals = line.firstIndex(of: "=") else { continue }
        // alias, crypt, chunker, combine, union: values that name remotes, as `name:path`, several between blanks.
        for word in line[line.index(after: equals)...].split(whereSeparator: {
          $0 == " " || $0 == "," || $0 == "=" || $0 == "\""
        }) {
          guard let colon = word.firstIndex(of: ":") else { continue }
          let other = String(word[..<colon])
          if sections[other] != nil, wanted.insert(other).inserted { queue.append(other) }
        }
      }
    }
    return order.filter(wanted.contains).map { section in
      (["[\(section)]"] + (sections[section] ?? []).map(String.init).filter { !$0.isEmpty }).joined(separator: "\n")
        + "\n"
    }.joined(separator: "\n")
  }
}
