package import Transport

/// Sends alerts as mail, one SMTP transaction for each recipient, so that one bad address keeps nobody else from it.
package actor EmailNotifier: Notifier {
  package nonisolated let name: String
  package nonisolated let kind = "email"
  package nonisolated let destination: String

  private let settings: EmailSettings
  private let from: MailAddress
  private let to: [MailAddress]
  private let credentials: SMTPRequest.Credentials?
  private let smtp: SMTPClient
  private let redactor: Redactor
  private let turn = SendingTurn()
  private var ledger = MailLedger()

  package init(name: String, settings: EmailSettings, smtp: SMTPClient) throws(NotifierSettingsError) {
    func wrong(_ key: String, _ message: String, _ remedy: String) -> NotifierSettingsError {
      NotifierSettingsError(notifier: name, key: key, message: message, remedy: remedy)
    }
    let form = "Write name@host or Name <name@host>, with only letters, digits and !#$%&'*+-/=?^_`{|}~. before the @."
    guard let from = MailAddress(settings.from) else { throw wrong("from", "it is not a mail address", form) }
    var to: [MailAddress] = []
    for (number, text) in settings.to.enumerated() {
      guard let address = MailAddress(text) else { throw wrong("to[\(number)]", "it is not a mail address", form) }
      if !to.contains(where: { $0.address == address.address }) { to.append(address) }
    }
    guard let first = to.first else { throw wrong("to", "it is empty", "Name at least one recipient.") }
    switch (settings.username, settings.password) {
    case (nil, nil): credentials = nil
    case (let username?, let password?): credentials = .init(username: username, password: password)
    case (nil, _): throw wrong("username", "a password is given without a user name", "Give both or none.")
    case (_, nil): throw wrong("password", "a user name is given without a password", "Give both or none.")
    }
    guard settings.timeout > .zero else { throw wrong("timeout", "it is not positive", "Give seconds, like 30.") }
    self.name = name
    self.settings = settings
    self.from = from
    self.to = to
    self.smtp = smtp
    redactor = Redactor(settings.password.map { [$0] } ?? [])
    let others = to.count == 1 ? "" : " and \(to.count - 1) more"
    destination = "\(first.address)\(others) via \(Redactor.printable(settings.host)):\(settings.port)"
    do throws(TransportError) {
      try Self.request(settings, credentials, from: from, to: first, message: [65, 13, 10]).check()
    } catch {
      throw wrong("host", error.message, error.remedy)
    }
  }

  package func deliver(_ message: AlertMessage) async -> DeliveryAnswer {
    await turn.enter()
    let answer = await send(message)
    await turn.leave()
    return answer
  }

  private func send(_ message: AlertMessage) async -> DeliveryAnswer {
    let bytes = MailFormat.mail(message, from: from, to: to).encoded()
    var entry = ledger[message.id]
    var later: [String] = []
    var said = ""
    for recipient in to where !entry.delivered.contains(recipient.address) && entry.refused[recipient.address] == nil {
      let request = Self.request(settings, credentials, from: from, to: recipient, message: bytes)
      do throws(TransportError) {
        said = try await smtp.send(request).text
        entry.delivered.insert(recipient.address)
      } catch {
        let text = redactor.line(error.description)
        if error.isWorthRetrying {
          later.append("\(recipient.address): \(text)")
        } else if !error.concernsWholeServer {
          entry.refused[recipient.address] = text
        }
        // The others would only meet the same silence, one time-out after the other.
        if error.concernsWholeServer {
          ledger[message.id] = entry
          return error.isWorthRetrying ? .retry(line(entry, text), after: nil) : .unusable(line(entry, text))
        }
      }
    }
    if !later.isEmpty {
      ledger[message.id] = entry
      return .retry(line(entry, later.joined(separator: "; ")), after: nil)
    }
    guard entry.refused.isEmpty else {
      // Kept, so that sending it again by hand reaches only those who have not got it.
      let refused = entry.refused
      entry.refused = [:]
      ledger[message.id] = entry
      let texts = refused.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      return .permanent(line(entry, texts.joined(separator: "; ")))
    }
    ledger.forget(message.id)
    let count = to.count == 1 ? "" : " (\(to.count) recipients)"
    return .delivered(redactor.line(said.isEmpty ? "all recipients have it" : said) + count)
  }

  /// What was said, and how many have the message all the same.
  private func line(_ entry: MailLedger.Entry, _ text: String) -> String {
    let reached = entry.delivered.isEmpty ? "" : "\(entry.delivered.count) of \(to.count) recipients have it; "
    return redactor.line(reached + text)
  }

  private static func request(
    _ settings: EmailSettings, _ credentials: SMTPRequest.Credentials?, from: MailAddress, to: MailAddress,
    message: [UInt8]
  ) -> SMTPRequest {
    var request = SMTPRequest(
      host: settings.host, port: settings.port, security: settings.security, credentials: credentials,
      sender: from.address, recipient: to.address, message: message)
    request.timeout = settings.timeout
    request.caFile = settings.caFile
    return request
  }
}
