internal import JobModel

extension ConfigurationSchema {
  /// The tables of docs/configuration.md: every key, its kind, its default, its meaning.
  package static func reference() -> String {
    guard case .object(let sections) = root else { return "" }
    return sections.fields.map { ReferencePrinter.section($0) }.joined(separator: "\n") + ReferencePrinter.fields()
  }
}

/// Turns the schema into Markdown.
private enum ReferencePrinter {
  static func section(_ field: Schema.Field) -> String {
    var out = "### `\(field.key)`\n\n\(field.meaning)\n"
    switch field.schema {
    case .object(let fields):
      if fields.shared {
        out +=
          "\nOther tools may keep keys of their own here: an unknown one is a warning, unless it looks like a slip of the pen.\n"
      }
      out += "\n" + table(rows(fields, under: field.key))
    case .map(_, .variants(let variants), _):
      for variant in variants {
        out += "\n**`\"type\": \"\(variant.type)\"`**: \(variant.meaning)\n\n"
        out += table(rows(variant.fields, under: "\(field.key).NAME"))
      }
    default: break
    }
    return out
  }

  static func fields() -> String {
    let rows = AlertField.allCases.map { "| `{{\($0.rawValue)}}` | \($0.meaning) |" }
    return """

      ### Fields of templates

      Everything that `alerts.templates`, and `template` and `body` of a notifier, can name.

      | field | what stands for it |
      | --- | --- |
      \(rows.joined(separator: "\n"))
      | `{{tag.NAME}}` | The job's tag `NAME` |

      """
  }

  private static func table(_ rows: [String]) -> String {
    (["| key | kind | default | meaning |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n") + "\n"
  }

  private static func rows(_ fields: Schema.Fields, under path: String) -> [String] {
    fields.fields.flatMap { field -> [String] in
      let here = "\(path).\(field.key)"
      if case .object(let inner) = field.schema {
        return ["| `\(here)` | object | | \(field.meaning) |"] + rows(inner, under: here)
      }
      if case .map(_, .object(let inner), _) = field.schema {
        return ["| `\(here)` | object | | \(field.meaning) |"] + rows(inner, under: here + ".NAME")
      }
      let standard = field.standard.map { "`\($0.text())`" } ?? (field.required ? "required" : "")
      return ["| `\(here)` | \(kind(field.schema)) | \(standard) | \(field.meaning) |"]
    }
  }

  private static func kind(_ schema: Schema) -> String {
    switch schema {
    case .boolean: "true or false"
    case .integer(let range): "whole number, \(range.lowerBound) to \(range.upperBound)"
    case .number(let range): "number, \(ValueReader.plain(range.lowerBound)) to \(ValueReader.plain(range.upperBound))"
    case .text(let rule): rule.choices.map { $0.map { "`\($0)`" }.joined(separator: ", ") } ?? rule.kind
    case .duration(let range):
      "duration, \(ValueReader.text(range.lowerBound)) to \(ValueReader.text(range.upperBound))"
    case .money: "dollars"
    case .price: "dollars an hour"
    case .secret: "secret"
    case .textOrSecret(let rule): "\(rule.kind) or secret"
    case .list(let element, _): "list of: \(kind(element))"
    case .oneOrMany(let element): "\(kind(element)), or a list of them"
    case .map(_, let values, _): "object of: \(kind(values))"
    case .object: "object"
    case .document: "any JSON"
    case .variants: "object with a `type`"
    }
  }
}
