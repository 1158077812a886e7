package import JobModel
package import Transport

/// One service that takes alerts over HTTP: what it is told, and what its answers mean. A value without any I/O; the
/// actor around it is `HTTPChannelNotifier`.
package protocol HTTPChannel: Sendable {
  /// `slack`, `discord`, …: the text of `type` in config.json.
  var kind: String { get }
  var connection: HTTPConnection { get }
  /// Everything secret besides the address and the headers of `connection`.
  var secrets: [Secret] { get }
  /// How much the service takes, or nil if it sets no limit.
  var limit: TokenBucket.Limit? { get }
  /// Whether many alerts may come as one message. Not for services that put beginnings and ends together by their ids.
  var takesDigests: Bool { get }
  /// Whether the service has a notion of somebody having taken note of an alert.
  var takesAcknowledgements: Bool { get }
  /// Whether settings must not set `header`, which is in lower case, because the channel does.
  func isReserved(_ header: String) -> Bool

  /// What can't work with these settings.
  func check(name: String) throws(NotifierSettingsError)

  /// The same for every try of a delivery, but for what tells the time of the try.
  func request(_ message: AlertMessage) -> HTTPRequest

  func meaning(of answer: HTTPAnswer) -> DeliveryAnswer
}

extension HTTPChannel {
  package var secrets: [Secret] { [] }
  package var limit: TokenBucket.Limit? { nil }
  package var takesDigests: Bool { true }
  package var takesAcknowledgements: Bool { false }

  package func isReserved(_ header: String) -> Bool { false }

  package func check(name: String) throws(NotifierSettingsError) {}

  package func meaning(of answer: HTTPAnswer) -> DeliveryAnswer { answer.byStatus() }
}
