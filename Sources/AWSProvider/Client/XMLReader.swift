/// Reads the XML that AWS's services reply with: a strict part of XML 1.0 in UTF-8, without a document type, so that
/// there are no entities of one's own and nothing is fetched.
///
/// It works without recursion and within bounds, since a reply may come from whatever answers in a service's place.
package struct XMLReader {
  package struct Failure: Error, Hashable, CustomStringConvertible {
    /// What is wrong.
    package var reason: String
    /// How many bytes were read by then.
    package var offset: Int
    package var description: String { "\(reason) at byte \(offset)" }
  }

  /// Elements within elements.
  package static let depthLimit = 64
  /// Bytes of a document.
  package static let sizeLimit = 32 * 1024 * 1024

  private let bytes: [UInt8]
  private var position = 0
  private var open: [XMLNode] = []
  private var texts: [[UInt8]] = []

  /// The root element of a document.
  package static func read(_ bytes: [UInt8]) throws(Failure) -> XMLNode {
    var reader = XMLReader(bytes: bytes)
    return try reader.document()
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position) }

  private mutating func document() throws(Failure) -> XMLNode {
    guard bytes.count <= Self.sizeLimit else { throw failure("more than \(Self.sizeLimit) bytes") }
    _ = take([0xEF, 0xBB, 0xBF])
    var root: XMLNode?
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "<") {
        if root != nil, !startsMisc { throw failure("something follows the root element") }
        if let done = try markup() { root = done }
      } else if open.isEmpty {
        guard Self.isBlank(bytes[position]) else { throw failure("text outside of the root element") }
        position += 1
      } else {
        try text()
      }
    }
    guard let root, open.isEmpty else { throw failure("the document ends too early") }
    return root
  }

  /// Whether a comment or a processing instruction stands here.
  private var startsMisc: Bool { looks("<!--") || looks("<?") }

  // MARK: - Markup

  /// Reads what begins with `<`; returns the root element when its end was read.
  private mutating func markup() throws(Failure) -> XMLNode? {
    if take("<!--") {
      try skip(past: "-->")
    } else if take("<![CDATA[") {
      guard !open.isEmpty else { throw failure("text outside of the root element") }
      let start = position
      try skip(past: "]]>")
      try append(bytes[start..<(position - 3)])
    } else if take("<?") {
      try instruction()
    } else if looks("<!") {
      throw failure("a document type is not read")
    } else if take("</") {
      return try endTag()
    } else {
      position += 1
      return try startTag()
    }
    return nil
  }

  private mutating func instruction() throws(Failure) {
    let start = position
    try skip(past: "?>")
    let content = String(decoding: bytes[start..<(position - 2)], as: UTF8.self).lowercased()
    guard content.hasPrefix("xml "), let mark = content.split(separator: "encoding", maxSplits: 1).dropFirst().first
    else { return }
    guard mark.contains("utf-8") || mark.contains("us-ascii") else { throw failure("another encoding than UTF-8") }
  }

  private mutating func startTag() throws(Failure) -> XMLNode? {
    let name = try name()
    var attributes: Set<String> = []
    while true {
      let hadBlank = skipBlanks()
      if take("/>") {
        guard open.count < Self.depthLimit else { throw failure("too many elements within each other") }
        return close(XMLNode(Self.local(name)))
      }
      if take(">") { break }
      guard hadBlank else { throw failure("a tag that can't be read") }
      guard attributes.insert(try self.name()).inserted else { throw failure("an attribute twice") }
      try attributeValue()
    }
    guard open.count < Self.depthLimit else { throw failure("too many elements within each other") }
    // The whole name until the end tag was compared with it.
    open.append(XMLNode(name))
    texts.append([])
    return nil
  }

  private mutating func attributeValue() throws(Failure) {
    skipBlanks()
    guard take("=") else { throw failure("an attribute without a value") }
    skipBlanks()
    guard let quote = current, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      throw failure("an attribute without quotes")
    }
    position += 1
    while let byte = current, byte != quote {
      guard byte != UInt8(ascii: "<") else { throw failure("a tag within an attribute") }
      position += 1
    }
    guard current == quote else { throw failure("an attribute without an end") }
    position += 1
  }

  private mutating func endTag() throws(Failure) -> XMLNode? {
    let name = try name()
    skipBlanks()
    guard take(">") else { throw failure("a tag that can't be read") }
    guard var node = open.popLast(), let raw = texts.popLast(), node.name == name else {
      throw failure("the end of an element that is not open")
    }
    guard let text = String(validating: raw, as: UTF8.self) else { throw failure("text that is not UTF-8") }
    let isLayout = !node.children.isEmpty && raw.allSatisfy(Self.isBlank)
    node.text = isLayout ? "" : text
    node.name = Self.local(name)
    return close(node)
  }

  /// Puts an element that is whole where it belongs; returns it if it is the root.
  private mutating func close(_ node: XMLNode) -> XMLNode? {
    guard !open.isEmpty else { return node }
    open[open.count - 1].children.append(node)
    return nil
  }

  // MARK: - Text

  private mutating func text() throws(Failure) {
    let start = position
    while let byte = current, byte != UInt8(ascii: "<"), byte != UInt8(ascii: "&") { position += 1 }
    try append(bytes[start..<position])
    if current == UInt8(ascii: "&") { try reference() }
  }

  /// Adds text with line ends as XML has them (section 2.11).
  private mutating func append(_ piece: ArraySlice<UInt8>) throws(Failure) {
    var isAfterReturn = false
    for byte in piece {
      guard byte >= 0x20 || byte == 9 || byte == 10 || byte == 13 else { throw failure("a control character") }
      if !(isAfterReturn && byte == 10) { texts[texts.count - 1].append(byte == 13 ? 10 : byte) }
      isAfterReturn = byte == 13
    }
  }

  private mutating func reference() throws(Failure) {
    let start = position + 1
    // The longest is `&#x10FFFF;`, but leading zeros are allowed.
    guard let end = bytes[start..<min(start + 16, bytes.count)].firstIndex(of: UInt8(ascii: ";")) else {
      throw failure("a reference without an end")
    }
    let name = String(decoding: bytes[start..<end], as: UTF8.self)
    let scalar: Unicode.Scalar? =
      switch name {
      case "lt": "<"
      case "gt": ">"
      case "amp": "&"
      case "apos": "'"
      case "quot": "\""
      default: Self.scalar(name)
      }
    guard let scalar else { throw failure("an unknown reference") }
    position = end + 1
    texts[texts.count - 1] += Array(String(Character(scalar)).utf8)
  }

  /// `#10` or `#xA`. Control characters too, which S3 writes so although XML 1.0 has no way to.
  private static func scalar(_ name: String) -> Unicode.Scalar? {
    let digits = name.hasPrefix("#x") ? name.dropFirst(2) : name.hasPrefix("#") ? name.dropFirst() : ""
    guard let first = digits.first, first.isHexDigit,
      let value = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10), value != 0
    else { return nil }
    return Unicode.Scalar(value)
  }

  // MARK: - Bytes

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func looks(_ text: StaticString) -> Bool {
    position + text.utf8CodeUnitCount <= bytes.count
      && text.withUTF8Buffer { bytes[position...].starts(with: $0) }
  }

  private mutating func take(_ text: StaticString) -> Bool {
    guard looks(text) else { return false }
    position += text.utf8CodeUnitCount
    return true
  }

  private mutating func take(_ prefix: [UInt8]) -> Bool {
    guard bytes[position...].starts(with: prefix) else { return false }
    position += prefix.count
    return true
  }

  private mutating func skip(past text: StaticString) throws(Failure) {
    while position < bytes.count {
      if take(text) { return }
      position += 1
    }
    throw failure("the document ends too early")
  }

  @discardableResult
  private mutating func skipBlanks() -> Bool {
    let start = position
    while let byte = current, Self.isBlank(byte) { position += 1 }
    return position > start
  }

  private mutating func name() throws(Failure) -> String {
    let start = position
    while let byte = current, Self.isNameByte(byte) { position += 1 }
    guard position > start, !Self.isNoStart(bytes[start]),
      let name = String(validating: bytes[start..<position], as: UTF8.self)
    else { throw failure("a name that can't be read") }
    return name
  }

  private static func local(_ name: String) -> String {
    guard let colon = name.utf8.lastIndex(of: UInt8(ascii: ":")) else { return name }
    return String(name[name.utf8.index(after: colon)...])
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 || byte == 10 || byte == 13 }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122, 0x80...: true
    default: byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":") || isNoStart(byte)
    }
  }

  /// What may stand in a name, but not at its beginning.
  private static func isNoStart(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || (48...57).contains(byte)
  }
}
