/// An instance that a provider has named for an attempt.
package struct Launched: Sendable, Hashable {
  package var instance: Instance
  package var price: HourlyPrice
  /// When it began to cost.
  package var at: Timestamp

  package init(instance: Instance, price: HourlyPrice, at: Timestamp) {
    self.instance = instance
    self.price = price
    self.at = at
  }
}

/// What came of a launch call.
package enum LaunchAnswer: Sendable, Hashable {
  case launched(Launched)
  /// The provider said no: nothing was launched.
  case refused(Reason, String)
  /// It is not known whether something was launched.
  case unknown(String)
}
