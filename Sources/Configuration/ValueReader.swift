import JobModel

/// A value that was read, or what is wrong with it.
enum Reading<Value> {
  case value(Value)
  /// Continues the path as a sentence; names a value only where none can be secret.
  case problem(String)
}

/// Reads single values of the configuration: the check and the typed settings use the same functions.
enum ValueReader {
  static let secretRemedy = #"write {"env": "NAME"}, {"file": "PATH"} or {"command": ["PROGRAM", "ARGUMENT"]}"#

  static func boolean(_ node: JSONNode) -> Reading<Bool> {
    if case .bool(let value) = node.value { return .value(value) }
    return .problem("\(shown(node)) is not allowed; true or false")
  }

  static func integer(_ node: JSONNode, _ range: ClosedRange<Int>) -> Reading<Int> {
    guard case .number(let text) = node.value else {
      return .problem("\(shown(node)) is not allowed; a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    // 5.0 and 1e3 are whole numbers too.
    let value = Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
    guard let value, range.contains(value) else {
      return .problem("\(shown(node)) is not allowed; a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return .value(value)
  }

  static func number(_ node: JSONNode, _ range: ClosedRange<Double>) -> Reading<Double> {
    guard case .number(let text) = node.value, let value = Double(text), range.contains(value) else {
      return .problem(
        "\(shown(node)) is not allowed; a number from \(plain(range.lowerBound)) to \(plain(range.upperBound))")
    }
    return .value(value)
  }

  static func duration(_ node: JSONNode, _ range: ClosedRange<Duration>) -> Reading<Duration> {
    let duration: Duration?
    switch node.value {
    case .string(let text): duration = DurationText.parse(text)
    case .number(let text): duration = Double(text).flatMap { seconds(from: $0) }
    default: duration = nil
    }
    guard let duration else {
      return .problem(
        #"\#(shown(node)) is not a duration; write it as "90s", "15m", "1h30m" or as a number of seconds"#)
    }
    guard range.contains(duration) else {
      return .problem("\(shown(node)) is not allowed; from \(text(range.lowerBound)) to \(text(range.upperBound))")
    }
    return .value(duration)
  }

  static func money(_ node: JSONNode) -> Reading<Money> {
    if let text = amount(node), let money = Money(text), money >= .zero { return .value(money) }
    return .problem(#"\#(shown(node)) is not an amount; write dollars as 12.5 or "12.50", with at most six decimals"#)
  }

  static func price(_ node: JSONNode) -> Reading<HourlyPrice> {
    if let text = amount(node), let price = HourlyPrice(text) { return .value(price) }
    return .problem(#"\#(shown(node)) is not a price; write dollars an hour as 0.36 or "0.36""#)
  }

  static func text(_ node: JSONNode, _ rule: TextRule) -> Reading<String> {
    guard case .string(let text) = node.value else {
      return .problem("must be \(rule.choices == nil ? "a text" : "one of \(rule.kind)"), not \(node.kind)")
    }
    let repeated = rule.sensitive ? "" : shown(node) + " "
    if let choices = rule.choices {
      if choices.contains(text) { return .value(text) }
      return .problem("\(repeated)is not allowed; one of \(choices.joined(separator: ", "))")
    }
    if let problem = rule.problem(text) {
      return .problem(problem == "must not be empty" ? problem : repeated + problem)
    }
    return .value(text)
  }

  static func secret(_ node: JSONNode) -> Reading<SecretReference> {
    guard let members = node.members else {
      if node.string != nil {
        return .problem("is a secret, which must not stand here; \(secretRemedy)")
      }
      return .problem("must be a secret, not \(node.kind); \(secretRemedy)")
    }
    guard members.count == 1, let member = members.first else {
      return .problem("a secret has exactly one of env, file, command; \(secretRemedy)")
    }
    switch member.key {
    case "env":
      guard let name = member.node.string, TextRule.variable.problem(name) == nil else {
        return .problem("env must be the name of an environment variable, not its value")
      }
      return .value(.environment(name))
    case "file":
      guard let path = member.node.string, TextRule.path.problem(path) == nil else {
        return .problem("file must be the path of a file")
      }
      return .value(.file(path))
    case "command":
      let words = member.node.items?.compactMap(\.string) ?? []
      guard let items = member.node.items, words.count == items.count, (1...64).contains(words.count),
        words.first?.isEmpty == false, !words.contains(where: { $0.utf8.contains(0) })
      else {
        return .problem(#"command must be a list of texts, the program first: ["pass", "show", "cloudjobs/smtp"]"#)
      }
      return .value(.command(words))
    default:
      return .problem("a secret has exactly one of env, file, command; \(secretRemedy)")
    }
  }

  static func textOrSecret(_ node: JSONNode, _ rule: TextRule) -> Reading<PlainOrSecret> {
    if node.members != nil {
      switch secret(node) {
      case .value(let reference): return .value(.secret(reference))
      case .problem(let problem): return .problem(problem)
      }
    }
    guard node.string != nil else { return .problem("must be a text or a secret, not \(node.kind); \(secretRemedy)") }
    switch text(node, rule) {
    case .value(let text): return .value(.plain(text))
    case .problem(let problem): return .problem(problem)
    }
  }

  // MARK: Wording

  /// The value as a message may show it: scalars bounded, everything else by its kind.
  static func shown(_ node: JSONNode) -> String {
    switch node.value {
    case .string(let text): Wording.quoted(text)
    case .number(let text): Wording.bare(text)
    case .bool(let value): value ? "true" : "false"
    case .null, .array, .object: node.kind
    }
  }

  /// The shortest text of a duration that reads back as the same one: `15s`, `0.5s`, `1h 30m`.
  static func text(_ duration: Duration) -> String {
    let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    if milliseconds % 1000 != 0 { return "\(plain(Double(milliseconds) / 1000))s" }
    var seconds = milliseconds / 1000
    var parts: [String] = []
    for (unit, size) in [("d", Int64(86_400)), ("h", 3600), ("m", 60), ("s", 1)] where seconds >= size {
      parts.append("\(seconds / size)\(unit)")
      seconds %= size
    }
    return parts.isEmpty ? "0s" : parts.joined()
  }

  static func plain(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(number)
  }

  private static func seconds(from number: Double) -> Duration? {
    guard number >= 0, number <= 3.2e9 else { return nil }
    return .milliseconds(Int64((number * 1000).rounded()))
  }

  /// The digits of an amount, as they were written; 1e-2 has none.
  private static func amount(_ node: JSONNode) -> String? {
    switch node.value {
    case .string(let text): text
    case .number(let text): text
    default: nil
    }
  }
}
