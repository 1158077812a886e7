/// A configuration file of AWS's tools, read as botocore reads it: sections in brackets, `name = value` or `name: value`,
/// comments on lines of their own, values that go on in lines which are indented further, and below an empty value a
/// table of its own.
struct INIFile: Sendable, Hashable {
  enum Value: Sendable, Hashable {
    case text(String)
    case table([String: String])

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var table: [String: String]? { if case .table(let table) = self { table } else { nil } }
  }

  struct Failure: Error, Hashable {
    /// Counted from 1.
    var line: Int
    var reason: String
  }

  /// In the order of the file. Names of values are in small letters.
  private(set) var sections: [(name: String, values: [String: Value])] = []

  static func == (left: INIFile, right: INIFile) -> Bool {
    left.sections.elementsEqual(right.sections) { $0.name == $1.name && $0.values == $1.values }
  }

  func hash(into hasher: inout Hasher) {
    for section in sections {
      hasher.combine(section.name)
      hasher.combine(section.values)
    }
  }

  private struct Section {
    var name: String
    var lines: [String: [String]] = [:]
  }

  init(_ text: String) throws(Failure) {
    var read: [Section] = []
    var defaults: [String: [String]] = [:]
    /// The section that is read, -1 for `DEFAULT`.
    var current: Int?
    var option: String?
    var indent = 0
    let content = text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...]
    let lines = content.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
    func add(_ value: String, first: Bool) {
      guard let current, let option else { return }
      if current < 0 {
        defaults[option] = first ? [value] : (defaults[option] ?? []) + [value]
      } else {
        read[current].lines[option] = first ? [value] : (read[current].lines[option] ?? []) + [value]
      }
    }
    for (number, line) in lines.enumerated() {
      let value = Self.trimmed(line)
      if value.isEmpty {
        add("", first: false)
        continue
      }
      if value.hasPrefix("#") || value.hasPrefix(";") { continue }
      let depth = line.prefix { $0.isWhitespace }.count
      if current != nil, option != nil, depth > indent {
        add(value, first: false)
        continue
      }
      indent = depth
      if value.hasPrefix("["), let end = value.lastIndex(of: "]"), end > value.index(after: value.startIndex) {
        let name = String(value[value.index(after: value.startIndex)..<end])
        option = nil
        if name == "DEFAULT" {
          current = -1
        } else if read.contains(where: { $0.name == name }) {
          throw Failure(line: number + 1, reason: "section [\(name)] stands there twice")
        } else {
          current = read.count
          read.append(Section(name: name))
        }
        continue
      }
      guard let section = current else {
        throw Failure(line: number + 1, reason: "there is no section in brackets before it")
      }
      guard let mark = value.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
        throw Failure(line: number + 1, reason: "it is neither a section nor name = value")
      }
      let name = Self.trimmed(value[..<mark]).lowercased()
      guard !name.isEmpty else { throw Failure(line: number + 1, reason: "the name before the equals sign is missing") }
      let isTwice = section < 0 ? defaults[name] != nil : read[section].lines[name] != nil
      guard !isTwice else { throw Failure(line: number + 1, reason: "\(name) stands twice in its section") }
      option = name
      add(Self.trimmed(value[value.index(after: mark)...]), first: true)
    }
    for section in read {
      var values: [String: Value] = [:]
      for (name, lines) in defaults.merging(section.lines, uniquingKeysWith: { $1 }) {
        var joined = lines.joined(separator: "\n")
        while joined.last?.isWhitespace == true { joined.removeLast() }
        guard joined.hasPrefix("\n") else {
          values[name] = .text(joined)
          continue
        }
        var table: [String: String] = [:]
        for line in joined.split(separator: "\n") where !Self.trimmed(line).isEmpty {
          guard let mark = line.firstIndex(of: "=") else {
            throw Failure(line: 0, reason: "below \(name) in [\(section.name)] a line is not name = value")
          }
          table[Self.trimmed(line[..<mark])] = Self.trimmed(line[line.index(after: mark)...])
        }
        values[name] = .table(table)
      }
      sections.append((section.name, values))
    }
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    var rest = Substring(text)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
