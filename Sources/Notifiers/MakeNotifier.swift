package import Transport

/// The notifier that `settings` describe. The clients start when they are first used; that for mail sends one message after
/// the other, so notifiers that share it wait for each other.
package func makeNotifier(
  name: String, settings: NotifierSettings, http: HTTPClient, smtp: SMTPClient
) throws(NotifierSettingsError) -> any Notifier {
  switch settings {
  case .webhook(let webhook): try HTTPChannelNotifier(name: name, channel: WebhookChannel(webhook), http: http)
  case .email(let email): try EmailNotifier(name: name, settings: email, smtp: smtp)
  case .command(let command): try CommandNotifier(name: name, settings: command)
  case .service(let channel): try HTTPChannelNotifier(name: name, channel: channel, http: http)
  }
}
