internal import JobModel

extension TextRule {
  /// A line with fields of an alert in it, for `AlertTemplate`.
  package static let template = TextRule(kind: "template") { text in
    if let problem = line.problem(text) { return problem }
    return templateProblem(text)
  }

  /// The same of several lines.
  package static let templateLines = TextRule(kind: "template of lines") { text in
    if text.allSatisfy(\.isWhitespace) { return "must not be empty" }
    if let problem = line.problem(text.split(whereSeparator: \.isNewline).joined(separator: " ")) { return problem }
    for line in text.split(whereSeparator: \.isNewline) {
      if let problem = templateProblem(String(line)) { return problem }
    }
    return nil
  }

  /// What is wrong with the fields in a text, or nil.
  static func templateProblem(_ text: String) -> String? {
    do throws(AlertTemplate.Flaw) {
      _ = try AlertTemplate(text)
      return nil
    } catch {
      return switch error {
      case .open: "has a {{ without a }}; fields are written as {{job.cost}}, or with a default as {{job.budget|none}}"
      case .empty: "has {{}} without a field in it"
      case .unknown(let name): unknown(name)
      }
    }
  }

  private static func unknown(_ name: String) -> String {
    let known = AlertField.allCases.map(\.rawValue)
    let near = Wording.nearest(to: name, in: known).map { "did you mean \($0)? Fields are" } ?? "one of"
    return
      "has the field \(Wording.quoted(name)), which there is not; \(near) \(known.joined(separator: ", ")), tag.NAME"
  }
}
