import Foundation
import JobModel
import Notifiers
import Transport

/// Sends alerts as mail, each as a line of JSON on standard input says, and prints what became of it as another.
///
/// ```json
/// {"id":"…","from":"…","to":["…"],"title":"…","facts":[["label","value"]],"next":null}
/// ```
enum MailBenchmark {
  private struct Order: Decodable {
    var id: String
    var from: String
    var to: [String]
    var title: String
    var facts: [[String]]
    var next: String?
  }

  private struct Result: Encodable {
    var id: String
    /// `delivered`, `refused` (the addresses), `failed`.
    var word: String
    var said: String
  }

  /// - Parameters:
  ///   - port: of a mail server of this machine, without encryption.
  static func run(port: Int) async throws -> [String: Double] {
    let http = HTTPClient()
    let smtp = SMTPClient()
    var counts: [String: Double] = ["delivered": 0, "refused": 0, "failed": 0]
    let began = Meter.seconds()
    while let line = readLine() {
      let order = try JSONDecoder().decode(Order.self, from: Data(line.utf8))
      let result = await send(order, port, http, smtp)
      counts[result.word, default: 0] += 1
      print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
    }
    await smtp.shutdown()
    await http.shutdown()
    counts["seconds"] = Meter.seconds() - began
    return counts
  }

  private static func send(_ order: Order, _ port: Int, _ http: HTTPClient, _ smtp: SMTPClient) async -> Result {
    let settings = EmailSettings(
      host: "127.0.0.1", port: port, security: .plain, from: order.from, to: order.to, timeout: .seconds(30))
    let notifier: any Notifier
    do throws(NotifierSettingsError) {
      notifier = try makeNotifier(name: "mail", settings: .email(settings), http: http, smtp: smtp)
    } catch {
      return Result(id: order.id, word: "refused", said: "\(error)")
    }
    let now = Timestamp(seconds: 1_795_394_706)
    let alert = Alert(
      id: order.id, rule: .jobFailed, severity: .critical, at: now, job: JobID("k3v9x2ab"), title: order.title,
      facts: order.facts.map { Alert.Fact($0.first ?? "", $0.last ?? "") }, nextCommand: order.next,
      channels: ["mail"],
      details: AlertDetails(
        spending: .init(
          spent: Money(microdollars: 1_500_000), limit: Money(microdollars: 2_000_000),
          marks: [Money(microdollars: 1_000_000)])))
    switch await notifier.deliver(AlertMessage(id: order.id, alert: alert, now: now)) {
    case .delivered(let said): return Result(id: order.id, word: "delivered", said: said)
    case .retry(let said, _), .permanent(let said), .unusable(let said):
      return Result(id: order.id, word: "failed", said: said)
    }
  }
}
