package import JobModel
package import Transport

/// Microsoft Teams, through a workflow that starts "when a Teams webhook request is received":
/// https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498
package struct TeamsChannel: HTTPChannel {
  package let kind = "teams"
  /// The workflow's address, whose `sig` is the key to it.
  package let connection: HTTPConnection

  package init(_ connection: HTTPConnection) {
    self.connection = connection
  }

  /// 100 an hour and 150 in two:
  /// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#rate-limiting-for-connectors
  package var limit: TokenBucket.Limit? { .init(burst: 20, perMinute: 1.25) }

  package func request(_ message: AlertMessage) -> HTTPRequest {
    connection.post(connection.url, TeamsFormat.body(message.alert))
  }

  /// A workflow answers 202 before it has posted anything. The older connectors answered 200 with `1`, or 200 with an
  /// error in words.
  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer {
    guard answer.isSuccess else { return answer.byStatus() }
    if let status = Self.status(in: answer.text) {
      switch status {
      case 408, 429, 500...599: return answer.again()
      case 401, 403, 404, 410: return .unusable("\(answer.line). Make a new workflow in Teams")
      default: return .permanent(answer.line)
      }
    }
    if answer.status == 202 || answer.text.isEmpty || answer.text == "1" { return .delivered(answer.line) }
    return answer.stranger("a workflow of Teams")
  }

  /// The status in `… Microsoft Teams endpoint returned HTTP error 429 with ContextId …`.
  private static func status(in text: String) -> Int? {
    let words = text.split(separator: " ")
    for (index, word) in words.enumerated() where word == "error" && index > 0 && words[index - 1] == "HTTP" {
      guard index + 1 < words.count else { return nil }
      return Int(words[index + 1].prefix { ("0"..."9").contains($0) })
    }
    return nil
  }
}
